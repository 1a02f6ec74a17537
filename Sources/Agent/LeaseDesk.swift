import Model
import Processes
import Scripting
import Synchronization

/// Registers the agent, and gets it work and orders.
final class LeaseDesk: Sendable {
  private let shop: Workshop
  private enum Drain {
    case no
    /// No more runs are asked for.
    case begun
    /// The server knows it: a request that still waits there brings none, and can be given up.
    case told
  }
  private let draining = Mutex(Drain.no)

  /// Why the agent cannot begin.
  struct Refusal: Error {
    var exit: AgentExit
  }

  /// Seconds between tries while the server is away.
  private static let backoff = Backoff(least: 0.2, most: 5)
  /// Seconds that a full agent waits for a place before it asks for orders only; short runs free places all the time.
  private static let fullSeconds = 1.0
  /// Seconds to let places come together where the last answer filled them all: one request for several runs.
  private static let gatherSeconds = 0.002
  /// Seconds between looks whether the agent is registered again.
  private static let forgottenSeconds = 0.2
  /// Seconds before the next request where one brought nothing before its time. The server ends a request so where another
  /// one of the same agent comes: two agents under one name would push each other out without end.
  private static let cutBackoff = Backoff(least: 0.5, most: 10)
  /// Such answers in a row after which people are told.
  private static let cutsTold = 4
  /// Seconds between tries to register again where the agent is refused by now.
  private static let refusedSeconds = 30.0

  init(_ shop: Workshop) { self.shop = shop }

  private var settings: AgentSettings { shop.settings }

  // MARK: Registration

  /// One that has runs to look after is not turned away for a target that happens to be down: it polls what it covers,
  /// and its leases are renewed.
  private func hello() -> AgentHello {
    AgentHello(
      name: settings.name, entity: settings.entity, host: settings.host, queues: settings.queues,
      maxJobs: settings.maxJobs, offer: shop.prober.offer,
      allowPartial: settings.allowPartial || !shop.roster.isEmpty, holding: shop.roster.holdings)
  }

  /// Registers, for as long as the server cannot be reached. Fails where it says no.
  func register() async -> Result<Void, Refusal> {
    var backoff = LeaseDesk.backoff
    while !Task.isCancelled {
      let begun = shop.clock.uptime()
      do throws(ConnectionFailure) {
        let welcome = try await shop.connection.register(hello())
        shop.session.heard(nil, asked: begun)
        greet(welcome)
        return .success(())
      } catch {
        shop.session.heard(error, asked: begun)
        switch error {
        case .uncovered(let report): return .failure(Refusal(exit: .refused(report)))
        case .denied(let message): return .failure(Refusal(exit: .denied(message)))
        case .invalid(let message, let problems): return .failure(Refusal(exit: .invalid(message, problems)))
        case .unreachable, .unknownAgent, .stale, .gap: break
        }
      }
      try? await shop.clock.sleep(backoff.next(shop.clock.random()))
    }
    return .failure(Refusal(exit: .stopped))
  }

  private func greet(_ welcome: AgentWelcome) {
    shop.session.registered(as: welcome.id)
    shop.log(
      AgentEvent(
        .info, "registered",
        "registered at \(shop.connection.address); polling \(welcome.queues.joined(separator: ", "))",
        ["agent": welcome.id]))
    for entry in welcome.report.entries {
      shop.log(
        AgentEvent(
          .warning, "queue_left_out",
          "queue `\(entry.queue)` is left out: it needs \(entry.gap.need.text), and \(entry.gap.fact)",
          ["queue": entry.queue]))
    }
    shop.reporter.hurry()
  }

  /// Registers again whenever the server has forgotten the agent.
  func registerAgain() async {
    while !Task.isCancelled {
      await shop.session.lost.wait(nil, shop.clock)
      if Task.isCancelled { return }
      shop.log(AgentEvent(.warning, "forgotten", "the server does not know this agent any more; registering again"))
      // What was accepted once may be refused now: what runs goes on, and nothing new comes until it is accepted again.
      while !Task.isCancelled {
        guard case .failure(let refusal) = await register() else { break }
        if refusal.exit.isStop { return }
        shop.log(AgentEvent(.error, "refused", "the server refuses this agent now; trying again: \(refusal.exit)"))
        try? await shop.clock.sleep(LeaseDesk.refusedSeconds)
      }
    }
  }

  // MARK: Work

  /// Takes up what an earlier life held.
  func resume(_ held: [Held], begin: (Attempt) -> Void) {
    if held.isEmpty { return }
    shop.log(
      AgentEvent(
        .info, "resuming", "taking up \(held.count) run\(held.count == 1 ? "" : "s") of an earlier life",
        ["runs": String(held.count)]))
    for held in held {
      // The lease was last renewed by a life that is over: it may end soon, and is renewed with the first report.
      let end = shop.clock.uptime() + LeaseDesk.resumedLeaseSeconds
      let charge = Charge(held.lease, leaseEnd: end)
      if held.progress.ending != nil { _ = charge.finish() }
      if shop.roster.add(charge) { begin(Attempt(charge, shop)) }
    }
  }

  /// Seconds that a lease is taken to hold after a restart: enough to reach a server that is there, and so short that
  /// work which may be started elsewhere is stopped soon where it is not. Local work has its own fence besides.
  private static let resumedLeaseSeconds = 15.0

  /// Polls for work and orders until the agent is drained or the task cancelled.
  func run(begin: (Attempt) -> Void) async -> AgentExit {
    var backoff = LeaseDesk.backoff
    var seen: Int64 = 0
    var notes: [String] = []
    var wasFull = false
    var (cuts, cutBackoff) = (0, LeaseDesk.cutBackoff)
    while !Task.isCancelled {
      let drains = draining.withLock { $0 } != .no
      if drains && shop.roster.isEmpty { return .drained }
      guard let id = shop.session.current else {
        try? await shop.clock.sleep(LeaseDesk.forgottenSeconds)
        continue
      }
      if wasFull, !drains { try? await shop.clock.sleep(LeaseDesk.gatherSeconds) }
      wasFull = false
      var room = drains ? 0 : max(0, settings.maxJobs - shop.roster.busy)
      if room == 0, !drains {
        await shop.roster.room.wait(LeaseDesk.fullSeconds, shop.clock)
        room = max(0, settings.maxJobs - shop.roster.busy)
      }
      room = min(room, Limits.leaseBatchMax)
      let request = LeaseRequest(room: room, wait: AgentProtocol.waitSecondsMax, seen: seen)
      let answer: LeaseAnswer
      let begun = shop.clock.uptime()
      do throws(ConnectionFailure) {
        guard let given = try await ask(id, request) else { continue }
        answer = given
        shop.session.heard(nil, asked: begun)
        backoff.reset()
      } catch {
        if Task.isCancelled { break }
        shop.session.heard(error, asked: begun)
        if case .unknownAgent = error { shop.session.forget(id) }
        try? await shop.clock.sleep(backoff.next(shop.clock.random()))
        continue
      }
      let isCut =
        answer.leases.isEmpty && answer.seen <= seen && answer.notes == notes && !answer.drain
        && shop.clock.uptime() - begun < request.wait / 2
      cuts = isCut ? cuts + 1 : 0
      if !isCut { cutBackoff.reset() }
      if cuts == LeaseDesk.cutsTold {
        shop.log(
          AgentEvent(
            .warning, "pushed_out",
            "the server ends requests for work before their time; another agent may run under the name "
              + "`\(settings.name)`: give each its own"))
      }
      seen = max(seen, answer.seen)
      if answer.notes != notes {
        notes = answer.notes
        for note in notes { shop.log(AgentEvent(.warning, "queue_note", note)) }
        if notes.isEmpty { shop.log(AgentEvent(.info, "queue_note", "all queues hand out runs to this agent again")) }
      }
      if answer.drain, draining.withLock({ $0 }) == .no {
        shop.log(AgentEvent(.info, "draining", "the server asks this agent to take no more runs"))
        // It knows already.
        draining.withLock { $0 = .told }
        shop.reporter.isDraining()
      }
      obey(answer.stops)
      take(answer.leases, begin: begin)
      wasFull = room > 0 && answer.leases.count >= room
      if isCut { try? await shop.clock.sleep(cutBackoff.next(shop.clock.random())) }
    }
    return .stopped
  }

  /// Takes no more runs, and leaves when all are finished.
  func drain() async {
    draining.withLock { if $0 == .no { $0 = .begun } }
    shop.log(AgentEvent(.info, "draining", "taking no more runs"))
    await shop.reporter.drain()
    draining.withLock { $0 = .told }
    shop.roster.room.ring()
  }

  /// Asks for work and orders. A request is given up, with nil, when it asks for the wrong thing by now, and cannot bring
  /// a run any more: one without room when there is room, and any when the server knows that the agent is draining.
  private func ask(_ id: String, _ request: LeaseRequest) async throws(ConnectionFailure) -> LeaseAnswer? {
    let result = await withTaskGroup(of: Result<LeaseAnswer, ConnectionFailure>?.self) { group in
      group.addTask {
        do throws(ConnectionFailure) {
          return .success(try await self.shop.connection.lease(id, request))
        } catch { return .failure(error) }
      }
      group.addTask {
        while !Task.isCancelled, !self.isOutdated(request) { await self.shop.roster.room.wait(nil, self.shop.clock) }
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
    return try result?.get()
  }

  private func isOutdated(_ request: LeaseRequest) -> Bool {
    switch draining.withLock({ $0 }) {
    case .told: request.room > 0 || shop.roster.isEmpty
    case .begun: false
    case .no: request.room == 0 && shop.roster.busy < settings.maxJobs
    }
  }

  private func obey(_ stops: [Holding]) {
    for holding in stops {
      guard let charge = shop.roster["\(holding.run)-\(holding.attempt)"], charge.lease.holding == holding else {
        continue
      }
      charge.stop(.person)
    }
  }

  private func take(_ leases: [Lease], begin: (Attempt) -> Void) {
    if leases.isEmpty { return }
    let now = shop.clock.uptime()
    do throws(ProcessFailure) {
      try shop.journal.put(leases.map { Held(lease: $0) })
    } catch {
      shop.log(AgentEvent(.warning, "journal_failed", "\(error)"))
    }
    for lease in leases {
      let charge = Charge(lease, leaseEnd: now + lease.seconds)
      guard shop.roster.add(charge) else { continue }
      shop.log(
        AgentEvent(
          .info, "leased", "took run \(lease.name)",
          ["run": lease.run, "attempt": String(lease.attempt), "queue": lease.queue]))
      begin(Attempt(charge, shop))
    }
  }

  // MARK: Leaving

  /// Seconds for the last words to the server of an agent that is stopping.
  private static let farewellSeconds = 2.0

  /// Says goodbye: from now on nothing waits for this agent. Gives back what was not started, so that others need not
  /// wait for its leases to lapse.
  func leave() async {
    let unstarted = shop.journal.all.filter { held in
      !held.progress.intent && held.progress.ending == nil && shop.roster[held.token]?.isStarting != true
    }
    guard let id = shop.session.current else { return }
    let now = shop.clock.now()
    let report = AgentReport(
      holding: [], updates: unstarted.map { RunUpdate($0.lease.holding, at: now) }, draining: true)
    let (connection, clock) = (shop.connection, shop.clock)
    // Not a child of this task, which is cancelled.
    let farewell = Task { () -> Bool in
      await withTaskGroup(of: Bool.self) { group in
        group.addTask { (try? await connection.report(id, report)) != nil }
        group.addTask {
          try? await clock.sleep(LeaseDesk.farewellSeconds)
          return false
        }
        let first = await group.next() ?? false
        group.cancelAll()
        return first
      }
    }
    guard await farewell.value else { return }
    for held in unstarted { try? shop.journal.remove(held.token) }
  }
}
