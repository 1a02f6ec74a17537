import CMicroHTTPD
import Glibc
import HTTP

/// An answer in libmicrohttpd's form. Whoever makes it destroys `response`.
struct HTTPReply {
  var status: Int
  let response: OpaquePointer
  /// The writer of a streamed body and what writes it; neither for a body that is not sent.
  var stream: (writer: HTTPStreamWriter, produce: @Sendable (HTTPStreamWriter) async throws -> Void)?

  /// What a client asks of a file.
  struct Conditions {
    var range: String?
    var ifRange: String?
    var ifNoneMatch: String?
  }

  /// - Parameters:
  ///   - sendsBody: false for `HEAD`; the header is then that of the whole answer.
  ///   - closes: the connection ends with the answer.
  /// - Returns: `nil` when there is no memory.
  static func make(
    _ response: HTTPResponse, for core: HTTPServerCore, handle: HTTPConnectionHandle, sendsBody: Bool, closes: Bool
  ) -> HTTPReply? {
    if let reply = plain(response, core, handle, sendsBody: sendsBody, closes: closes) { return reply }
    // The file cannot be read, or a handler gave a status or a header that no client could take.
    return plain(core.service.render(.internalError()), core, handle, sendsBody: sendsBody, closes: closes)
  }

  private static func plain(
    _ response: HTTPResponse, _ core: HTTPServerCore, _ handle: HTTPConnectionHandle, sendsBody: Bool, closes: Bool
  ) -> HTTPReply? {
    guard (200...599).contains(response.status) else { return nil }
    let made: HTTPReply?
    switch response.body {
    case .bytes(let bytes):
      made = HTTPReply.bytes(bytes).map { HTTPReply(status: response.status, response: $0) }
    case .file(let file):
      made = HTTPReply.file(file, status: response.status, conditions(handle))
    case .stream(let produce):
      let writer = HTTPStreamWriter(connection: handle, capacity: core.limits.streamBuffer)
      made = HTTPReply.stream(writer, core).map {
        HTTPReply(status: response.status, response: $0, stream: sendsBody ? (writer, produce) : nil)
      }
    }
    guard let made else { return nil }
    var added = response.headers.fields.allSatisfy { field in
      ownHeaders.contains { HTTPHeaders.same($0, field.name) } || add(field.name, field.value, to: made.response)
    }
    if closes { added = add("Connection", "close", to: made.response) && added }
    if added { return made }
    MHD_destroy_response(made.response)
    return nil
  }

  /// Headers that follow from how the body is sent.
  private static let ownHeaders = ["Content-Length", "Transfer-Encoding", "Connection"]

  /// False when the field holds what must not be in a header, such as a line end.
  private static func add(_ name: String, _ value: String, to response: OpaquePointer) -> Bool {
    MHD_add_response_header(response, name, value) == .YES
  }

  private static func bytes(_ bytes: [UInt8]) -> OpaquePointer? {
    bytes.withUnsafeBytes { buffer in
      // Copied by libmicrohttpd: the array may move once this returns.
      MHD_create_response_from_buffer(
        buffer.count, UnsafeMutableRawPointer(mutating: buffer.baseAddress), .RESPMEM_MUST_COPY)
    }
  }

  // MARK: Files

  private static func conditions(_ handle: HTTPConnectionHandle) -> Conditions {
    func value(_ name: String) -> String? {
      MHD_lookup_connection_value(handle.pointer, .HEADER_KIND, name).map { String(cString: $0) }
    }
    return Conditions(range: value("Range"), ifRange: value("If-Range"), ifNoneMatch: value("If-None-Match"))
  }

  private static func file(_ body: HTTPFileBody, status: Int, _ conditions: Conditions) -> HTTPReply? {
    if status == 200, let etag = body.etag, conditions.ifNoneMatch == etag {
      return bytes([]).flatMap { tagged(HTTPReply(status: 304, response: $0), etag: etag) }
    }
    let descriptor = open(body.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var info = stat()
    guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      return nil
    }
    let size = Int(info.st_size)
    // A range of a file that has changed since would splice two versions.
    let mayCut = status == 200 && (conditions.ifRange == nil || conditions.ifRange == body.etag)
    switch mayCut ? ByteRange(header: conditions.range, size: size) : .whole {
    case .whole:
      return part(descriptor, 0..<size, status: status).flatMap { tagged($0, etag: body.etag) }
    case .part(let range):
      return part(descriptor, range, status: 206).flatMap { reply in
        let value = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
        return tagged(reply, etag: body.etag, contentRange: value)
      }
    case .unsatisfiable:
      close(descriptor)
      return bytes([]).flatMap { response in
        tagged(HTTPReply(status: 416, response: response), etag: body.etag, contentRange: "bytes */\(size)")
      }
    }
  }

  /// Takes over the descriptor.
  private static func part(_ descriptor: Int32, _ range: Range<Int>, status: Int) -> HTTPReply? {
    let response = MHD_create_response_from_fd_at_offset64(
      UInt64(range.count), descriptor, UInt64(range.lowerBound))
    guard let response else {
      close(descriptor)
      return nil
    }
    return HTTPReply(status: status, response: response)
  }

  private static func tagged(_ reply: HTTPReply, etag: String?, contentRange: String? = nil) -> HTTPReply? {
    let headers: [(String, String?)] = [
      ("Accept-Ranges", "bytes"), ("ETag", etag), ("Content-Range", contentRange),
    ]
    for case (let name, let value?) in headers where !add(name, value, to: reply.response) {
      MHD_destroy_response(reply.response)
      return nil
    }
    return reply
  }

  // MARK: Streams

  /// What the reader callback needs, owned by the response.
  private final class Source: Sendable {
    let writer: HTTPStreamWriter
    let core: HTTPServerCore

    init(_ writer: HTTPStreamWriter, _ core: HTTPServerCore) {
      self.writer = writer
      self.core = core
    }
  }

  /// Asked of libmicrohttpd for a block; it gives what its own memory for the connection has room for.
  private static let block = 32 << 10

  private static func stream(_ writer: HTTPStreamWriter, _ core: HTTPServerCore) -> OpaquePointer? {
    let source = Unmanaged.passRetained(Source(writer, core))
    let response = MHD_create_response_from_callback(
      UInt64.max, block,
      { context, _, target, max in
        guard let context, let target else { return Int(MHD_CONTENT_READER_END_WITH_ERROR) }
        let source = Unmanaged<Source>.fromOpaque(context).takeUnretainedValue()
        return source.writer.read(into: target, max: max, mayWait: !source.core.isStopping)
      }, source.toOpaque(),
      { context in
        guard let context else { return }
        Unmanaged<Source>.fromOpaque(context).takeRetainedValue().writer.cut(.clientGone)
      })
    if response == nil { source.release() }
    return response
  }
}
