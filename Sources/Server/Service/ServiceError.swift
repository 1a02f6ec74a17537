import HTTP
import Model
import Storage

/// Why the server did not do what was asked, as it is told to whoever asked.
struct ServiceError: Error, Sendable {
  enum Code: String, Sendable, CaseIterable {
    case malformed, unauthenticated, forbidden
    case notFound = "not_found"
    case exists, closed, stale, conflict, gap
    case tooLarge = "too_large"
    case unsupportedMedia = "unsupported_media"
    case invalid, refused, missing
    case tooMany = "too_many"
    case internalError = "internal_error"
    case busy, unavailable

    var status: Int {
      switch self {
      case .malformed: 400
      case .unauthenticated: 401
      case .forbidden: 403
      case .notFound: 404
      case .exists, .closed, .stale, .conflict, .gap: 409
      case .tooLarge: 413
      case .unsupportedMedia: 415
      case .invalid, .refused, .missing: 422
      case .tooMany: 429
      case .internalError: 500
      case .busy, .unavailable: 503
      }
    }
  }

  var code: Code
  var body: ErrorView.Body
  var headers: HTTPHeaders

  init(
    _ code: Code, _ message: String, hint: String? = nil, problems: [Diagnostic]? = nil,
    report: Coverage.Report? = nil, headers: HTTPHeaders = [:]
  ) {
    self.code = code
    body = ErrorView.Body(code: code.rawValue, message: message, hint: hint, problems: problems, report: report)
    self.headers = headers
  }

  /// What is not there, or belongs to others; the two are not told apart.
  static func noSuch(_ what: String, _ name: String, hint: String? = nil) -> ServiceError {
    ServiceError(.notFound, "there is no \(what) `\(name)`", hint: hint)
  }

  /// A request of which something is wrong.
  static func invalid(_ problems: [Diagnostic]) -> ServiceError {
    let first = problems.first?.message ?? "the request is not valid"
    let rest = problems.count > 1 ? ", and \(problems.count - 1) more" : ""
    return ServiceError(.invalid, first + rest, hint: problems.first?.help, problems: problems)
  }
}

extension ServiceError {
  /// - Returns: the error for the caller; nil where it is none of the caller's business and belongs in the log.
  init?(_ error: StoreError) {
    let code: Code
    switch error.code {
    case .notFound: code = .notFound
    case .exists: code = .exists
    case .ambiguous, .mismatch, .invalid: code = .invalid
    case .closed: code = .closed
    case .refused: if case .stale? = error.refusal { code = .stale } else { code = .conflict }
    case .tooLarge: code = .tooLarge
    case .gap: code = .gap
    case .busy: code = .busy
    case .stopped: code = .unavailable
    case .full, .readOnly, .io, .locked:
      // Where the disk is, and what it is called, is nobody's business but the operator's.
      self.init(
        .unavailable, "the server cannot write to its disk now", hint: "its operator can tell why; try again later",
        headers: ["Retry-After": "5"])
      return
    case .corrupt, .foreign, .newer, .defect: return nil
    }
    self.init(code, error.fact, hint: error.hint)
    if code == .busy || code == .unavailable { headers["Retry-After"] = "1" }
  }
}
