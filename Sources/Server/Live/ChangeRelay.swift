import Model
import Scripting
import Storage

/// Carries committed changes to all who act on them: the lease desk, the roster, the sweeper, hooks and watchers. It
/// keeps nothing that could not be read again from the store.
actor ChangeRelay {
  private let store: any Store
  private let keeper: ConfigurationKeeper
  private let roster: Roster
  private let desk: LeaseDesk
  private let feed: LiveFeed
  private let sweeper: LapseSweeper
  private let hooks: HookDispatcher
  private let metrics: Metrics
  private let clock: ServerClock
  private let report: @Sendable (any Error) -> Void
  private var gates: [QueueID: QueueGate] = [:]
  private var work: Task<Void, Never>?

  init(
    store: any Store, keeper: ConfigurationKeeper, roster: Roster, desk: LeaseDesk, feed: LiveFeed,
    sweeper: LapseSweeper, hooks: HookDispatcher, metrics: Metrics, clock: ServerClock,
    report: @escaping @Sendable (any Error) -> Void
  ) {
    self.store = store
    self.keeper = keeper
    self.roster = roster
    self.desk = desk
    self.feed = feed
    self.sweeper = sweeper
    self.hooks = hooks
    self.metrics = metrics
    self.clock = clock
    self.report = report
  }

  /// Reads what is there, and follows the store from then on.
  func start() async throws {
    let changes = store.changes()
    try await readAll()
    work = Task {
      for await batch in changes { await self.relay(batch) }
    }
  }

  /// Waits until the store has closed its stream.
  func finish() async { await work?.value }

  private func readAll() async throws(StoreError) {
    gates = try await store.gates()
    roster.replace(try await store.agents(entity: nil).map(\.agent))
  }

  private struct Arrival: Hashable {
    var queue: QueueID
    var needs: [Need]
  }

  private func relay(_ batch: [Change]) async {
    // First what decides who may be given work, then the work.
    do { try await refresh(batch) } catch { report(error) }
    var arrivals: [Arrival: Int] = [:]
    var freed: [QueueID: Int] = [:]
    let configuration = keeper.current
    let now = clock.now()
    var deadline = Double.infinity
    for change in batch {
      switch change {
      case .run(let run):
        if run.to == .queued, run.from != run.to {
          arrivals[Arrival(queue: run.queue, needs: run.needs), default: 0] += 1
        }
        let queue = configuration.queues[run.queue]
        if run.from?.isLeased ?? false, !run.to.isLeased, queue?.concurrency != nil {
          freed[run.queue, default: 0] += 1
        }
        deadline = min(deadline, nextLook(run, queue, now: now))
        if let queue, !queue.hooks.isEmpty, let event = HookEvent(run) {
          hooks.add(.init(hooks: queue.hooks, event: event, run: run.id))
        }
      case .orders(let agent), .agent(let agent): desk.news(for: agent)
      case .queue(let id), .ready(let id): await stir(id)
      case .overflow: await startOver()
      case .log, .job: break
      }
    }
    for (arrival, count) in arrivals where gates[arrival.queue] != .paused {
      desk.arrived(count, in: arrival.queue, needs: arrival.needs)
    }
    for (queue, count) in freed where gates[queue] != .paused { desk.arrived(count, in: queue, needs: nil) }
    feed.publish(batch)
    if deadline < .infinity { await sweeper.look(by: deadline) }
  }

  /// When the sweeper may have something to do because of this step.
  private func nextLook(_ run: RunChange, _ queue: Queue?, now: Double) -> Double {
    if run.to.isLeased { return now + Limits.leaseSeconds }
    guard run.to == .queued else { return .infinity }
    // A retry may be delayed; a wait may be bounded. When, the store says.
    return run.from == nil ? queue?.queueTimeout.map { now + $0 } ?? .infinity : now
  }

  private func refresh(_ batch: [Change]) async throws(StoreError) {
    var agents: Set<String> = []
    var readsGates = false
    for change in batch {
      switch change {
      case .agent(let id): agents.insert(id)
      case .queue: readsGates = true
      default: break
      }
    }
    if readsGates { gates = try await store.gates() }
    for id in agents {
      if let status = try await store.agent(id) { roster.put(status.agent) } else { roster.remove(id) }
    }
  }

  /// A queue may have opened: what waits in it is offered again.
  private func stir(_ queue: QueueID?) async {
    do {
      for count in try await store.counts(queue: queue) where count.state == .queued && gates[count.queue] != .paused {
        desk.arrived(count.count, in: count.queue, needs: count.needs)
      }
    } catch {
      report(error)
    }
  }

  /// Changes were missed.
  private func startOver() async {
    do { try await readAll() } catch { report(error) }
    desk.newsForAll()
    await stir(nil)
    await sweeper.look(by: clock.now())
  }

  /// A new generation is in service: queues may ask for more or less, and agents may take more or less.
  func swapped(_ old: Configuration, _ new: Configuration) async {
    desk.newsForAll()
    await stir(nil)
    let changed = Set(old.queues.keys).union(new.queues.keys).filter { old.queues[$0] != new.queues[$0] }
    feed.publish(changed.sorted().map(Change.queue))
  }
}
