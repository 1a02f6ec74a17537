import CMicroHTTPD
import Glibc
import HTTP

/// The running libmicrohttpd and its callbacks. These are called on its threads and must return to it in every case.
final class HTTPDaemon: @unchecked Sendable {
  // Invariant: `pointer` is set once, before any other thread sees the daemon; `MHD_add_connection` is thread-safe, and
  // `stop` is called once, after the last `add`.
  private let pointer: OpaquePointer
  private let core: Unmanaged<HTTPServerCore>

  /// `nil` when the system gives no threads or descriptors.
  init?(core: HTTPServerCore, threads: Int) {
    let limits = core.limits
    self.core = Unmanaged.passRetained(core)
    var callbacks = lp_mhd_callbacks(
      access: HTTPDaemon.access, target: HTTPDaemon.target, completed: HTTPDaemon.completed,
      connection: HTTPDaemon.connection, context: self.core.toOpaque())
    let daemon = lp_mhd_start(
      &callbacks, UInt32(threads),
      // The listener holds the true limit; this one must never be the one that is met.
      UInt32(threads * (limits.connections + HTTPLimits.refusalHeadroom) * 2),
      UInt32(clamping: limits.idle.components.seconds), limits.connectionMemory)
    guard let daemon else {
      self.core.release()
      return nil
    }
    pointer = daemon
  }

  /// Hands over an accepted socket; false when it was closed instead.
  func add(_ socket: Int32, _ address: inout sockaddr_storage, _ size: socklen_t) -> Bool {
    withUnsafePointer(to: &address) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        MHD_add_connection(pointer, socket, $0, size) == .YES
      }
    }
  }

  /// Closes every connection and joins the threads. Blocks. No connection may be suspended.
  func stop() {
    MHD_stop_daemon(pointer)
    core.release()
  }

  private static let connection: MHD_NotifyConnectionCallback = { context, connection, slot, event in
    guard let context, let connection, let slot else { return }
    let core = Unmanaged<HTTPServerCore>.fromOpaque(context).takeUnretainedValue()
    if event == .CONNECTION_NOTIFY_STARTED {
      slot.pointee = core.connections[lp_mhd_socket(connection)].map { Unmanaged.passRetained($0).toOpaque() }
    } else if let pointer = slot.pointee {
      slot.pointee = nil
      core.connections.close(Unmanaged<HTTPConnection>.fromOpaque(pointer).takeRetainedValue())
    }
  }

  private static let target: lp_mhd_target = { context, target, _ in
    guard let context, let target else { return nil }
    let limits = Unmanaged<HTTPServerCore>.fromOpaque(context).takeUnretainedValue().limits
    // It lies in the connection's own buffer, where libmicrohttpd itself is about to write into it.
    HTTPRoom.cutQuery(of: UnsafeMutablePointer(mutating: target), limits)
    return nil
  }

  private static let access: MHD_AccessHandlerCallback = {
    context, connection, path, method, _, bytes, count, slot in
    guard let context, let connection, let slot, let count else { return .NO }
    if let pointer = slot.pointee {
      let exchange = Unmanaged<HTTPExchange>.fromOpaque(pointer).takeUnretainedValue()
      guard count.pointee > 0 else { return exchange.proceed() }
      let piece = UnsafeRawBufferPointer(start: bytes, count: count.pointee)
      count.pointee = 0
      return exchange.receive(piece)
    }
    guard let path, let method, let owner = lp_mhd_socket_context(connection) else { return .NO }
    let exchange = HTTPExchange(
      core: Unmanaged<HTTPServerCore>.fromOpaque(context).takeUnretainedValue(),
      connection: Unmanaged<HTTPConnection>.fromOpaque(owner).takeUnretainedValue(),
      handle: HTTPConnectionHandle(pointer: connection))
    slot.pointee = Unmanaged.passRetained(exchange).toOpaque()
    return exchange.begin(method: String(cString: method), path: String(cString: path))
  }

  private static let completed: MHD_RequestCompletedCallback = { _, _, slot, _ in
    guard let slot, let pointer = slot.pointee else { return }
    slot.pointee = nil
    Unmanaged<HTTPExchange>.fromOpaque(pointer).takeRetainedValue().completed()
  }
}
