import Model
import Synchronization

/// What became of an update.
enum Acknowledgement: Sendable, Hashable {
  case taken
  case refused(RunRefusal)
  /// The agent is stopping; the update was not sent.
  case cancelled
}

/// Sends the agent's news: everything that has come together since the last report goes into the next one, so that many
/// runs cost few requests. What the server has not acknowledged is sent again.
///
/// Holds the leases too: at least every `AgentProtocol.heartbeatSeconds` all that is held is named, and each
/// acknowledgement is a renewal from the moment of *sending*.
final class Reporter: Sendable {
  private struct Pending {
    var update: RunUpdate
    var waiter: CheckedContinuation<Acknowledgement, Never>?
  }
  /// What one report carries beside what is held.
  private struct Load {
    var batch: [Pending] = []
    var samples: [Sample] = []
    var offer: Offer?
    var isEmpty: Bool { batch.isEmpty && samples.isEmpty && offer == nil }
  }
  private struct State {
    var pending: [Pending] = []
    /// Of `pending`, how many are on their way and stay as they are.
    var sending = 0
    var samples: [Sample] = []
    var offer: Offer?
    /// The server could not read the last report: each piece goes by itself, until the one that it cannot read is found.
    var isCareful = false
    var isDraining = false
    /// Who waits for the server to know that the agent is draining.
    var drainWaiters: [CheckedContinuation<Void, Never>] = []
    var isClosed = false
  }
  private let state = Mutex(State())
  private let bell = Bell()
  private let connection: any ServerConnection
  private let session: Session
  private let roster: Roster
  private let clock: AgentClock
  private let log: AgentLog

  /// Updates in one report; a server restart with thousands of runs must not make one that is too large.
  private static let batchMax = 500
  /// Samples that wait for the server; the oldest are dropped, for they are only for plots.
  private static let samplesMax = 5_000
  /// Seconds between tries while the server is away: soon enough to keep leases, rarely enough to be no load.
  private static let backoff = Backoff(least: 0.2, most: 5)

  init(
    _ connection: any ServerConnection, _ session: Session, _ roster: Roster, clock: AgentClock, log: @escaping AgentLog
  ) {
    self.connection = connection
    self.session = session
    self.roster = roster
    self.clock = clock
    self.log = log
  }

  /// Sends an update soon, in its order; nobody waits for what the server says to it.
  ///
  /// Where the run's last news that still waits is of the same step, only the message is another: a target that cannot be
  /// asked has new words every few seconds, and the server may be away for days.
  func send(_ update: RunUpdate) {
    let update = update.readable
    state.withLock { state in
      if state.isClosed { return }
      let last = state.pending.indices.dropFirst(state.sending)
        .last { state.pending[$0].update.holding == update.holding }
      if let last, state.pending[last].waiter == nil, state.pending[last].update.ending == nil,
        state.pending[last].update.state == update.state
      {
        state.pending[last].update.message = update.message
      } else {
        state.pending.append(Pending(update: update, waiter: nil))
      }
    }
    bell.ring()
  }

  /// Sends updates of one attempt and waits for what the server says to the last of them.
  func settle(_ updates: [RunUpdate]) async -> Acknowledgement {
    await withCheckedContinuation { continuation in
      let isClosed = state.withLock { state in
        if state.isClosed { return true }
        for (index, update) in updates.enumerated() {
          state.pending.append(
            Pending(update: update.readable, waiter: index == updates.count - 1 ? continuation : nil))
        }
        return false
      }
      if isClosed || updates.isEmpty { continuation.resume(returning: .cancelled) }
      bell.ring()
    }
  }

  func add(_ samples: [Sample]) {
    state.withLock { state in
      state.samples += samples
      if state.samples.count > Reporter.samplesMax {
        state.samples.removeFirst(state.samples.count - Reporter.samplesMax)
      }
    }
  }

  /// The agent can do something else by now.
  func set(_ offer: Offer) {
    state.withLock { $0.offer = offer }
    bell.ring()
  }

  /// The server told the agent to take no more runs; from now on reports say that it does.
  func isDraining() { state.withLock { $0.isDraining = true } }

  /// Says that the agent takes no more runs. Returns when the server knows it, and gives it none, or the agent stops.
  func drain() async {
    await withCheckedContinuation { continuation in
      let isClosed = state.withLock { state in
        state.isDraining = true
        if !state.isClosed { state.drainWaiters.append(continuation) }
        return state.isClosed
      }
      if isClosed { continuation.resume() }
      bell.ring()
    }
  }

  /// Sends a heartbeat now.
  func hurry() { bell.ring() }

  /// Runs until cancelled; then everyone who waits is told.
  func run() async {
    var backoff = Reporter.backoff
    var heartbeatDue = clock.uptime()
    while !Task.isCancelled {
      guard let id = await session.id() else { break }
      let isQuiet = state.withLock { $0.pending.isEmpty && $0.offer == nil && $0.drainWaiters.isEmpty }
      if isQuiet {
        await bell.wait(heartbeatDue - clock.uptime(), clock)
        if Task.isCancelled { break }
      }
      let isHeartbeat = clock.uptime() >= heartbeatDue
      switch await report(as: id, isHeartbeat: isHeartbeat) {
      case .taken:
        backoff.reset()
        if isHeartbeat { heartbeatDue = clock.uptime() + AgentProtocol.heartbeatSeconds }
      case .unreadable: continue
      case .failed:
        // Everything held is named again as soon as the server is back.
        heartbeatDue = clock.uptime()
        try? await clock.sleep(backoff.next(clock.random()))
      }
    }
    close()
  }

  private func close() {
    let (pending, drains) = state.withLock { state in
      state.isClosed = true
      defer {
        state.pending = []
        state.drainWaiters = []
      }
      return (state.pending, state.drainWaiters)
    }
    for waiter in drains { waiter.resume() }
    for item in pending { item.waiter?.resume(returning: .cancelled) }
  }

  private enum Outcome {
    case taken
    /// The server cannot read it; what comes next is less.
    case unreadable
    case failed
  }

  /// What the next report carries.
  private func load(isHeartbeat: Bool) -> Load {
    state.withLock { state in
      var load = Load()
      if !state.isCareful {
        load.batch = Array(state.pending.prefix(Reporter.batchMax))
        load.samples = isHeartbeat ? state.samples : []
        load.offer = state.offer
      } else if !state.pending.isEmpty {
        load.batch = Array(state.pending.prefix(1))
      } else if state.offer != nil {
        load.offer = state.offer
      } else {
        load.samples = isHeartbeat ? state.samples : []
        state.isCareful = !state.samples.isEmpty
      }
      state.sending = load.batch.count
      return load
    }
  }

  private func report(as id: String, isHeartbeat: Bool) async -> Outcome {
    let load = load(isHeartbeat: isHeartbeat)
    defer { state.withLock { $0.sending = 0 } }
    let batch = load.batch
    let isDraining = state.withLock { $0.isDraining }
    let ending = Set(batch.filter { $0.update.ending != nil || $0.update.state == nil }.map(\.update.holding))
    let holding = isHeartbeat ? roster.holdings.filter { !ending.contains($0) } : []
    let sentAt = clock.uptime()
    let receipt: AgentReceipt
    do throws(ConnectionFailure) {
      receipt = try await connection.report(
        id,
        AgentReport(
          holding: holding, updates: batch.map(\.update), samples: load.samples, offer: load.offer,
          draining: isDraining))
      session.heard(nil, asked: sentAt)
    } catch {
      session.heard(error, asked: sentAt)
      if case .unknownAgent = error { session.forget(id) }
      guard case .invalid(let message, _) = error, !load.isEmpty else { return .failed }
      leaveOut(load, message)
      return .unreadable
    }
    let drains = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      if state.offer == load.offer { state.offer = nil }
      // Only from the front are samples taken away, and only by newer ones.
      state.samples.removeFirst(min(load.samples.count, state.samples.count))
      guard isDraining else { return [] }
      defer { state.drainWaiters = [] }
      return state.drainWaiters
    }
    for waiter in drains { waiter.resume() }
    roster.renewed(holding, batch.map(\.update.holding), from: sentAt, gone: receipt.gone, isHeartbeat: isHeartbeat)
    let answers = batch.indices.map { index -> Acknowledgement in
      receipt.refusals.indices.contains(index) ? receipt.refusals[index].map { .refused($0) } ?? .taken : .taken
    }
    // Before the next heartbeat can name it.
    for (item, answer) in zip(batch, answers) where item.update.ending != nil && answer == .taken {
      roster.settled(item.update.holding)
    }
    settle(batch, with: answers)
    return .taken
  }

  /// The server cannot read a report, and could not the next time. Sending it again and again would let every lease run
  /// out: so its pieces are sent one by one, and the one that cannot be read is left out.
  private func leaveOut(_ load: Load, _ message: String) {
    let isAlone = state.withLock { state in
      defer { state.isCareful = true }
      return state.isCareful
    }
    guard isAlone else { return }
    log(AgentEvent(.error, "report_refused", "the server cannot read a report: \(message)"))
    state.withLock { state in
      if state.offer == load.offer { state.offer = nil }
      state.samples.removeFirst(min(load.samples.count, state.samples.count))
    }
    guard let item = load.batch.first else { return }
    // That a run has ended must get through, whatever is wrong with what its target says of it.
    if let plain = item.update.plain(message) {
      state.withLock { if !$0.pending.isEmpty { $0.pending[0].update = plain } }
    } else {
      settle(load.batch, with: [.refused(.unknown)])
    }
  }

  private func settle(_ batch: [Pending], with answers: [Acknowledgement]) {
    state.withLock { $0.pending.removeFirst(min(batch.count, $0.pending.count)) }
    for (item, answer) in zip(batch, answers) {
      if case .refused(let refusal) = answer, item.waiter == nil {
        log(
          AgentEvent(
            .debug, "update_refused", "the server did not take an update: \(refusal)", ["run": item.update.holding.run])
        )
      }
      item.waiter?.resume(returning: answer)
    }
  }
}

extension RunUpdate {
  /// With messages as long as the server takes them.
  fileprivate var readable: RunUpdate {
    var update = self
    update.message = message.map(AgentProtocol.message)
    update.ending?.message = ending?.message.map(AgentProtocol.message)
    return update
  }

  /// That the run has ended, and nothing else; nil where it is no more than that already, or no end.
  /// - Parameter problem: what was wrong with the rest.
  fileprivate func plain(_ problem: String) -> RunUpdate? {
    guard let ending, ending.exitCode != nil || ending.signal != nil || !Self.isPlain(ending.message) else {
      return nil
    }
    let message = AgentProtocol.message("\(Self.plainMessage)\(problem)")
    return RunUpdate(holding, ending: Ending(ending.state, ending.reason, message: message), at: at)
  }

  private static let plainMessage = "how it ended could not be told to the server: "
  private static func isPlain(_ message: String?) -> Bool { message?.hasPrefix(plainMessage) ?? true }
}
