/// A code of a problem that people are told of, with its page for `lunaport check --explain CODE`.
public struct DiagnosticCode: Sendable, Hashable {
  public var code: String
  /// A few words.
  public var title: String
  /// Why it is a problem and what usually causes it.
  public var text: String
  public var wrong: String?
  public var right: String?

  /// The page as people read it.
  public var page: String {
    var out = "\(code): \(title)\n\n\(text)\n"
    func block(_ title: String, _ source: String) {
      out += "\n\(title):\n\n" + source.split(separator: "\n").map { "    \($0)\n" }.joined()
    }
    if let wrong { block("Wrong", wrong) }
    if let right { block("Right", right) }
    return out
  }

  public static func named(_ code: String) -> DiagnosticCode? {
    (all + requests).first { $0.code == code.uppercased() }
  }
}

extension DiagnosticCode {
  init(_ code: String, _ title: String, _ text: String, wrong: String? = nil, right: String? = nil) {
    self.code = code
    self.title = title
    self.text = text
    self.wrong = wrong
    self.right = right
  }

  /// Codes of files and of what they make of a submission, in their order.
  public static let all: [DiagnosticCode] = declarations + documents + plugins + submissions
}
