import CCurl
import Glibc
import HTTP
import Synchronization

/// One request under way. Made anywhere, then touched by the thread of the loop alone.
final class CurlTransfer: @unchecked Sendable {
  // Invariant: after `CurlLoop.add` only the loop's thread reads or writes the `var`s; `isCancelled` is atomic.
  let request: HTTPClient.Request
  let sink: any CurlSink
  let isCancelled = Atomic(false)

  private(set) var easy: UnsafeMutableRawPointer?
  private var headerList: UnsafeMutablePointer<curl_slist>?
  private var connectList: UnsafeMutablePointer<curl_slist>?
  /// libcurl writes here what exactly went wrong.
  private var detail: UnsafeMutablePointer<CChar>?
  private var source = Source.none
  private var status = 0
  private var headers = HTTPHeaders()
  private var headIsComplete = false
  private var headerBytes = 0
  /// The sink wants no more of the answer, which counts as whole.
  private var isEnough = false
  /// Why the sink or the source ended the transfer; it says more than what libcurl makes of it.
  private var refusal: (code: HTTPClientError.Code, fact: String, hint: String)?

  private enum Source {
    case none
    case bytes([UInt8], sent: Int)
    case file(Int32)
  }

  init(_ request: HTTPClient.Request, _ sink: any CurlSink) {
    self.request = request
    self.sink = sink
  }

  deinit { release() }

  /// Bytes of a body from which on it is sent only after `100 Continue`.
  private static let askFirst = 1 << 20
  /// Bytes of all header fields of an answer; a server that sends more means no good. libcurl itself bounds one line.
  private static let headerBytesMax = 256 << 10

  // MARK: Start

  /// Makes the libcurl handle. An error means that nothing was sent.
  func prepare(_ configuration: HTTPClient.Configuration) throws(HTTPClientError) -> UnsafeMutableRawPointer {
    guard let easy = curl_easy_init() else { throw error(.other, "there is no memory for a transfer", hint: "") }
    self.easy = easy
    for field in request.headers.fields where !HTTPHeaders.same(field.name, "Content-Length") {
      guard !(field.name + field.value).utf8.contains(where: { $0 == 13 || $0 == 10 || $0 == 0 }) else {
        throw error(.invalidRequest, "the header field \(field.name) holds a line end", hint: "remove it")
      }
      // libcurl takes "Name:" for a field to leave out; "Name;" is one without a value.
      append(header: field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
    }
    try setMethodAndBody(easy)
    if let signature = request.awsSignature { sign(easy, signature) }
    lp_curl_set_text(easy, CURLOPT_URL, request.url)
    if let tls = request.tls { try secure(easy, tls) }
    lp_curl_set_headers(easy, headerList)
    lp_curl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
    lp_curl_set_text(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
    lp_curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    lp_curl_set_long(easy, CURLOPT_NOSIGNAL, 1)
    lp_curl_set_text(easy, CURLOPT_USERAGENT, configuration.userAgent)
    lp_curl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, configuration.connectTimeout.wholeMilliseconds)
    lp_curl_set_long(easy, CURLOPT_MAXAGE_CONN, configuration.pooledFor.wholeMilliseconds / 1000)
    if let timeout = request.timeout { lp_curl_set_long(easy, CURLOPT_TIMEOUT_MS, timeout.wholeMilliseconds) }
    if let stall = request.stallTimeout {
      lp_curl_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, 1)
      lp_curl_set_long(easy, CURLOPT_LOW_SPEED_TIME, max(1, stall.wholeMilliseconds / 1000))
    }
    if request.redirects > 0 {
      lp_curl_set_long(easy, CURLOPT_FOLLOWLOCATION, 1)
      lp_curl_set_long(easy, CURLOPT_MAXREDIRS, request.redirects)
    }
    // A socket is on this machine, whatever name stands in the URL.
    lp_curl_set_text(easy, CURLOPT_NOPROXY, request.unixSocket == nil ? CurlTransfer.directHosts : "*")
    if let socket = request.unixSocket { lp_curl_set_text(easy, CURLOPT_UNIX_SOCKET_PATH, socket) }
    if let file = configuration.authorityFile { lp_curl_set_text(easy, CURLOPT_CAINFO, file) }
    if let file = configuration.certificateFile { lp_curl_set_text(easy, CURLOPT_SSLCERT, file) }
    if let file = configuration.keyFile { lp_curl_set_text(easy, CURLOPT_SSLKEY, file) }
    let detail = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    detail.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    self.detail = detail
    lp_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, detail)
    let context = Unmanaged.passUnretained(self).toOpaque()
    lp_curl_set_write(easy, CURLOPT_HEADERFUNCTION, CurlTransfer.onHeader)
    lp_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
    lp_curl_set_write(easy, CURLOPT_WRITEFUNCTION, CurlTransfer.onBytes)
    lp_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
    return easy
  }

  /// Hosts that are reached without the proxy of the environment: those it names, and this machine, where no proxy
  /// has any business though few who set one think of saying so.
  static func directHosts(environment: (String) -> String?) -> String {
    let named = environment("no_proxy") ?? environment("NO_PROXY") ?? ""
    return named == "*" ? named : (named.isEmpty ? "" : named + ",") + "localhost,127.0.0.1,::1"
  }

  private static let directHosts = directHosts { name in getenv(name).map { String(cString: $0) } }

  private func append(header: String) { headerList = curl_slist_append(headerList, header) }

  private func setMethodAndBody(_ easy: UnsafeMutableRawPointer) throws(HTTPClientError) {
    let size: Int
    switch request.body {
    case .none where [HTTPMethod.post, .put, .patch].contains(request.method):
      size = 0
    case .none:
      if request.method == .head {
        lp_curl_set_long(easy, CURLOPT_NOBODY, 1)
      } else if request.method != .get {
        lp_curl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
      }
      return
    case .bytes(let bytes):
      source = .bytes(bytes, sent: 0)
      size = bytes.count
    case .file(let path):
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      var info = stat()
      guard descriptor >= 0, fstat(descriptor, &info) == 0 else {
        let fact = "cannot read \(path): \(String(cString: strerror(errno)))"
        throw error(.file, fact, hint: "check the path and its permissions")
      }
      source = .file(descriptor)
      size = Int(info.st_size)
    }
    // CURLOPT_UPLOAD with a method of our own, and not CURLOPT_POSTFIELDS, because of the read callback: without a
    // way to rewind, libcurl cannot send a request again whose pooled connection died after it had been sent, when
    // it may have had its effect.
    if request.awsSignature != nil {
      // As CURLOPT_POST, which asks first for large bodies alone: the empty field below would be signed and not sent.
      lp_curl_set_long(easy, CURLOPT_POST, 1)
      lp_curl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(size))
      if request.headers["Content-Type"] == nil { append(header: "Content-Type: application/octet-stream") }
    } else {
      lp_curl_set_long(easy, CURLOPT_UPLOAD, 1)
      lp_curl_set_size(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(size))
      // A large body asks first, so that a refusal costs nothing; a small one must not wait for the word.
      if size < CurlTransfer.askFirst { append(header: "Expect:") }
    }
    lp_curl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    let context = Unmanaged.passUnretained(self).toOpaque()
    lp_curl_set_read(easy, CurlTransfer.onRead)
    lp_curl_set_pointer(easy, CURLOPT_READDATA, context)
    if request.method.isIdempotent {
      lp_curl_set_seek(easy, CurlTransfer.onSeek)
      lp_curl_set_pointer(easy, CURLOPT_SEEKDATA, context)
    }
  }

  private func sign(_ easy: UnsafeMutableRawPointer, _ signature: HTTPClient.AWSSignature) {
    lp_curl_set_text(easy, CURLOPT_AWS_SIGV4, "aws:amz:\(signature.region):\(signature.service)")
    lp_curl_set_text(easy, CURLOPT_USERNAME, signature.key)
    lp_curl_set_text(easy, CURLOPT_PASSWORD, signature.secret)
    append(header: "X-Amz-Content-Sha256: \(signature.bodyDigest)")
  }

  private func secure(_ easy: UnsafeMutableRawPointer, _ tls: HTTPClient.TLS) throws(HTTPClientError) {
    if let authorities = tls.authorities {
      lp_curl_set_blob(easy, CURLOPT_CAINFO_BLOB, authorities, authorities.count)
      // Or the system's folder of authorities would be trusted beside them.
      lp_curl_set_text(easy, CURLOPT_CAPATH, nil)
    }
    if let certificate = tls.certificate {
      lp_curl_set_blob(easy, CURLOPT_SSLCERT_BLOB, certificate, certificate.count)
    }
    if let key = tls.key { lp_curl_set_blob(easy, CURLOPT_SSLKEY_BLOB, key, key.count) }
    // Or OpenSSL would ask at the terminal for that of a key that has one, and wait.
    lp_curl_set_text(easy, CURLOPT_KEYPASSWD, "")
    if tls.trustsAnybody {
      lp_curl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 0)
      lp_curl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 0)
    }
    if let name = tls.serverName {
      guard let address = HTTPAddress(request.url), let named = address.url(host: name) else {
        throw error(.invalidRequest, "\(name) is no name of a server", hint: "give a host name")
      }
      // The name goes into the URL, for libcurl takes it from there alone, and the connection to where the URL led.
      lp_curl_set_text(easy, CURLOPT_URL, named)
      connectList = curl_slist_append(nil, "::\(address.host):\(address.port)")
      lp_curl_set_connect_to(easy, connectList)
      if request.headers["Host"] == nil { append(header: "Host: \(address.host):\(address.port)") }
    }
  }

  // MARK: End

  /// Reports the end to the sink. To be called once, when libcurl no longer runs the handle but before `release`.
  func complete(_ result: CURLcode) {
    if let refusal {
      sink.complete(.failure(error(refusal.code, refusal.fact, hint: refusal.hint)))
    } else if result == CURLE_OK || isEnough {
      let head = HTTPClient.Head(status: status, headers: headers)
      if !headIsComplete { sink.receive(head) }
      sink.complete(.success(head))
    } else {
      sink.complete(.failure(error(result)))
    }
  }

  func fail(_ error: HTTPClientError) { sink.complete(.failure(error)) }

  func error(_ code: HTTPClientError.Code, _ fact: String, hint: String) -> HTTPClientError {
    HTTPClientError(
      code: code, method: request.method, url: request.url, fact: fact, hint: hint, requestSent: requestSent)
  }

  /// Counts what was written to the connection, header and body.
  private var requestSent: Bool {
    guard let easy else { return false }
    return lp_curl_long(easy, CURLINFO_REQUEST_SIZE) > 0 || lp_curl_size(easy, CURLINFO_SIZE_UPLOAD_T) > 0
  }

  private func error(_ result: CURLcode) -> HTTPClientError {
    let exact = detail.map { String(cString: $0) } ?? ""
    let fact = exact.isEmpty ? String(cString: curl_easy_strerror(result)) : exact
    switch result {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
      return error(.unknownHost, "the name of the host is not known", hint: "check the URL and the name service")
    case CURLE_COULDNT_CONNECT:
      let number = easy.map { Int32(lp_curl_long($0, CURLINFO_OS_ERRNO)) } ?? 0
      let reason = number == 0 ? fact : String(cString: strerror(number))
      return number == ECONNREFUSED
        ? error(.connectionRefused, "nothing listens there", hint: "check that the server runs and the port is right")
        : error(.unreachable, "cannot connect: \(reason)", hint: "check the address and the network")
    case CURLE_OPERATION_TIMEDOUT:
      let connected = easy.map { lp_curl_size($0, CURLINFO_PRETRANSFER_TIME_T) > 0 } ?? false
      return connected
        ? error(.timeout, "the answer did not come in time", hint: "the server may be overloaded; allow more time")
        : error(.connectTimeout, "the server did not take the connection in time", hint: "check address and network")
    case CURLE_UNSUPPORTED_PROTOCOL where requestSent, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
      return error(.invalidResponse, "the answer is not HTTP", hint: "check that the URL is that of an HTTP server")
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_FUNCTION_ARGUMENT:
      return error(.invalidRequest, fact, hint: "give a URL that starts with http:// or https://")
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
      CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ENGINE_NOTFOUND:
      return error(.tls, fact, hint: "check the certificates of both sides and the host name")
    case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND:
      return error(.connectionLost, "the server closed the connection too soon", hint: "it may have been restarted")
    case CURLE_TOO_MANY_REDIRECTS:
      return error(.tooManyRedirects, fact, hint: "check the URL")
    default:
      return error(.other, "\(fact) (libcurl \(result.rawValue))", hint: "see the fact")
    }
  }

  /// Frees the handle. It must not be in a multi handle any more.
  func release() {
    if let easy { curl_easy_cleanup(easy) }
    easy = nil
    if let headerList { curl_slist_free_all(headerList) }
    headerList = nil
    if let connectList { curl_slist_free_all(connectList) }
    connectList = nil
    detail?.deallocate()
    detail = nil
    if case .file(let descriptor) = source { close(descriptor) }
    source = .none
  }

  // MARK: Callbacks of libcurl. They return to it in every case.

  private static func from(_ context: UnsafeMutableRawPointer?) -> CurlTransfer? {
    context.map { Unmanaged<CurlTransfer>.fromOpaque($0).takeUnretainedValue() }
  }

  private static let onHeader: curl_write_callback = { line, size, count, context in
    guard let line, let transfer = CurlTransfer.from(context) else { return 0 }
    return transfer.take(header: UnsafeRawBufferPointer(start: line, count: size * count)) ? size * count : 0
  }

  private static let onBytes: curl_write_callback = { bytes, size, count, context in
    guard let bytes, let transfer = CurlTransfer.from(context) else { return 0 }
    return transfer.take(bytes: UnsafeRawBufferPointer(start: bytes, count: size * count))
  }

  private static let onRead: curl_read_callback = { target, size, count, context in
    guard let target, let transfer = CurlTransfer.from(context) else { return Int(CURL_READFUNC_ABORT) }
    return transfer.give(UnsafeMutableRawBufferPointer(start: target, count: size * count))
  }

  private static let onSeek: curl_seek_callback = { context, offset, origin in
    guard let transfer = CurlTransfer.from(context), origin == SEEK_SET, transfer.rewind(to: Int(offset)) else {
      return CURL_SEEKFUNC_CANTSEEK
    }
    return CURL_SEEKFUNC_OK
  }

  private func take(header line: UnsafeRawBufferPointer) -> Bool {
    // What comes after the body are trailers.
    if headIsComplete { return true }
    headerBytes += line.count
    if headerBytes > CurlTransfer.headerBytesMax {
      refusal = (
        .invalidResponse, "the header of the answer is larger than \(CurlTransfer.headerBytesMax) bytes",
        "check that the URL is that of the right server"
      )
      return false
    }
    let text = String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      status = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0.prefix(3)) } ?? 0
      headers = HTTPHeaders()
    } else if let colon = text.firstIndex(of: ":") {
      let value = text[text.index(after: colon)...]
      headers.add(String(text[..<colon]), String(value.drop(while: isBlank).trimmingSuffix(while: isBlank)))
    } else if !isInterim {
      headIsComplete = true
      sink.receive(HTTPClient.Head(status: status, headers: headers))
    }
    return true
  }

  /// `100 Continue`, or a redirect that is followed.
  private var isInterim: Bool {
    status < 200 || (request.redirects > 0 && (300..<400).contains(status) && headers["Location"] != nil)
  }

  private func take(bytes: UnsafeRawBufferPointer) -> Int {
    // The body of a redirect that is followed.
    if !headIsComplete { return bytes.count }
    switch sink.receive(bytes) {
    case .taken: return bytes.count
    case .pause: return Int(CURL_WRITEFUNC_PAUSE)
    case .enough:
      isEnough = true
      return 0
    case .refuse(let code, let fact, let hint):
      refusal = (code, fact, hint)
      return 0
    }
  }

  private func give(_ target: UnsafeMutableRawBufferPointer) -> Int {
    switch source {
    case .none: return 0
    case .bytes(let bytes, let sent):
      let count = min(target.count, bytes.count - sent)
      bytes.withUnsafeBytes { all in
        UnsafeMutableRawBufferPointer(rebasing: target[..<count])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: all[sent..<sent + count]))
      }
      source = .bytes(bytes, sent: sent + count)
      return count
    case .file(let descriptor):
      let count = read(descriptor, target.baseAddress, target.count)
      if count >= 0 { return count }
      refusal = (.file, "cannot read the file: \(String(cString: strerror(errno)))", "check the disk")
      return Int(CURL_READFUNC_ABORT)
    }
  }

  private func rewind(to offset: Int) -> Bool {
    switch source {
    case .none: return offset == 0
    case .bytes(let bytes, _):
      guard (0...bytes.count).contains(offset) else { return false }
      source = .bytes(bytes, sent: offset)
      return true
    case .file(let descriptor): return lseek(descriptor, offset, SEEK_SET) == offset
    }
  }
}

private func isBlank(_ character: Character) -> Bool { character.isWhitespace }

extension Substring {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
    var trimmed = self
    while let last = trimmed.last, predicate(last) { trimmed.removeLast() }
    return trimmed
  }
}

extension Duration {
  /// At least 1, since libcurl takes 0 for no limit.
  fileprivate var wholeMilliseconds: Int {
    let (seconds, attoseconds) = components
    return Int(
      clamping: max(1, seconds.multipliedReportingOverflow(by: 1000).partialValue + attoseconds / 1_000_000_000_000_000)
    )
  }
}
