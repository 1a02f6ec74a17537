import CMicroHTTPD
import Glibc
import HTTP
import Synchronization

/// What the threads of one server share.
final class HTTPServerCore: Sendable {
  let limits: HTTPLimits
  let service: HTTPService
  /// Requests, from their header to the last byte of their answer.
  let exchanges = HTTPWork()
  /// Tasks of handlers and streams; one may outlast its exchange.
  let tasks = HTTPWork()
  let connections: HTTPConnections
  /// Bytes of large bodies that are held in memory.
  let held = Atomic<Int>(0)
  private let closing = Atomic(false)
  private let stopping = Atomic(false)
  private let clock = Atomic<UInt32>(0)

  init(limits: HTTPLimits, service: HTTPService) {
    self.limits = limits
    self.service = service
    connections = HTTPConnections(limits: limits)
  }

  /// Shutdown has begun: new requests are refused, waits end.
  var isClosing: Bool { closing.load(ordering: .sequentiallyConsistent) }
  /// The grace time is over: from here on no connection may be suspended.
  var isStopping: Bool { stopping.load(ordering: .sequentiallyConsistent) }

  func setClosing() { closing.store(true, ordering: .sequentiallyConsistent) }
  func setStopping() { stopping.store(true, ordering: .sequentiallyConsistent) }

  /// Seconds since some moment, as of the listener's last turn. It turns once a second while there are connections,
  /// which is as fine as any limit here.
  var now: UInt32 { clock.load(ordering: .relaxed) }

  func turnClock() {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    clock.store(UInt32(truncatingIfNeeded: time.tv_sec), ordering: .relaxed)
  }
}

/// Counts what is going on, so that a shutdown can wait for it.
final class HTTPWork: Sendable {
  private struct State {
    var count = 0
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func enter() { state.withLock { $0.count += 1 } }

  func leave() {
    let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
      state.count -= 1
      guard state.count == 0 else { return nil }
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  /// Waits until nothing goes on, or the task is cancelled. For one caller at a time.
  func drain() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ready = state.withLock { state in
          if state.count == 0 || Task.isCancelled { return true }
          state.waiter = continuation
          return false
        }
        if ready { continuation.resume() }
      }
    } onCancel: {
      state.withLock { state in
        defer { state.waiter = nil }
        return state.waiter
      }?.resume()
    }
  }
}

/// The open connections by their sockets, and how many each address has.
final class HTTPConnections: Sendable {
  private struct State {
    var bySocket: [Int32: HTTPConnection] = [:]
    var byAddress: [String: Int] = [:]
  }

  private let limits: HTTPLimits
  private let state = Mutex(State())

  init(limits: HTTPLimits) { self.limits = limits }

  /// `nil` when there are so many that not even a refusal can be sent.
  func open(socket: Int32, peer: String, now: UInt32) -> HTTPConnection? {
    state.withLock { state in
      // One that never started, because libmicrohttpd had no memory for it, has left its entry behind.
      if let stale = state.bySocket.removeValue(forKey: socket) { forget(stale, &state) }
      let all = state.bySocket.count
      let ofAddress = state.byAddress[peer, default: 0]
      guard all < limits.connections + HTTPLimits.refusalHeadroom,
        ofAddress < limits.connectionsPerAddress + HTTPLimits.refusalHeadroom
      else { return nil }
      let refusal: HTTPFault? =
        all >= limits.connections
        ? .tooManyConnections(limit: limits.connections, perAddress: false)
        : ofAddress >= limits.connectionsPerAddress
          ? .tooManyConnections(limit: limits.connectionsPerAddress, perAddress: true) : nil
      let connection = HTTPConnection(socket: socket, peer: peer, refusal: refusal, now: now)
      state.bySocket[socket] = connection
      state.byAddress[peer] = ofAddress + 1
      return connection
    }
  }

  func close(_ connection: HTTPConnection) {
    connection.close()
    state.withLock { state in
      guard state.bySocket[connection.socket] === connection else { return }
      state.bySocket[connection.socket] = nil
      forget(connection, &state)
    }
  }

  private func forget(_ connection: HTTPConnection, _ state: inout State) {
    let left = state.byAddress[connection.peer, default: 1] - 1
    state.byAddress[connection.peer] = left > 0 ? left : nil
  }

  subscript(socket: Int32) -> HTTPConnection? { state.withLock { $0.bySocket[socket] } }

  var count: Int { state.withLock { $0.bySocket.count } }

  var all: [HTTPConnection] { state.withLock { Array($0.bySocket.values) } }
}
