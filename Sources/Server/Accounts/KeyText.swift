import Hashing

/// The text of an API key: `lp-` and 43 letters and digits. It is random from the system, shown once, and never kept:
/// the store has its SHA-256.
///
/// The form is one that the wandb client takes too: at most one dash, after which 40 or more letters and digits.
struct KeyText: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  static let prefix = "lp-"
  /// 62^43 is more than 2^255.
  static let length = 43

  private let text: String

  /// A new key.
  init(using random: inout some RandomNumberGenerator) {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    text = KeyText.prefix + String((0..<KeyText.length).map { _ in alphabet[Int.random(in: 0..<62, using: &random)] })
  }

  /// A new key, from the system's random numbers.
  static func random() -> KeyText {
    var random = SystemRandomNumberGenerator()
    return KeyText(using: &random)
  }

  /// Reads a key; nil where `text` has not the form of one, which then need not be looked for.
  init?(_ text: String) {
    guard text.hasPrefix(KeyText.prefix), text.utf8.count == KeyText.prefix.utf8.count + KeyText.length,
      text.utf8.dropFirst(KeyText.prefix.utf8.count).allSatisfy({
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
      })
    else { return nil }
    self.text = text
  }

  /// What the store knows the key by. Whoever measures how long it takes to find a digest learns of digests, not of keys.
  func digest() throws(HashError) -> Digest { try Hash.of(text) }

  /// Hands the text to the one who is told the key.
  func open<Result>(_ sink: (String) throws -> Result) rethrows -> Result { try sink(text) }

  var description: String { "<key>" }
  var debugDescription: String { description }
  var customMirror: Mirror { Mirror(self, children: [:]) }
}
