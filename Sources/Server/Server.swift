import HTTP
import Model
import Scripting
import Storage
import Synchronization

/// A running server: the API over HTTP, on one data folder.
public final class Server: Sendable {
  public struct Options: Sendable {
    /// Holds the store, blobs, logs and the admin key. Made where it is new; only one server has it open at a time.
    public var data: String
    public var listen: HTTPAddress
    /// Folders whose changes have the configuration read anew.
    public var watched: [String]
    public var limits = HTTPLimits()
    /// Seconds after its end that a run is kept, with its log and samples; nil for ever.
    public var keep: Double?

    public init(data: String, listen: HTTPAddress, watched: [String] = [], keep: Double? = nil) {
      self.data = data
      self.listen = listen
      self.watched = watched
      self.keep = keep
    }
  }

  /// Where it listens; the port is the true one.
  public let address: HTTPAddress
  /// The file with the admin key, mode 0600.
  public let adminKeyFile: String
  /// Nil where the folders cannot be watched; then a reload has to be asked for.
  private let watch: FileWatch?
  private let service: Service
  private let http: HTTPServer
  private let isStopped = Mutex(false)

  /// Starts a server; it serves when this returns.
  ///
  /// - Parameters:
  ///   - source: reads the configuration: `ConfigurationLoader(...).source`.
  ///   - hooks: calls the hooks of queues; without one they are not called.
  ///   - log: is given lines for the operator. They hold no keys and no secrets.
  /// - Throws: `ConfigurationKeeper.Rejected` where the configuration has errors, `StoreError` (`locked` where another
  ///   server has the folder), `HTTPListenError`; all say in words what is wrong.
  public static func start(
    _ options: Options, source: @escaping ConfigurationKeeper.Source, hooks: (any HookCaller)? = nil,
    clock: ServerClock = .system, log: @escaping @Sendable (String) -> Void
  ) async throws -> Server {
    let store = try SQLiteStore(folder: options.data)
    do {
      let adminKey = try await AdminKey.ensure(in: options.data, store: store, now: clock.now())
      let service = Service(
        store: store, blobs: try FolderBlobs(folder: "\(options.data)/blobs"),
        logs: try FolderRunLogs(folder: "\(options.data)/logs"), source: source, hooks: hooks, clock: clock,
        identity: .random, keep: options.keep, log: log)
      do {
        try await service.start()
        let http = try HTTPServer.start(
          listen: options.listen, limits: options.limits, service: Gateway(service).httpService())
        return Server(service, http, options, adminKeyFile: adminKey.path)
      } catch {
        await service.stopLeasing()
        await service.close()
        throw error
      }
    } catch {
      await store.close()
      throw error
    }
  }

  private init(_ service: Service, _ http: HTTPServer, _ options: Options, adminKeyFile: String) {
    self.service = service
    self.http = http
    self.adminKeyFile = adminKeyFile
    address = http.address
    let keeper = service.keeper
    watch =
      options.watched.isEmpty
      ? nil : FileWatch(options.watched) { Task { await keeper.reload() } }
    if watch == nil, !options.watched.isEmpty {
      service.log("the configuration's folders cannot be watched; POST /api/v1/configuration/reload reads them anew")
    }
  }

  /// Answers a request of this process itself; see `HTTPServer.answer`.
  public func answer(_ request: HTTPRequest) async -> HTTPResponse { await http.answer(request) }

  /// Stops: hands out no more runs, answers every wait, ends streams, gives other requests `grace` to end, puts everything
  /// on disk and closes the store. Calling it again does nothing.
  public func shutdown(grace: Duration = .seconds(10)) async {
    let isFirst = isStopped.withLock { stopped in
      defer { stopped = true }
      return !stopped
    }
    guard isFirst else { return }
    watch?.stop()
    await service.stopLeasing()
    await http.shutdown(grace: grace)
    await service.close()
  }

  /// How the configuration stands.
  public var configuration: ConfigurationKeeper.Status { service.keeper.status }
}
