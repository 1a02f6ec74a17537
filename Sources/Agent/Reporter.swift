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
  private struct State {
    var pending: [Pending] = []
    var samples: [Sample] = []
    var offer: Offer?
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
  func send(_ update: RunUpdate) {
    state.withLock { state in
      if !state.isClosed { state.pending.append(Pending(update: update, waiter: nil)) }
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
            Pending(update: update, waiter: index == updates.count - 1 ? continuation : nil))
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
      if await report(as: id, isHeartbeat: isHeartbeat) {
        backoff.reset()
        if isHeartbeat { heartbeatDue = clock.uptime() + AgentProtocol.heartbeatSeconds }
      } else {
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

  /// Sends one report. Gives false where it has to be sent again.
  private func report(as id: String, isHeartbeat: Bool) async -> Bool {
    let (batch, samples, offer, isDraining) = state.withLock { state in
      (Array(state.pending.prefix(Reporter.batchMax)), state.samples, state.offer, state.isDraining)
    }
    let ending = Set(batch.filter { $0.update.ending != nil || $0.update.state == nil }.map(\.update.holding))
    let holding = isHeartbeat ? roster.holdings.filter { !ending.contains($0) } : []
    let sentAt = clock.uptime()
    let receipt: AgentReceipt
    do throws(ConnectionFailure) {
      receipt = try await connection.report(
        id,
        AgentReport(
          holding: holding, updates: batch.map(\.update), samples: isHeartbeat ? samples : [], offer: offer,
          draining: isDraining))
      session.heard(nil, asked: sentAt)
    } catch {
      session.heard(error, asked: sentAt)
      if case .unknownAgent = error { session.forget(id) }
      if case .invalid(let message, _) = error, !batch.isEmpty {
        // Sending it again would fail for ever, and hold up everything behind it.
        log(AgentEvent(.error, "report_refused", "the server cannot read a report: \(message)"))
        settle(batch, with: Array(repeating: .refused(.unknown), count: batch.count))
        return true
      }
      return false
    }
    let drains = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      if state.offer == offer { state.offer = nil }
      // Only from the front are samples taken away, and only by newer ones.
      if isHeartbeat { state.samples.removeFirst(min(samples.count, state.samples.count)) }
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
    return true
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
