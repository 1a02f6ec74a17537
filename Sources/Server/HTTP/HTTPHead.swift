import CMicroHTTPD
import HTTP

/// The header of a request, taken out of libmicrohttpd's memory and checked.
struct HTTPHead {
  enum Framing: Equatable {
    case none
    case length(Int)
    case chunked
  }

  var request: HTTPRequest
  var framing: Framing

  /// - Parameter path: as libmicrohttpd gives it: what stands before the question mark.
  static func read(
    _ connection: OpaquePointer, method: String, path: String, limits: HTTPLimits, peer: String,
    exchange: HTTPExchange
  ) throws(HTTPFault) -> HTTPHead {
    let size = lp_mhd_header_size(connection)
    guard size <= limits.headerBytes else {
      throw HTTPFault.headersTooLarge(fact: "the header is \(size) bytes; \(limits.headerBytes) is the most")
    }
    var collected = Collected()
    withUnsafeMutablePointer(to: &collected) { collected in
      _ = lp_mhd_values(
        connection,
        { context, kind, name, nameSize, value, valueSize in
          guard let context else { return .NO }
          context.assumingMemoryBound(to: Collected.self).pointee
            .add(kind, HTTPHead.text(name, nameSize) ?? "", HTTPHead.text(value, valueSize))
          return .YES
        }, collected)
    }
    guard collected.headers.count <= limits.headerCount else {
      throw HTTPFault.headersTooLarge(
        fact: "the request has \(collected.headers.count) header fields; \(limits.headerCount) is the most")
    }
    guard collected.query.count <= limits.queryCount else { throw .queryTooLarge(limit: limits.queryCount) }
    let headers = HTTPHeaders(collected.headers)
    try checkFraming(headers)
    let request = try HTTPRequest(
      method: HTTPMethod(rawValue: method), path: originForm(path), query: query(collected.query), headers: headers,
      body: .bytes([]), peer: peer, exchange: exchange)
    return HTTPHead(request: request, framing: framing(connection))
  }

  /// How long the body is, by libmicrohttpd's own reading of the header.
  static func framing(_ connection: OpaquePointer) -> Framing {
    if MHD_lookup_connection_value(connection, .HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != nil {
      return .chunked
    }
    guard let text = MHD_lookup_connection_value(connection, .HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH)
    else { return .none }
    let length = Int(String(cString: text)) ?? .max
    return length == 0 ? .none : .length(length)
  }

  private struct Collected {
    var headers: [HTTPHeaders.Field] = []
    var query: [(name: String, value: String?)] = []

    init() { headers.reserveCapacity(8) }

    mutating func add(_ kind: MHD_ValueKind, _ name: String, _ value: String?) {
      if kind == .HEADER_KIND {
        headers.append(.init(name: name, value: value ?? ""))
      } else {
        query.append((name, value))
      }
    }
  }

  private static func text(_ start: UnsafePointer<CChar>?, _ size: Int) -> String? {
    start.map { start in
      start.withMemoryRebound(to: UInt8.self, capacity: size) {
        String(decoding: UnsafeBufferPointer(start: $0, count: size), as: UTF8.self)
      }
    }
  }

  /// A proxy and this server must agree on where a request ends; libmicrohttpd takes the first of several.
  private static func checkFraming(_ headers: HTTPHeaders) throws(HTTPFault) {
    let lengths = headers.values("Content-Length")
    let encodings = headers.values("Transfer-Encoding")
    if lengths.count > 1 { throw .malformedHeader("Content-Length", fact: "is there \(lengths.count) times") }
    if encodings.isEmpty { return }
    if !lengths.isEmpty { throw .malformedHeader("Transfer-Encoding", fact: "is there beside a Content-Length") }
    if encodings.count > 1 || !HTTPHeaders.same(encodings[0], "chunked") {
      throw .malformedHeader("Transfer-Encoding", fact: "is not just \"chunked\"")
    }
  }

  private static func query(_ items: [(name: String, value: String?)]) throws(HTTPFault) -> [HTTPQueryItem] {
    var decoded: [HTTPQueryItem] = []
    for item in items {
      guard let name = PercentCoding.decode(item.name) else { throw .malformedQuery(name: item.name) }
      guard let value = item.value else {
        decoded.append(HTTPQueryItem(name: name, value: nil))
        continue
      }
      guard let text = PercentCoding.decode(value) else { throw .malformedQuery(name: item.name) }
      decoded.append(HTTPQueryItem(name: name, value: text))
    }
    return decoded
  }

  /// The path of a target that holds a scheme and a host as well, as clients send it to a proxy.
  private static func originForm(_ target: String) -> String {
    guard !target.hasPrefix("/"), let scheme = target.firstIndex(of: ":"), target[scheme...].hasPrefix("://") else {
      return target
    }
    let authority = target.index(scheme, offsetBy: 3)
    return target[authority...].firstIndex(of: "/").map { String(target[$0...]) } ?? "/"
  }
}
