import Client
import Dispatch
import Glibc
import HTTP
import Synchronization

@testable import Server

/// Serves `service` on a free port while `body` runs.
func withServer<Result>(
  _ service: HTTPService, limits: HTTPLimits = HTTPLimits(), _ body: (HTTPServer, String) async throws -> Result
) async throws -> Result {
  let server = try HTTPServer.start(
    listen: HTTPAddress(host: "127.0.0.1", port: 0), limits: limits, service: service)
  do {
    let result = try await body(server, "http://\(server.address)")
    await server.shutdown(grace: .seconds(5))
    return result
  } catch {
    await server.shutdown(grace: .zero)
    throw error
  }
}

func withServer<Result>(
  limits: HTTPLimits = HTTPLimits(), routes: (inout HTTPRoutes) -> Void,
  _ body: (HTTPServer, String) async throws -> Result
) async throws -> Result {
  var table = HTTPRoutes()
  routes(&table)
  return try await withServer(table.service { _, _ in }, limits: limits, body)
}

/// Something that happens once and can be waited for.
final class Signal: Sendable {
  private let state = Mutex((happened: false, waiters: [CheckedContinuation<Void, Never>]()))

  func happen() {
    let waiters = state.withLock { state in
      state.happened = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  var hasHappened: Bool { state.withLock { $0.happened } }

  func wait() async {
    await withCheckedContinuation { continuation in
      let now = state.withLock { state in
        if !state.happened { state.waiters.append(continuation) }
        return state.happened
      }
      if now { continuation.resume() }
    }
  }

  /// Ends on cancellation too.
  func waitOrCancel() async {
    await withTaskCancellationHandler {
      await wait()
    } onCancel: {
      happen()
    }
  }
}

/// Counts up to a number that can be waited for.
final class Countdown: Sendable {
  private let left: Mutex<Int>
  private let signal = Signal()

  init(_ count: Int) { left = Mutex(count) }

  func arrive() {
    if left.withLock({ left in
      left -= 1
      return left == 0
    }) {
      signal.happen()
    }
  }

  func wait() async { await signal.wait() }
}

/// A plain TCP client that says exactly what it is told to. Blocking calls run on threads of their own.
final class RawClient: Sendable {
  private let socket: Int32

  init(port: UInt16) {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    // A test that hangs should fail instead.
    var patience = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    withUnsafePointer(to: &address) { address in
      _ = address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  deinit { Glibc.close(socket) }

  /// False when the server has closed the connection.
  @discardableResult
  func send(_ text: String) async -> Bool { await send(Array(text.utf8)) }

  @discardableResult
  func send(_ bytes: [UInt8]) async -> Bool {
    await blocking { [socket] in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Array(rest).withUnsafeBytes {
          Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }
  }

  func closeSending() { shutdown(socket, Int32(SHUT_WR)) }

  /// Everything up to the end of the connection.
  func readToEnd() async -> String { await read { _ in false } }

  /// What has come when `enough` holds of it, or the connection ends.
  func read(until enough: @escaping @Sendable (String) -> Bool) async -> String {
    await blocking { [socket] in
      var all: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65536)
      while true {
        let count = recv(socket, &buffer, buffer.count, 0)
        guard count > 0 else { break }
        all += buffer[..<count]
        if enough(String(decoding: all, as: UTF8.self)) { break }
      }
      return String(decoding: all, as: UTF8.self)
    }
  }

  private func blocking<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
      DispatchQueue(label: "raw client").async { continuation.resume(returning: work()) }
    }
  }
}

extension HTTPClient.Response {
  var text: String { String(decoding: body, as: UTF8.self) }
}

/// The name of the thread that runs the caller.
func pthreadName() -> String {
  let file = open("/proc/thread-self/comm", O_RDONLY)
  defer { close(file) }
  var name = [UInt8](repeating: 0, count: 16)
  let count = read(file, &name, name.count)
  return String(decoding: name.prefix(max(0, count)), as: UTF8.self)
}
