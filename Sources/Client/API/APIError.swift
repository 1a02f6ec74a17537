import Model

/// A call of the API that did not give what was asked for.
public enum APIError: Error, Sendable {
  /// The server answered with an error. `status` is that of HTTP.
  case refused(status: Int, ErrorView.Body)
  /// There was no answer.
  case unreachable(HTTPClientError)
  /// The answer is none that a server of this kind gives.
  case unreadable(method: String, url: String, status: Int, fact: String)
}

extension APIError {
  /// Asking again may help: nothing was wrong with the request.
  public var isTransient: Bool {
    switch self {
    case .refused(let status, _): status == 429 || status >= 500
    case .unreachable(let error):
      switch error.code {
      case .cancelled, .clientClosed, .invalidRequest, .file, .tls, .responseTooLarge, .tooManyRedirects: false
      default: true
      }
    case .unreadable: false
    }
  }

  /// There is nothing under that name.
  public var isNotFound: Bool {
    if case .refused(404, _) = self { true } else { false }
  }
}
