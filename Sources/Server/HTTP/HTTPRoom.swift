import CMicroHTTPD
import Glibc
import HTTP

/// The memory of a connection, which libmicrohttpd 0.9.75 fills with a request's header, the index of it and the answer's
/// header. What does not fit it refuses with 414 or 431 by itself, but for two cases, which are caught here: a query
/// whose items do not fit leaves the client waiting, and an answer whose header does not fit is never sent.
enum HTTPRoom {
  /// Bytes of an entry of the index: libmicrohttpd's structure, aligned.
  private static let entryBytes = 64
  /// Bytes of the largest header of an answer.
  private static let answerBytes = 1 << 10

  /// Ends the query after one item more than is taken: it is seen that there are too many, and there are no more than fit.
  /// A line that is too long for any request keeps no query at all.
  static func cutQuery(of target: UnsafeMutablePointer<CChar>, _ limits: HTTPLimits) {
    guard var place = strchr(target, Int32(UInt8(ascii: "?"))) else { return }
    var left = strlen(target) > limits.headerBytes ? 0 : limits.queryCount + 1
    place += 1
    while left > 0 {
      guard let end = strchr(place, Int32(UInt8(ascii: "&"))) else { return }
      left -= 1
      // Behind the `&`: an empty item that nothing follows would not be counted.
      place = end + 1
    }
    place.pointee = 0
  }

  /// Whether there is room for the header of an answer, now that the request's is read.
  static func isLeft(_ connection: OpaquePointer, _ limits: HTTPLimits) -> Bool {
    var used = lp_mhd_header_size(connection) + Int(lp_mhd_entries(connection)) * entryBytes
    // Cookies are taken apart in a copy.
    if let cookie = MHD_lookup_connection_value(connection, .HEADER_KIND, MHD_HTTP_HEADER_COOKIE) {
      used += strlen(cookie) + entryBytes
    }
    return used + answerBytes <= limits.connectionMemory
  }

  /// Answers on the socket itself. The connection must be closed then.
  static func refuse(_ service: HTTPService, on socket: Int32) {
    let response = service.render(.headersTooLarge(fact: "the header leaves no room for an answer"))
    guard case .bytes(let body) = response.body else { return }
    let head = """
      HTTP/1.1 \(response.status) Request Header Fields Too Large\r
      Content-Type: application/json\r
      Content-Length: \(body.count)\r
      Connection: close\r
      \r

      """
    // The buffer of the socket is empty: answers before this one have been sent.
    _ = (Array(head.utf8) + body).withUnsafeBytes {
      send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
  }
}
