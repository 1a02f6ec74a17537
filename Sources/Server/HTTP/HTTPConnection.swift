import CMicroHTTPD
import Glibc
import HTTP
import Synchronization

/// libmicrohttpd's connection.
struct HTTPConnectionHandle: @unchecked Sendable {
  // Invariant: outside of libmicrohttpd's own callbacks only `resume` is called, and only while the connection is
  // suspended by the holder; libmicrohttpd neither touches nor frees a suspended connection.
  let pointer: OpaquePointer

  /// Only within a callback of libmicrohttpd for this connection.
  func suspend() { MHD_suspend_connection(pointer) }

  /// From any thread, once for each `suspend`.
  func resume() { MHD_resume_connection(pointer) }
}

/// One client connection, from accept to close.
final class HTTPConnection: Sendable {
  enum Expired {
    /// The client was too slow to send a request; the socket has been shut down.
    case cut
    /// The handler took too long.
    case unanswered(HTTPExchange)
  }

  private struct State {
    var phase = Phase.awaiting
    /// When the phase began, on the clock of the server in seconds.
    var since: UInt32
    var receive: UInt32
    var exchange: HTTPExchange?
    var hungUp = false
    var closed = false
  }

  private enum Phase { case awaiting, receiving, answering, replying }

  let socket: Int32
  let peer: String
  /// Set when the connection is one too many: every request of it gets this answer.
  let refusal: HTTPFault?
  private let state: Mutex<State>

  init(socket: Int32, peer: String, refusal: HTTPFault?, now: UInt32) {
    self.socket = socket
    self.peer = peer
    self.refusal = refusal
    state = Mutex(State(since: now, receive: 0))
  }

  /// The header of a request is there; its body may take `receive` seconds.
  func begin(_ exchange: HTTPExchange, receive: UInt32, now: UInt32) {
    state.withLock {
      $0 = State(phase: .receiving, since: now, receive: receive, exchange: exchange, hungUp: $0.hungUp)
    }
  }

  /// True when the client has hung up already, so that no event will tell it again.
  func answering(now: UInt32) -> Bool {
    state.withLock { state in
      state.phase = .answering
      state.since = now
      return state.hungUp
    }
  }

  /// True when the client has hung up already.
  func replying() -> Bool {
    state.withLock { state in
      state.phase = .replying
      return state.hungUp
    }
  }

  func end(now: UInt32) {
    state.withLock { state in
      state.phase = .awaiting
      state.since = now
      state.exchange = nil
    }
  }

  /// libmicrohttpd is about to close the socket, after which its number may stand for another.
  func close() {
    state.withLock { state in
      state.closed = true
      state.exchange = nil
    }
  }

  /// The client has closed its side.
  func hangUp() {
    let exchange = state.withLock { state in
      state.hungUp = true
      return state.exchange
    }
    exchange?.clientGone()
  }

  var exchange: HTTPExchange? { state.withLock { $0.exchange } }

  /// Checks how long the connection has been in its phase. libmicrohttpd itself closes those without any byte.
  func expire(now: UInt32, awaiting: UInt32, answer: UInt32) -> Expired? {
    state.withLock { state in
      let age = now &- state.since
      guard !state.closed, age < UInt32.max / 2 else { return nil }
      switch state.phase {
      case .awaiting where state.hungUp, .receiving where state.hungUp:
        // The end may have come together with the last bytes, and libmicrohttpd does not look again after a short
        // read. This raises another event; what has arrived can still be read, and answered.
        shutdown(socket, Int32(SHUT_RD))
        return nil
      case .awaiting where age > awaiting, .receiving where age > state.receive:
        shutdown(socket, Int32(SHUT_RDWR))
        return .cut
      case .answering where age > answer:
        state.since = now
        return state.exchange.map { .unanswered($0) }
      default:
        return nil
      }
    }
  }
}
