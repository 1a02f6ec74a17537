import Glibc
import HTTP
import Synchronization

/// Where the answer of a transfer goes. Called on the thread of the loop only; none of it may block for long.
protocol CurlSink: AnyObject, Sendable {
  /// Once, before any bytes.
  func receive(_ head: HTTPClient.Head)
  func receive(_ bytes: UnsafeRawBufferPointer) -> CurlSinkDecision
  /// Once, at the end.
  func complete(_ outcome: Result<HTTPClient.Head, HTTPClientError>)
}

enum CurlSinkDecision {
  case taken
  /// Not taken: to be offered again after `CurlLoop.unpause`.
  case pause
  /// Not taken, nor is what would follow: the answer ends here.
  case enough
  case refuse(HTTPClientError.Code, fact: String, hint: String)
}

/// A sink that reports only its end.
protocol CompletingSink: CurlSink {
  func onCompletion(_ report: @escaping @Sendable (Result<HTTPClient.Head, HTTPClientError>) -> Void)
}

/// Gathers the body in memory, up to a limit: what is more is refused, or left away where the answer may be cut.
final class GatheringSink: CompletingSink {
  private struct State {
    var bytes: [UInt8] = []
    var isCut = false
    var report: (@Sendable (Result<HTTPClient.Head, HTTPClientError>) -> Void)?
  }

  private let limit: Int
  private let mayCut: Bool
  private let state = Mutex(State())

  init(limit: Int, mayCut: Bool) {
    self.limit = limit
    self.mayCut = mayCut
  }

  var isCut: Bool { state.withLock { $0.isCut } }
  var bytes: [UInt8] { state.withLock { $0.bytes } }

  func onCompletion(_ report: @escaping @Sendable (Result<HTTPClient.Head, HTTPClientError>) -> Void) {
    state.withLock { $0.report = report }
  }

  func receive(_ head: HTTPClient.Head) {
    let length = head.headers["Content-Length"].flatMap(Int.init) ?? 0
    state.withLock { $0.bytes.reserveCapacity(min(length, limit, 1 << 20)) }
  }

  func receive(_ bytes: UnsafeRawBufferPointer) -> CurlSinkDecision {
    state.withLock { state in
      guard state.bytes.count + bytes.count <= limit else {
        if mayCut {
          state.bytes.append(contentsOf: bytes.prefix(limit - state.bytes.count))
          state.isCut = true
          return .enough
        }
        return .refuse(
          .responseTooLarge, fact: "the answer is larger than \(limit) bytes",
          hint: "ask for less, or read it as a stream or into a file")
      }
      state.bytes.append(contentsOf: bytes)
      return .taken
    }
  }

  func complete(_ outcome: Result<HTTPClient.Head, HTTPClientError>) {
    let report = state.withLock { state in
      defer { state.report = nil }
      return state.report
    }
    report?(outcome)
  }
}

/// Writes the body to a file, up to a limit.
final class FileSink: CompletingSink {
  private struct State {
    var size = 0
    var isCut = false
    var report: (@Sendable (Result<HTTPClient.Head, HTTPClientError>) -> Void)?
  }

  private let path: String
  private let limit: Int
  private let mayCut: Bool
  private let descriptor: Int32
  private let state = Mutex(State())

  var size: Int { state.withLock { $0.size } }
  var isCut: Bool { state.withLock { $0.isCut } }

  init?(path: String, limit: Int, mayCut: Bool) {
    self.limit = limit
    self.mayCut = mayCut
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    self.path = path
    if descriptor < 0 { return nil }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func onCompletion(_ report: @escaping @Sendable (Result<HTTPClient.Head, HTTPClientError>) -> Void) {
    state.withLock { $0.report = report }
  }

  func receive(_ head: HTTPClient.Head) {}

  func receive(_ bytes: UnsafeRawBufferPointer) -> CurlSinkDecision {
    let room = state.withLock { limit - $0.size }
    if bytes.count > room, !mayCut {
      return .refuse(
        .responseTooLarge, fact: "the answer is larger than \(limit) bytes", hint: "ask for less, or raise the limit")
    }
    var rest = bytes.prefix(room)
    let count = rest.count
    while !rest.isEmpty {
      let written = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        return .refuse(
          .file, fact: "cannot write \(path): \(String(cString: strerror(errno)))", hint: "check the space on its disk")
      }
      rest = rest.dropFirst(written)
    }
    state.withLock { state in
      state.size += count
      state.isCut = bytes.count > room
    }
    return bytes.count > room ? .enough : .taken
  }

  func complete(_ outcome: Result<HTTPClient.Head, HTTPClientError>) {
    let report = state.withLock { state in
      defer { state.report = nil }
      return state.report
    }
    report?(outcome)
  }
}
