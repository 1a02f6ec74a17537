import CLinux
import Dispatch
import Glibc
import HTTP
import Synchronization

/// An HTTP/1.1 server. Waiting requests hold no thread; see `HTTPLimits` for what each may cost.
///
/// A client that closes its connection cancels the task of its handler, whether the handler works, waits or streams.
/// Closing only the sending side counts as closing. A client that vanishes without a word (power, cable) is noticed
/// when something is sent to it, so streams should send a comment now and then and long-polls should end by themselves.
///
/// A request that is not HTTP at all is answered by libmicrohttpd, with the right status and a plain page.
public final class HTTPServer: Sendable {
  /// Where the server listens; the port is the true one.
  public let address: HTTPAddress
  let core: HTTPServerCore
  private let listener: HTTPListener
  private let daemon: HTTPDaemon
  private let end = Mutex<Task<Void, Never>?>(nil)

  /// Binds the address and serves from then on, until `shutdown`.
  ///
  /// Raises the process's soft limit of open files to its hard limit, since each connection needs one.
  /// - Parameter threads: that read and write the network and start handlers.
  public static func start(
    listen address: HTTPAddress, limits: HTTPLimits = HTTPLimits(), threads: Int = 1, service: HTTPService
  ) throws(HTTPListenError) -> HTTPServer {
    linux_raise_file_limit()
    let core = HTTPServerCore(limits: limits, service: service)
    core.turnClock()
    let listener = try HTTPListener(address, core: core)
    guard let daemon = HTTPDaemon(core: core, threads: threads) else {
      throw HTTPListenError(address: address, failure: errno, doing: "start serving")
    }
    listener.run(daemon)
    return HTTPServer(core: core, listener: listener, daemon: daemon)
  }

  public static func start(
    listen address: HTTPAddress, limits: HTTPLimits = HTTPLimits(),
    handler: @escaping @Sendable (HTTPRequest) async -> HTTPResponse
  ) throws(HTTPListenError) -> HTTPServer {
    try start(listen: address, limits: limits, service: HTTPService(handler: handler))
  }

  private init(core: HTTPServerCore, listener: HTTPListener, daemon: HTTPDaemon) {
    self.core = core
    self.listener = listener
    self.daemon = daemon
    address = listener.address
  }

  /// Answers a request of this process itself as it would one that came by a connection, to the same limits. Only for
  /// bodies in memory; whoever asks waits for its answers before `shutdown`.
  public func answer(_ request: HTTPRequest) async -> HTTPResponse {
    let service = core.service
    guard !core.isClosing else { return service.render(.closing()) }
    switch service.bodyPolicy(request) {
    case .memory(let limit):
      let limit = limit ?? core.limits.body
      guard request.bytes.count <= limit else { return service.render(.bodyTooLarge(limit: limit)) }
      return await service.handler(request)
    case .file: return service.render(.bodyTooLarge(limit: 0))
    case .refuse(let fault): return service.render(fault)
    }
  }

  /// Stops: accepts no more connections, ends waits and streams at once and cleanly, gives other requests up to
  /// `grace` to end, then cancels their tasks and answers 503. Returns when every connection is closed.
  /// Later calls only wait for the first.
  public func shutdown(grace: Duration) async {
    let task = end.withLock { end in
      let task = end ?? Task { await self.stop(grace) }
      end = task
      return task
    }
    await task.value
  }

  private func stop(_ grace: Duration) async {
    core.setClosing()
    listener.stopAccepting()
    for connection in core.connections.all { connection.exchange?.close() }
    await within(grace) {
      await self.core.exchanges.drain()
      await self.core.tasks.drain()
    }
    core.setStopping()
    for connection in core.connections.all { connection.exchange?.stop() }
    await within(HTTPLimits.lastAnswers) { await self.core.exchanges.drain() }
    await listener.stop()
    await withCheckedContinuation { continuation in
      // Joins threads, so it must not hold a thread of the concurrent pool.
      DispatchQueue(label: "lunaport.http.stop").async {
        self.daemon.stop()
        continuation.resume()
      }
    }
  }

  private func within(_ time: Duration, _ work: @escaping @Sendable () async -> Void) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await work() }
      group.addTask { try? await Task.sleep(for: time) }
      await group.next()
      group.cancelAll()
    }
  }

  /// The number of open connections.
  public var connectionCount: Int { core.connections.count }
}
