import Glibc
import HTTP

/// One item of a query, decoded. `?flag` has no value; `?flag=` has an empty one.
public struct HTTPQueryItem: Sendable, Equatable {
  public var name: String
  public var value: String?

  public init(name: String, value: String?) {
    self.name = name
    self.value = value
  }
}

/// A body that was received into a file of its own, because its route asked for that.
/// The file is removed when the last holder lets go of it, unless it has been moved elsewhere.
public final class HTTPUploadedFile: Sendable {
  public let path: String
  /// Size in bytes.
  public let size: Int

  init(path: String, size: Int) {
    self.path = path
    self.size = size
  }

  deinit { unlink(path) }
}

public enum HTTPRequestBody: Sendable {
  case bytes([UInt8])
  case file(HTTPUploadedFile)
}

/// A request whose body has been received in whole.
public struct HTTPRequest: Sendable {
  public var method: HTTPMethod
  /// The path as it was sent, without the query; escapes are kept. `*` when the server as a whole is meant.
  public var path: String
  /// The parts of the path between slashes, each decoded, so that an escaped slash stays inside its part.
  public var segments: [String]
  public var query: [HTTPQueryItem]
  public var headers: HTTPHeaders
  public var body: HTTPRequestBody
  /// The numeric address of the client, without its port. Behind a proxy it is the proxy's.
  public var peer: String
  /// What the names in braces of the matched route stand for.
  public var parameters: [String: String] = [:]
  /// The request's place in the server; none for a request made by a test.
  let exchange: HTTPExchange?

  public init(
    method: HTTPMethod = .get, path: String, query: [HTTPQueryItem] = [], headers: HTTPHeaders = [:],
    body: [UInt8] = [], peer: String = ""
  ) throws(HTTPFault) {
    try self.init(
      method: method, path: path, query: query, headers: headers, body: .bytes(body), peer: peer, exchange: nil)
  }

  init(
    method: HTTPMethod, path: String, query: [HTTPQueryItem], headers: HTTPHeaders, body: HTTPRequestBody,
    peer: String, exchange: HTTPExchange?
  ) throws(HTTPFault) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
    self.peer = peer
    self.exchange = exchange
    guard path != "*" else {
      segments = ["*"]
      return
    }
    guard path.hasPrefix("/") else { throw HTTPFault.malformedPath(fact: "does not start with a slash") }
    segments = []
    for part in path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      guard let segment = PercentCoding.decode(Substring(part)) else {
        throw HTTPFault.malformedPath(fact: "holds a malformed percent escape")
      }
      segments.append(segment)
    }
  }

  /// The body held in memory; empty for one that went to a file.
  public var bytes: [UInt8] {
    if case .bytes(let bytes) = body { bytes } else { [] }
  }

  /// Runs a wait that the server may cut short: a long-poll. When the server shuts down or the client goes away, the
  /// task of the handler is cancelled, so `wait` must end on cancellation; the handler then answers that there is
  /// nothing, and the client gets that answer as a clean end. Outside of such a wait a shutdown leaves a handler its
  /// grace time.
  public func whileWaiting<Value: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ wait: () async throws -> Value
  ) async rethrows -> Value {
    exchange?.setWaiting(true)
    defer { exchange?.setWaiting(false) }
    return try await wait()
  }
}
