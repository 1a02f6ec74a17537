import FoundationEssentials
import HTTP
import Model

/// The server's API, one method for each route, as the command line and agents call it.
///
/// Every method throws `APIError` and sends its request once.
public struct APIClient: Sendable {
  /// Without a slash at the end.
  public let url: String
  private let key: String?
  private let http: any HTTPTransport

  /// - Parameters:
  ///   - url: where the server is, such as `http://127.0.0.1:8080`.
  ///   - key: the caller's API key; nil calls as nobody.
  public init(url: String, key: String?, http: any HTTPTransport) {
    var url = url[...]
    while url.hasSuffix("/") { url = url.dropLast() }
    self.url = String(url)
    self.key = key
    self.http = http
  }

  /// Names and values behind the `?`; what is nil is left out.
  package typealias Query = [(name: String, value: String?)]

  /// The address of a route: `parts` are path segments, encoded here.
  private func address(_ parts: [String], _ query: Query) -> String {
    let path = (["api", "v1"] + parts).map(PercentCoding.encode).joined(separator: "/")
    let pairs = query.compactMap { pair in
      pair.value.map { "\(PercentCoding.encode(pair.name))=\(PercentCoding.encode($0))" }
    }
    return "\(url)/\(path)" + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
  }

  private func request(
    _ method: HTTPMethod, _ parts: [String], _ query: Query, body: HTTPClient.Body, type: String,
    timeout: Duration?
  ) -> HTTPClient.Request {
    var headers = HTTPHeaders()
    if let key { headers["Authorization"] = "Bearer \(key)" }
    if case .none = body {} else { headers["Content-Type"] = type }
    return HTTPClient.Request(method, address(parts, query), headers: headers, body: body, timeout: timeout)
  }

  /// Sends and gives any answer below 400, or of a status that the caller deals with.
  func answer(
    _ method: HTTPMethod, _ parts: [String], _ query: Query = [], body: HTTPClient.Body = .none,
    type: String = "application/json", timeout: Duration? = .seconds(30), accepting status: Int? = nil
  ) async throws(APIError) -> HTTPClient.Response {
    try await send(request(method, parts, query, body: body, type: type, timeout: timeout), accepting: status)
  }

  /// Gets what lies outside the API's own path, and needs no key.
  func plainAnswer(_ path: String) async throws(APIError) -> HTTPClient.Response {
    try await send(HTTPClient.Request(.get, "\(url)/\(path)"))
  }

  private func send(
    _ request: HTTPClient.Request, accepting status: Int? = nil
  ) async throws(APIError) -> HTTPClient.Response {
    let response: HTTPClient.Response
    do { response = try await http.send(request) } catch { throw .unreachable(error) }
    guard response.status < 400 || response.status == status else {
      throw Self.refusal(request, response.status, response.body)
    }
    return response
  }

  /// Gets an answer into a file.
  /// - Parameter stall: the longest time without a byte; there is no bound in all, for a slow line is no error.
  func download(_ parts: [String], to path: String, stall: Duration = .seconds(60)) async throws(APIError) {
    var request = request(.get, parts, [], body: .none, type: "", timeout: nil)
    request.stallTimeout = stall
    let response: HTTPClient.Response
    do { response = try await http.download(request, to: path).answer } catch { throw .unreachable(error) }
    // What a refusal says has gone into the file.
    guard response.status < 400 else { throw Self.refusal(request, response.status, []) }
  }

  /// Sends and reads the answer as `Answer`.
  func call<Answer: Decodable>(
    _ method: HTTPMethod, _ parts: [String], _ query: Query = [], body: HTTPClient.Body = .none,
    timeout: Duration? = .seconds(30)
  ) async throws(APIError) -> Answer {
    try read(try await answer(method, parts, query, body: body, timeout: timeout), method, parts)
  }

  func read<Answer: Decodable>(
    _ response: HTTPClient.Response, _ method: HTTPMethod, _ parts: [String]
  ) throws(APIError) -> Answer {
    do {
      return try JSON.decode(Answer.self, response.body)
    } catch {
      throw .unreadable(
        method: method.rawValue, url: address(parts, []), status: response.status,
        fact: "its answer is not what this version of lunaport expects: \(error)")
    }
  }

  /// Opens an answer that goes on for as long as the server likes.
  /// - Parameter stall: the longest time without a byte.
  package func stream(_ parts: [String], _ query: Query = [], stall: Duration?) async throws(APIError) -> HTTPStream {
    var request = request(.get, parts, query, body: .none, type: "", timeout: nil)
    request.stallTimeout = stall
    let stream: HTTPStream
    do { stream = try await http.stream(request) } catch { throw .unreachable(error) }
    guard stream.status >= 400 else { return stream }
    var body: [UInt8] = []
    do {
      for try await piece in stream.body where body.count < Self.errorBytesMax { body += piece }
    } catch { throw .unreachable(error) }
    throw Self.refusal(request, stream.status, body)
  }

  /// Bytes of an error's answer that are read; reports of refused agents are the longest.
  private static let errorBytesMax = 1 << 20

  private static func refusal(_ request: HTTPClient.Request, _ status: Int, _ body: [UInt8]) -> APIError {
    if let view = try? JSONDecoder().decode(ErrorView.self, from: Data(body)) {
      return .refused(status: status, view.error)
    }
    return .unreadable(
      method: request.method.rawValue, url: HTTPClientError.withoutSecrets(request.url), status: status,
      fact: "it answers \(status) without saying why, so it may be no lunaport server")
  }

  /// A body of JSON.
  static func json(_ value: some Encodable) throws(APIError) -> HTTPClient.Body {
    do {
      return .bytes(try JSON.encode(value))
    } catch {
      // Only a number that JSON cannot say gets here.
      throw .refused(
        status: 400,
        ErrorView.Body(code: "invalid", message: "the request cannot be written as JSON: \(error)"))
    }
  }
}
