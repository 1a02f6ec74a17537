import HTTP

/// A part of a file, or the whole of it, as a response body. Ranges that the client asks for are served by the server.
public struct HTTPFileBody: Sendable {
  public var path: String
  /// A strong validator with its quotes, such as `"sha256:..."`; makes `If-Range` and `If-None-Match` work.
  public var etag: String?

  public init(path: String, etag: String? = nil) {
    self.path = path
    self.etag = etag
  }
}

public enum HTTPResponseBody: Sendable {
  case bytes([UInt8])
  case file(HTTPFileBody)
  /// Written while it is sent, chunked. The closure runs in a task of its own, which is cancelled when the client
  /// goes away or the server shuts down; returning ends the body, throwing cuts the connection so that the client
  /// can tell that the body is not whole.
  case stream(@Sendable (HTTPStreamWriter) async throws -> Void)
}

public struct HTTPResponse: Sendable {
  public var status: Int
  /// `Content-Length`, `Transfer-Encoding` and `Connection` are the server's own and are ignored here.
  public var headers: HTTPHeaders
  public var body: HTTPResponseBody

  public init(status: Int = 200, headers: HTTPHeaders = [:], body: HTTPResponseBody = .bytes([])) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  public static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
    HTTPResponse(status: status, headers: ["Content-Type": "application/json"], body: .bytes(bytes))
  }

  public static func text(_ text: String, status: Int = 200) -> HTTPResponse {
    HTTPResponse(
      status: status, headers: ["Content-Type": "text/plain; charset=utf-8"], body: .bytes(Array(text.utf8)))
  }

  public static func noContent() -> HTTPResponse { HTTPResponse(status: 204) }

  public static func file(_ path: String, contentType: String, etag: String? = nil) -> HTTPResponse {
    HTTPResponse(headers: ["Content-Type": contentType], body: .file(HTTPFileBody(path: path, etag: etag)))
  }

  public static func stream(
    contentType: String, _ write: @escaping @Sendable (HTTPStreamWriter) async throws -> Void
  ) -> HTTPResponse {
    HTTPResponse(headers: ["Content-Type": contentType], body: .stream(write))
  }

  /// Live updates. Proxies are told not to hold them back.
  public static func events(
    _ write: @escaping @Sendable (HTTPStreamWriter) async throws -> Void
  ) -> HTTPResponse {
    var response = HTTPResponse.stream(contentType: ServerSentEvent.contentType, write)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response
  }
}
