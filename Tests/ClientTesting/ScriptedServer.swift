import Dispatch
import Glibc
import Synchronization

/// A server that says exactly what a script tells it to, one script for each connection in turn. A connection beyond
/// the last script is closed at once.
public final class ScriptedServer: Sendable {
  public enum Step: Sendable {
    /// Waits for the end of a request header and `body` more bytes.
    case read(body: Int = 0)
    case send(String)
    case sendBytes([UInt8])
    /// Waits for the client to close.
    case untilClosed
  }

  public let port: UInt16
  private let socket: Int32
  private let state = Mutex((accepted: 0, received: [[UInt8]](), closed: 0))

  public var url: String { "http://127.0.0.1:\(port)" }
  /// Connections so far.
  public var accepted: Int { state.withLock { $0.accepted } }
  /// What each connection has sent, as far as its script has read.
  public var received: [String] { receivedBytes.map { String(decoding: $0, as: UTF8.self) } }
  public var receivedBytes: [[UInt8]] { state.withLock { $0.received } }
  /// Connections that a client has closed while their script waited for that.
  public var closed: Int { state.withLock { $0.closed } }

  public func waitForClose() async {
    while closed == 0, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
  }

  public convenience init(_ scripts: [Step]...) { self.init(all: scripts) }

  public convenience init(all scripts: [[Step]]) {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    ScriptedServer.listen(socket, &address)
    self.init(socket, port: UInt16(bigEndian: address.sin_port), scripts)
  }

  /// On a Unix socket.
  public convenience init(path: String, _ scripts: [Step]...) {
    let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    ScriptedServer.listen(socket, &address)
    self.init(socket, port: 0, scripts)
  }

  private static func listen<Address>(_ socket: Int32, _ address: inout Address) {
    var size = socklen_t(MemoryLayout<Address>.size)
    withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(socket, $0, size)
        _ = Glibc.listen(socket, 16)
        _ = getsockname(socket, $0, &size)
      }
    }
  }

  private init(_ socket: Int32, port: UInt16, _ scripts: [[Step]]) {
    self.socket = socket
    self.port = port
    DispatchQueue(label: "scripted server").async { [self, socket] in
      // Here alone: while this may still accept, the number must not become that of another test's socket.
      defer { close(socket) }
      for script in scripts {
        let connection = accept(socket, nil, nil)
        guard connection >= 0 else { return }
        let index = state.withLock { state in
          state.accepted += 1
          state.received.append([])
          return state.accepted - 1
        }
        DispatchQueue(label: "scripted connection").async { self.run(script, connection, index) }
      }
      while true {
        let connection = accept(socket, nil, nil)
        guard connection >= 0 else { return }
        state.withLock { $0.accepted += 1 }
        close(connection)
      }
    }
  }

  public func stop() {
    shutdown(socket, Int32(SHUT_RDWR))
  }

  private func run(_ script: [Step], _ connection: Int32, _ index: Int) {
    // Longer than any test may take: on a busy machine nothing may come for a while.
    var patience = timeval(tv_sec: 90, tv_usec: 0)
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var pending: [UInt8] = []
    let blank = Array("\r\n\r\n".utf8)
    for step in script {
      switch step {
      case .read(let body):
        while true {
          if let end = pending.firstRange(of: blank), pending.count - end.upperBound >= body { break }
          guard let more = receive(connection) else { return finish(connection) }
          pending += more
          state.withLock { $0.received[index] += more }
        }
        pending = []
      case .send(let text):
        guard send(Array(text.utf8), connection) else { return finish(connection) }
      case .sendBytes(let bytes):
        guard send(bytes, connection) else { return finish(connection) }
      case .untilClosed:
        if waitForEnd(connection) { state.withLock { $0.closed += 1 } }
      }
    }
    finish(connection)
  }

  private func finish(_ connection: Int32) { close(connection) }

  private func send(_ bytes: [UInt8], _ connection: Int32) -> Bool {
    Glibc.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  private func receive(_ connection: Int32) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(connection, &buffer, buffer.count, 0)
    return count > 0 ? Array(buffer[..<count]) : nil
  }

  /// False where the client has said nothing for long, but has not closed either.
  private func waitForEnd(_ connection: Int32) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(connection, &buffer, buffer.count, 0)
      let problem = errno
      if count <= 0 { return count == 0 || problem == ECONNRESET }
    }
  }
}
