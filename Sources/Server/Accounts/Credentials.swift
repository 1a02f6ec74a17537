import FoundationEssentials
import HTTP

/// What a request says about who sends it.
enum Credentials {
  case none
  /// A header that is there and holds no key of ours.
  case malformed
  case key(KeyText)

  /// Reads `Bearer KEY`, and `Basic` with any user and the key as password.
  init(_ headers: HTTPHeaders) {
    let fields = headers.values("Authorization")
    guard let field = fields.first else {
      self = .none
      return
    }
    let parts = field.split(separator: " ", maxSplits: 1)
    guard fields.count == 1, parts.count == 2 else {
      self = .malformed
      return
    }
    let text = parts[1].filter { $0 != " " }
    switch parts[0].lowercased() {
    case "bearer": self = KeyText(text).map(Credentials.key) ?? .malformed
    case "basic":
      guard let data = Data(base64Encoded: text), let pair = String(validating: data, as: UTF8.self),
        let colon = pair.firstIndex(of: ":"), let key = KeyText(String(pair[pair.index(after: colon)...]))
      else {
        self = .malformed
        return
      }
      self = .key(key)
    default: self = .malformed
    }
  }
}
