import Glibc

/// Takes the texts of a call's secrets out of what targets and programs answer: some repeat in an error what they were
/// sent, and errors are shown to people.
struct SecretMask: Sendable {
  /// Shorter texts stand in many an answer by chance, and are no secrets.
  static let leastBytes = 6

  private var marks: [(text: [UInt8], mark: [UInt8])] = []

  init(_ secrets: [String: Secret]) {
    for (name, secret) in secrets {
      guard secret.open({ $0.utf8.count >= Self.leastBytes }) else { continue }
      for form in Set(secret.forms) where form.utf8.count >= Self.leastBytes {
        marks.append((Array(form.utf8), Array("[secret \(name)]".utf8)))
      }
    }
    // One secret may lie within another.
    marks.sort { $0.text.count > $1.text.count }
  }

  func applied(to bytes: [UInt8]) -> [UInt8] {
    var masked = bytes
    for (text, mark) in marks { masked = Self.replacing(text, by: mark, in: masked) }
    return masked
  }

  private static func replacing(_ text: [UInt8], by mark: [UInt8], in bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var start = 0
    while let found = first(text, in: bytes, from: start) {
      result += bytes[start..<found]
      result += mark
      start = found + text.count
    }
    return start == 0 ? bytes : result + bytes[start...]
  }

  private static func first(_ text: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    bytes.withUnsafeBytes { all in
      text.withUnsafeBytes { wanted in
        guard let base = all.baseAddress, let key = wanted.baseAddress else { return nil }
        var index = start
        while index + text.count <= bytes.count {
          guard let found = memchr(base + index, Int32(text[0]), bytes.count - text.count - index + 1) else {
            return nil
          }
          index = UnsafeRawPointer(found) - base
          if memcmp(found, key, text.count) == 0 { return index }
          index += 1
        }
        return nil
      }
    }
  }
}
