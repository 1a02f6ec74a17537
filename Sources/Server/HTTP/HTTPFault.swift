import FoundationEssentials
import HTTP

/// An error that a client gets to see: a status, and a code, fact and hint that say what to do about it.
public struct HTTPFault: Error, Sendable, Equatable {
  public var status: Int
  /// Stable and machine readable, such as `body_too_large`.
  public var code: String
  public var message: String
  public var hint: String
  public var headers: HTTPHeaders

  public init(status: Int, code: String, message: String, hint: String, headers: HTTPHeaders = [:]) {
    self.status = status
    self.code = code
    self.message = message
    self.hint = hint
    self.headers = headers
  }

  /// `{"error":{"code":...,"message":...,"hint":...}}`
  public static func renderJSON(_ fault: HTTPFault) -> HTTPResponse {
    struct Envelope: Encodable {
      struct Fields: Encodable {
        let code: String
        let message: String
        let hint: String
      }
      let error: Fields
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let envelope = Envelope(error: .init(code: fault.code, message: fault.message, hint: fault.hint))
    var headers = fault.headers
    headers["Content-Type"] = "application/json"
    // Three strings always encode; an empty body is what a client would see if that ever stopped being so.
    let body = (try? encoder.encode(envelope)).map { [UInt8]($0) } ?? []
    return HTTPResponse(status: fault.status, headers: headers, body: .bytes(body))
  }
}

extension HTTPFault {
  static func notFound(path: String) -> HTTPFault {
    HTTPFault(
      status: 404, code: "not_found", message: "there is nothing at \(path)",
      hint: "check the path; it is case-sensitive and has no trailing slash")
  }

  static func methodNotAllowed(_ method: HTTPMethod, path: String, allow: [HTTPMethod]) -> HTTPFault {
    let allowed = allow.map(\.rawValue).joined(separator: ", ")
    return HTTPFault(
      status: 405, code: "method_not_allowed", message: "\(path) does not take \(method)",
      hint: "it takes \(allowed)", headers: ["Allow": allowed])
  }

  static func malformedPath(fact: String) -> HTTPFault {
    HTTPFault(
      status: 400, code: "malformed_path", message: "the path \(fact)",
      hint: "encode the path as UTF-8, each other byte as % and two hexadecimal digits")
  }

  static func malformedQuery(name: String) -> HTTPFault {
    HTTPFault(
      status: 400, code: "malformed_query", message: "the query item \(name) holds a malformed percent escape",
      hint: "encode names and values as UTF-8, each other byte as % and two hexadecimal digits")
  }

  static func malformedHeader(_ name: String, fact: String) -> HTTPFault {
    HTTPFault(
      status: 400, code: "malformed_header", message: "the header field \(name) \(fact)",
      hint: "send each request with one plain framing: a single Content-Length, or chunked")
  }

  static func bodyTooLarge(limit: Int) -> HTTPFault {
    HTTPFault(
      status: 413, code: "body_too_large", message: "the request body is larger than \(limit) bytes",
      hint: "send less at once, or ask the operator to raise the limit")
  }

  static func bodiesTooLarge() -> HTTPFault {
    HTTPFault(
      status: 503, code: "busy", message: "the server holds as much of other requests as it may",
      hint: "try again in a few seconds", headers: ["Retry-After": "5"])
  }

  static func headersTooLarge(fact: String) -> HTTPFault {
    HTTPFault(
      status: 431, code: "headers_too_large", message: fact,
      hint: "send fewer or shorter header fields; cookies of other services on this host count too")
  }

  static func queryTooLarge(limit: Int) -> HTTPFault {
    HTTPFault(
      status: 414, code: "query_too_large", message: "the query has more than \(limit) items",
      hint: "send fewer items after the question mark")
  }

  static func tooManyConnections(limit: Int, perAddress: Bool) -> HTTPFault {
    HTTPFault(
      status: perAddress ? 429 : 503, code: "too_many_connections",
      message: perAddress
        ? "your address has \(limit) connections open, the most it may" : "the server has \(limit) connections open",
      hint: perAddress ? "reuse connections, or close some" : "try again in a few seconds",
      headers: ["Retry-After": "5"])
  }

  static func answerTimeout() -> HTTPFault {
    HTTPFault(
      status: 503, code: "answer_timeout", message: "the server did not finish the request in time",
      hint: "it may have taken effect; look before you send it again", headers: ["Retry-After": "5"])
  }

  static func closing() -> HTTPFault {
    HTTPFault(
      status: 503, code: "server_closing", message: "the server is shutting down",
      hint: "try again in a few seconds", headers: ["Retry-After": "2"])
  }

  static func internalError() -> HTTPFault {
    HTTPFault(
      status: 500, code: "internal_error", message: "the server failed to answer",
      hint: "the server's log says why; report it if it comes again")
  }

  static func storageFailed() -> HTTPFault {
    HTTPFault(
      status: 507, code: "upload_not_stored", message: "the server could not store the upload",
      hint: "the server's disk may be full; its operator can tell")
  }
}
