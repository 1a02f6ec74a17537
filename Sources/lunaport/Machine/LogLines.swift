import Arguments
import Model

/// The log of `up`, `serve` and `agent` on standard error, a line each in logfmt: names and values that both people and
/// programs read.
struct LogLines: Sendable {
  let console: Console
  let now: @Sendable () -> Double

  /// - Parameter fields: beside the time, the level and the message; in the order of their names.
  func write(_ level: String, _ message: String, from part: String, _ fields: [String: String] = [:]) {
    console.report(Self.line(level, message, from: part, fields, at: now()))
  }

  static func line(
    _ level: String, _ message: String, from part: String, _ fields: [String: String], at time: Double
  ) -> String {
    var line = "time=\(Timestamp.text(time)) level=\(level) from=\(part) msg=\(quoted(message))"
    for name in fields.keys.sorted() { line += " \(name)=\(quoted(fields[name] ?? ""))" }
    return line
  }

  /// Bare where that is one word, else as a JSON string.
  private static func quoted(_ text: String) -> String {
    let isBare =
      !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x3D && $0 != 0x5C }
    return isBare ? text : Value.string(text).json()
  }
}
