import Processes

/// Runs a tool of the machine.
enum Tool {
  /// What the tool printed where it ended with exit code 0 in time, else nil.
  static func output(of words: [String], timeout: Double) async -> String? {
    guard let result = try? await Command(words, timeout: timeout).run(), result.succeeded else { return nil }
    return String(decoding: result.output, as: UTF8.self)
  }
}
