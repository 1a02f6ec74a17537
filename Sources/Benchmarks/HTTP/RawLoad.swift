import CLinux
import Dispatch
import Glibc

/// A client that costs as little as it can: the measured process serves it, so what it uses would count as the server's.
enum RawLoad {
  private static let fields = "Host: 127.0.0.1\r\nUser-Agent: benchmark\r\nAccept: */*\r\n"

  /// Requests a second over so many kept connections, each with one request at a time.
  static func rate(port: UInt16, path: String, connections: Int, seconds: Int) async -> Double {
    await onThread {
      let request = Array("GET \(path) HTTP/1.1\r\n\(fields)\r\n".utf8)
      let poll = epoll_create1(Int32(EPOLL_CLOEXEC))
      let sockets = (0..<connections).map { _ in connect(port) }
      defer { for descriptor in sockets + [poll] { close(descriptor) } }
      for socket in sockets {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.fd = socket
        epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event)
        _ = send(socket, request, request.count, 0)
      }
      var events = [epoll_event](repeating: epoll_event(), count: 64)
      var buffer = [UInt8](repeating: 0, count: 4096)
      var answers = 0
      let start = ContinuousClock.now
      while ContinuousClock.now - start < .seconds(seconds) {
        let count = epoll_wait(poll, &events, Int32(events.count), 1000)
        for event in events[..<max(0, Int(count))] {
          // Small answers to one request at a time come in one piece.
          guard recv(event.data.fd, &buffer, buffer.count, 0) > 0 else { continue }
          answers += 1
          _ = send(event.data.fd, request, request.count, 0)
        }
      }
      return Double(answers) / Double(seconds)
    }
  }

  /// Opens connections, each used for one short request first as a pooled one would be, and leaves one request
  /// waiting on each. Fewer than asked for when descriptors run out.
  static func hold(port: UInt16, path: String, connections: Int) async -> [Int32] {
    await onThread {
      let short = Array("GET /at-once HTTP/1.1\r\n\(fields)\r\n".utf8)
      let token = String(repeating: "k", count: 48)
      let body = #"{"agent":"a1b2c3d4","queues":["default"],"wait":30}"#
      let long = Array(
        """
        POST \(path) HTTP/1.1\r\n\(fields)Authorization: Bearer lp-\(token)\r\n\
        Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)
        """.utf8)
      var buffer = [UInt8](repeating: 0, count: 4096)
      var sockets: [Int32] = []
      for _ in 0..<connections {
        let socket = connect(port)
        guard socket >= 0 else { break }
        _ = send(socket, short, short.count, 0)
        _ = recv(socket, &buffer, buffer.count, 0)
        _ = send(socket, long, long.count, 0)
        sockets.append(socket)
      }
      return sockets
    }
  }

  /// Reads one answer from each and closes it.
  static func collect(_ sockets: [Int32]) async {
    await onThread {
      var buffer = [UInt8](repeating: 0, count: 4096)
      for socket in sockets {
        _ = recv(socket, &buffer, buffer.count, 0)
        close(socket)
      }
    }
  }

  private static func connect(_ port: UInt16) -> Int32 {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return -1 }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let connected = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else {
      close(socket)
      return -1
    }
    return socket
  }

  private static func onThread<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
      DispatchQueue(label: "load").async { continuation.resume(returning: work()) }
    }
  }
}
