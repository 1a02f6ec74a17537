import Client
import HTTP
import Server

/// Carries the requests of `up`'s own agent to the server beside it, without a connection between: a third of what a
/// short run costs would be their way through the kernel. Routes, keys, limits and texts are those of all others.
struct InnerTransport: HTTPTransport {
  let server: Server
  /// For what is rare: files, and answers that go on.
  private let http = HTTPClient()

  init(_ server: Server) { self.server = server }

  /// The request's timeout is not kept: nothing on this way can be lost, and the server bounds what it waits for.
  func send(_ request: HTTPClient.Request) async throws(HTTPClientError) -> HTTPClient.Response {
    guard case .bytes(let body) = request.body, request.url.hasPrefix(server.url + "/"),
      let inner = Self.inner(request, String(request.url.dropFirst(server.url.count)), body)
    else { return try await http.send(request) }
    let response = await server.answer(inner)
    guard !Task.isCancelled else {
      throw HTTPClientError(
        code: .cancelled, method: request.method, url: request.url, fact: "the request was cancelled",
        hint: "nobody waits for it any more", requestSent: true)
    }
    guard case .bytes(let bytes) = response.body else { return try await http.send(request) }
    return HTTPClient.Response(status: response.status, headers: response.headers, body: bytes)
  }

  private static func inner(_ request: HTTPClient.Request, _ target: String, _ body: [UInt8]) -> HTTPRequest? {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var query: [HTTPQueryItem] = []
    for pair in parts.count > 1 ? parts[1].split(separator: "&") : [] {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = PercentCoding.decode(sides[0]) else { return nil }
      var value: String?
      if sides.count > 1 {
        value = PercentCoding.decode(sides[1])
        if value == nil { return nil }
      }
      query.append(HTTPQueryItem(name: name, value: value))
    }
    return try? HTTPRequest(
      method: request.method, path: String(parts[0]), query: query, headers: request.headers, body: body,
      peer: "this process")
  }

  func download(_ request: HTTPClient.Request, to path: String) async throws(HTTPClientError) -> (
    answer: HTTPClient.Response, size: Int
  ) {
    try await http.download(request, to: path)
  }

  func stream(_ request: HTTPClient.Request) async throws(HTTPClientError) -> HTTPStream {
    try await http.stream(request)
  }
}
