import CLinux
import CMicroHTTPD
import Dispatch
import Glibc
import HTTP
import Synchronization

/// Where a server listens, or a client connects.
public struct HTTPAddress: Sendable, Equatable, CustomStringConvertible {
  public var host: String
  /// 0 asks for any free port.
  public var port: UInt16

  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// `HOST:PORT`, with brackets around an IPv6 address.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self.init(host: String(host), port: port)
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Accepts connections, notices clients that hang up, and ends requests that take too long; on one thread of its own.
///
/// libmicrohttpd could accept by itself. It does not, because it can neither say why a connection is refused nor stop
/// accepting safely while its threads run (`MHD_quiesce_daemon` of 0.9.75 aborts the process when it races them), and
/// because it does not look at a suspended connection at all: a long-poll whose agent has died would wait to its end.
final class HTTPListener: Sendable {
  private enum Mark {
    static let listen: UInt64 = 1 << 32
    static let wake: UInt64 = 2 << 32
  }

  /// Events taken at a time.
  private static let batch = 256
  /// How long to leave a full descriptor table alone, in milliseconds.
  private static let pause: Int32 = 100

  let address: HTTPAddress
  private let core: HTTPServerCore
  private let listenSocket: Int32
  private let poll: Int32
  private let wakeUp: Int32
  private let stopped = Atomic(false)
  private let thread = DispatchQueue(label: "lunaport.http.listener")

  init(_ address: HTTPAddress, core: HTTPServerCore) throws(HTTPListenError) {
    self.core = core
    (listenSocket, self.address) = try HTTPListener.bind(address)
    poll = epoll_create1(Int32(EPOLL_CLOEXEC))
    wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard poll >= 0, wakeUp >= 0, watch(listenSocket, EPOLLIN.rawValue | EPOLLET.rawValue, Mark.listen),
      watch(wakeUp, EPOLLIN.rawValue, Mark.wake)
    else { throw HTTPListenError(address: address, failure: errno, doing: "watch the socket") }
  }

  deinit {
    for descriptor in [listenSocket, poll, wakeUp] where descriptor >= 0 { close(descriptor) }
  }

  func run(_ daemon: HTTPDaemon) {
    thread.async { self.loop(daemon) }
  }

  /// New connections are refused by the system from here on. Those that are open are watched until `stop`.
  func stopAccepting() {
    shutdown(listenSocket, Int32(SHUT_RDWR))
  }

  /// Returns when the thread has ended, so that it adds no more connections.
  func stop() async {
    stopped.store(true, ordering: .sequentiallyConsistent)
    eventfd_write(wakeUp, 1)
    await withCheckedContinuation { continuation in
      thread.async { continuation.resume() }
    }
  }

  private func watch(_ socket: Int32, _ events: UInt32, _ data: UInt64) -> Bool {
    var event = epoll_event()
    event.events = events
    event.data.u64 = data
    return epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event) == 0
  }

  private func loop(_ daemon: HTTPDaemon) {
    var events = [epoll_event](repeating: epoll_event(), count: HTTPListener.batch)
    var swept = core.now
    var paused = false
    while !stopped.load(ordering: .sequentiallyConsistent) {
      let timeout: Int32 = paused ? HTTPListener.pause : core.connections.count == 0 ? -1 : 1000
      let count = Int(epoll_wait(poll, &events, Int32(events.count), timeout))
      core.turnClock()
      var mayAccept = paused
      paused = false
      // Hang-ups come first: a number that is accepted below may be one that has been closed since these events.
      for event in events[..<max(0, count)] {
        switch event.data.u64 {
        case Mark.wake: break
        case Mark.listen: mayAccept = true
        case let socket: core.connections[Int32(truncatingIfNeeded: socket)]?.hangUp()
        }
      }
      if mayAccept { paused = !accept(daemon) }
      if core.now != swept {
        swept = core.now
        sweep()
      }
    }
  }

  /// False when there are no descriptors left for now.
  private func accept(_ daemon: HTTPDaemon) -> Bool {
    while true {
      var address = sockaddr_storage()
      var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let socket = linux_accept(listenSocket, &address, &size)
      guard socket >= 0 else {
        switch -socket {
        case EINTR, ECONNABORTED: continue
        case EMFILE, ENFILE, ENOMEM, ENOBUFS: return false
        case EAGAIN: return true
        default: return true  // Shut down.
        }
      }
      open(socket, &address, size, daemon)
    }
  }

  private func open(_ socket: Int32, _ address: inout sockaddr_storage, _ size: socklen_t, _ daemon: HTTPDaemon) {
    let peer = HTTPListener.numeric(&address, size).host
    guard let connection = core.connections.open(socket: socket, peer: peer, now: core.now) else {
      close(socket)
      return
    }
    // One event for each connection, when its client closes; it lasts as long as the socket.
    guard watch(socket, EPOLLRDHUP.rawValue | EPOLLET.rawValue, UInt64(UInt32(bitPattern: socket))) else {
      core.connections.close(connection)
      close(socket)
      return
    }
    // On failure the socket is closed there.
    if !daemon.add(socket, &address, size) { core.connections.close(connection) }
  }

  private func sweep() {
    let awaiting = UInt32(clamping: (core.limits.idle + core.limits.receive).components.seconds)
    let answer = UInt32(clamping: core.limits.answer.components.seconds)
    for connection in core.connections.all {
      if case .unanswered(let exchange) = connection.expire(now: core.now, awaiting: awaiting, answer: answer) {
        exchange.timeOut()
      }
    }
  }

  private static func bind(_ address: HTTPAddress) throws(HTTPListenError) -> (Int32, HTTPAddress) {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(address.host, String(address.port), &hints, &found)
    guard status == 0, let info = found else { throw HTTPListenError(address: address, unknownHost: status) }
    defer { freeaddrinfo(found) }
    let type = info.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let socket = Glibc.socket(info.pointee.ai_family, type, info.pointee.ai_protocol)
    guard socket >= 0 else { throw HTTPListenError(address: address, failure: errno, doing: "make a socket") }
    var one: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    guard Glibc.bind(socket, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0, listen(socket, SOMAXCONN) == 0 else {
      let failure = errno
      close(socket)
      throw HTTPListenError(address: address, failure: failure)
    }
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    withUnsafeMutablePointer(to: &storage) { storage in
      _ = storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &size) }
    }
    return (socket, HTTPAddress(host: address.host, port: numeric(&storage, size).port))
  }

  private static func numeric(_ address: inout sockaddr_storage, _ size: socklen_t) -> (host: String, port: UInt16) {
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let status = withUnsafePointer(to: &address) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getnameinfo(
          $0, size, &host, socklen_t(host.count), &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV)
      }
    }
    guard status == 0 else { return ("unknown", 0) }
    return (text(host), UInt16(text(port)) ?? 0)
  }

  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// The server cannot listen where it should.
public struct HTTPListenError: Error, Sendable, Equatable, CustomStringConvertible {
  public let address: HTTPAddress
  public let fact: String
  public let hint: String

  init(address: HTTPAddress, failure: Int32, doing: String? = nil) {
    self.address = address
    fact = (doing.map { "cannot \($0): " } ?? "") + String(cString: strerror(failure))
    hint =
      switch failure {
      case EADDRINUSE: "another process listens there; stop it or choose another port"
      case EACCES: "ports below 1024 need a privilege; choose a higher one"
      case EADDRNOTAVAIL: "the host is not an address of this machine"
      default: "check the address and the limits of the process"
      }
  }

  init(address: HTTPAddress, unknownHost status: Int32) {
    self.address = address
    fact = "cannot find the host: \(String(cString: gai_strerror(status)))"
    hint = "use a numeric address, such as 127.0.0.1"
  }

  public var description: String { "\(address): \(fact) (\(hint))" }
}
