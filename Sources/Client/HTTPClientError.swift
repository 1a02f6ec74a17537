import HTTP

/// A request that got no answer, or not the whole of it. An answer of any status is not an error.
public struct HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Code: String, Sendable {
    case cancelled
    case clientClosed = "client_closed"
    case invalidRequest = "invalid_request"
    case unknownHost = "unknown_host"
    case connectionRefused = "connection_refused"
    /// The peer cannot be reached at all: no route, no such socket.
    case unreachable
    case connectTimeout = "connect_timeout"
    case timeout
    case tls
    /// The peer closed the connection before its answer was whole.
    case connectionLost = "connection_lost"
    case invalidResponse = "invalid_response"
    case responseTooLarge = "response_too_large"
    case tooManyRedirects = "too_many_redirects"
    /// A local file cannot be read or written.
    case file
    case other
  }

  public let code: Code
  public let method: HTTPMethod
  /// Without user, password, query and fragment, any of which may hold a secret.
  public let url: String
  public let fact: String
  public let hint: String
  /// Bytes of the request have left, so it may have had its effect. When false, sending it again is always safe.
  public let requestSent: Bool

  public init(code: Code, method: HTTPMethod, url: String, fact: String, hint: String, requestSent: Bool) {
    self.code = code
    self.method = method
    self.url = HTTPClientError.withoutSecrets(url)
    self.fact = fact
    self.hint = hint
    self.requestSent = requestSent
  }

  public var description: String { "\(method) \(url): \(fact) (\(hint))" }

  static func withoutSecrets(_ url: String) -> String {
    let end = url.firstIndex { $0 == "?" || $0 == "#" } ?? url.endIndex
    let shown = url[..<end]
    guard let colon = shown.firstIndex(of: ":"), shown[colon...].hasPrefix("://") else { return String(shown) }
    let authority = shown.index(colon, offsetBy: 3)
    let path = shown[authority...].firstIndex(of: "/") ?? shown.endIndex
    guard let at = shown[authority..<path].lastIndex(of: "@") else { return String(shown) }
    return String(shown[..<authority]) + shown[shown.index(after: at)...]
  }
}
