import FoundationEssentials
import HTTP
import Model

extension Secret {
  /// The texts as which it turns up in what programs and targets print: as it is, as a string of JSON, percent-encoded
  /// as in a URL, and in base64, also within a longer text (`user:password`). Some of them may be the same.
  ///
  /// What a program makes of it otherwise (its hash, its letters one by one) is the program's affair: nobody can list
  /// that.
  public var forms: [String] {
    open { text in
      let quoted = Value.string(text).json().dropFirst().dropLast()
      return [text, String(quoted), PercentCoding.encode(text)] + Self.base64(Array(text.utf8))
    }
  }

  /// Base64 of the bytes, in both alphabets; and the part of it that stays the same, wherever in a longer text they lie.
  private static func base64(_ bytes: [UInt8]) -> [String] {
    var forms = [Data(bytes).base64EncodedString()]
    for shift in 0..<3 {
      let text = Data([UInt8](repeating: 0, count: shift) + bytes).base64EncodedString()
      // The first letters have bits of what comes before, and the last may have bits of what follows.
      let first = (shift * 8 + 5) / 6
      let end = (shift + bytes.count) * 8 / 6
      if first < end { forms.append(String(text.dropFirst(first).prefix(end - first))) }
    }
    return forms
      + forms.filter { $0.contains { "+/".contains($0) } }.map {
        String($0.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 })
      }
  }
}
