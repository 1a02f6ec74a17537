import Model
import Scripting
import Storage
import Synchronization

/// Everything the API does, as plain functions: who asks is passed in, and HTTP knows of it, not it of HTTP.
///
/// Its functions throw `ServiceError` for what the caller is told, `StoreError` where the store's words will do, and
/// anything else where a defect is to be logged.
final class Service: Sendable {
  let store: any Store
  let blobs: any Blobs
  let logs: any RunLogs
  let clock: ServerClock
  let identity: RunIdentity
  let keeper: ConfigurationKeeper
  let desk = LeaseDesk()
  let roster = Roster()
  let feed: LiveFeed
  let sweeper: LapseSweeper
  let hooks: HookDispatcher
  let metrics = Metrics()
  /// A line for the operator. Never holds keys, secrets or what people wrote into their runs.
  let log: @Sendable (String) -> Void
  /// What each agent was last told of queues that give it nothing.
  let told = Mutex<[String: [String]]>([:])
  let rights = BlobRights()
  let syncer: LogSyncer
  /// Nil where everything is kept for ever.
  private let keep: Double?
  private let running = Mutex<Retention?>(nil)
  private let relay: ChangeRelay
  private let swaps: AsyncStream<(Configuration, Configuration)>
  private let endSwaps: @Sendable () -> Void
  private let swapping = Mutex<Task<Void, Never>?>(nil)

  /// - Parameter keep: seconds after its end that a run is kept; nil for ever.
  init(
    store: any Store, blobs: any Blobs, logs: any RunLogs, source: @escaping ConfigurationKeeper.Source,
    hooks caller: (any HookCaller)?, clock: ServerClock, identity: RunIdentity, keep: Double? = nil,
    log: @escaping @Sendable (String) -> Void
  ) {
    self.store = store
    self.blobs = blobs
    self.logs = logs
    self.clock = clock
    self.identity = identity
    self.keep = keep
    self.log = log
    let report: @Sendable (any Error) -> Void = { log("the store refused: \($0)") }
    feed = LiveFeed(origin: identity.id())
    sweeper = LapseSweeper(store: store, clock: clock, report: report)
    syncer = LogSyncer(logs, clock: clock, report: report)
    let (swaps, swap) = AsyncStream.makeStream(of: (Configuration, Configuration).self)
    self.swaps = swaps
    endSwaps = { swap.finish() }
    keeper = ConfigurationKeeper(source: source, store: store, clock: clock) { swap.yield(($0, $1)) }
    let (roster, keeper, metrics) = (roster, keeper, metrics)
    hooks = HookDispatcher(
      caller,
      view: { id in
        guard let run = try? await store.run(id) else { return nil }
        var served = Served(roster, queues: keeper.current.queues, now: clock.now())
        return served.view(run)
      },
      log: log,
      count: { metrics.count(Metrics.hooks, Metrics.labels(("outcome", $0.rawValue))) })
    relay = ChangeRelay(
      store: store, keeper: keeper, roster: roster, desk: desk, feed: feed, sweeper: sweeper, hooks: hooks,
      metrics: metrics, clock: clock, report: report)
  }

  /// Reads the configuration and what the store has, and follows both.
  /// - Throws: `ConfigurationKeeper.Rejected` where the configuration has errors.
  func start() async throws {
    try await keeper.start()
    try await store.extendLeases(to: clock.now() + Limits.leaseSeconds)
    try await relay.start()
    let (relay, swaps) = (relay, swaps)
    swapping.withLock {
      $0 = Task { for await (old, new) in swaps { await relay.swapped(old, new) } }
    }
    await sweeper.start()
    guard let keep else { return }
    let retention = retention(keep: keep)
    running.withLock { $0 = retention }
    await retention.start()
  }

  func retention(keep: Double) -> Retention {
    Retention(
      keep: keep, store: store, blobs: blobs, logs: logs, manifest: { try await self.manifest($0) }, metrics: metrics,
      clock: clock, report: { [log] in log("what is too old is not removed: \($0)") })
  }

  /// Gives out no more leases and ends every wait, with an answer.
  func stopLeasing() async {
    desk.close()
    await sweeper.stop()
  }

  /// Ends everything, the store last.
  func close() async {
    feed.close()
    endSwaps()
    await running.withLock { $0.take() }?.stop()
    await swapping.withLock { $0 }?.value
    await hooks.close()
    await syncer.finish()
    await store.close()
    await relay.finish()
  }

  // MARK: Who sees what

  /// What people see of a run waits on the agents; this answers for many runs at once.
  func served() -> Served { Served(roster, queues: keeper.current.queues, now: clock.now()) }

  func view(_ run: Run) -> RunView {
    var served = served()
    return served.view(run)
  }

  /// The run, where the account may see it.
  func run(_ id: String, for account: Account) async throws -> Run {
    guard let run = try await store.run(id), account.isMember(of: run.entity) else {
      throw ServiceError.noSuch("run", id)
    }
    return run
  }

  /// The entity that a request means, where the account may see it.
  func entity(_ given: String?, for account: Account) throws -> String {
    let entity = given ?? account.defaultEntity
    guard account.isMember(of: entity) else { throw ServiceError.noSuch("entity", entity) }
    return entity
  }

  /// The queue in service, where the account may see it.
  func queue(_ id: QueueID, for account: Account) throws -> Queue {
    guard account.isMember(of: id.entity), let queue = keeper.current.queues[id] else {
      throw ServiceError.noSuch("queue", id.text)
    }
    return queue
  }

  /// A page of a list of the store.
  /// - Throws: `notFound` for a cursor that no page of the list gave out.
  func page<Item>(
    after cursor: String?, _ read: (Cursor?) async throws(StoreError) -> Page<Item>
  ) async throws -> Page<Item> {
    do {
      return try await read(cursor.map { Cursor($0) })
    } catch {
      guard error.code == .invalid, let cursor else { throw error }
      throw ServiceError.noSuch("page", cursor, hint: "begin at the first page")
    }
  }

  /// A page of a list that is held in memory, in the order of `key`, which is the cursor too: in any other order what lies
  /// between the two would be left out.
  static func page<Item>(
    of items: some Sequence<Item>, after cursor: String?, limit: Int, key: (Item) -> String
  ) -> (items: [Item], next: String?) {
    let rest = items.map { (item: $0, key: key($0)) }.filter { cursor == nil || $0.key > cursor ?? "" }
      .sorted { $0.key < $1.key }
    let shown = rest.prefix(limit)
    return (shown.map(\.item), rest.count > shown.count ? shown.last?.key : nil)
  }
}
