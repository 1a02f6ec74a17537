/// What carries requests to a server: an `HTTPClient`, or something nearer where the server is in the same process.
public protocol HTTPTransport: Sendable {
  func send(_ request: HTTPClient.Request) async throws(HTTPClientError) -> HTTPClient.Response
  func download(_ request: HTTPClient.Request, to path: String) async throws(HTTPClientError) -> (
    answer: HTTPClient.Response, size: Int
  )
  func stream(_ request: HTTPClient.Request) async throws(HTTPClientError) -> HTTPStream
}

extension HTTPClient: HTTPTransport {}
