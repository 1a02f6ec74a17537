import Model
import Storage

extension Service {
  /// Gives an agent work and orders: at once where there is either, else when there is, or when the time is over. It
  /// waits on no thread; cancellation ends the wait with an answer that says nothing new.
  ///
  /// A task keeps what memory it ever needed until it ends, and this one may be one of ten thousand that wait. So whatever
  /// takes room is done in tasks of its own, which are gone while it waits.
  func lease(_ request: LeaseRequest, agent id: String, by account: Account) async throws -> LeaseAnswer {
    try await Task { _ = try await self.known(self.ownAgent(id, of: account)) }.value
    let ticket = desk.sit(agent: id)
    defer { desk.leave(ticket) }
    let deadline = clock.now() + min(request.wait, AgentProtocol.waitSecondsMax)
    let timer = Task { [clock, desk] in
      try await clock.sleep(deadline)
      desk.end(ticket)
    }
    defer { timer.cancel() }
    while true {
      let look = try await Task { try await self.look(request, id, account, ticket) }.value
      if Task.isCancelled, !look.runs.isEmpty {
        // Nobody is there to hear of them.
        await giveBack(look.runs, of: id)
        return look.answer.withoutLeases
      }
      if look.isNews || request.wait <= 0 { return look.answer }
      if await desk.sleep(ticket) == .over { return look.answer }
    }
  }

  /// What one look into the store brought.
  private struct Look: Sendable {
    var answer: LeaseAnswer
    var runs: [Run]
    /// The agent is to hear of it now.
    var isNews: Bool
  }

  private func look(
    _ request: LeaseRequest, _ id: String, _ account: Account, _ ticket: LeaseDesk.Ticket
  ) async throws -> Look {
    guard let agent = roster[id] else { throw ServiceError.noSuch("agent", id, hint: "register it again") }
    var standing = Standing(agent, in: keeper.current)
    standing.keep(onlyFor: account)
    desk.look(ticket, room: request.room, queues: standing.queues.map(\.id), reach: Reach(agent.offer))
    let orders = try await store.orders(for: id)
    let now = clock.now()
    let runs = try await take(request.room, for: agent, standing, ticket, isDraining: orders.drain, now: now)
    let answer = LeaseAnswer(
      leases: runs.map { Lease($0, now: now) }, stops: orders.stops, drain: orders.drain, seen: orders.number,
      notes: standing.notes)
    let isNew = tell(standing.notes, to: id)
    return Look(answer: answer, runs: runs, isNews: !runs.isEmpty || isNew || orders.number > request.seen)
  }

  private func known(_ agent: Agent) -> Agent {
    if roster[agent.id] == nil { roster.put(agent) }
    return agent
  }

  /// Whether these notes are not those that the agent was told last.
  private func tell(_ notes: [String], to agent: String) -> Bool {
    told.withLock { told in
      defer { told[agent] = notes }
      return told[agent] ?? [] != notes
    }
  }

  /// Leases from the store, and checks once more that the agent covers what it is about to get: its offer or the
  /// configuration may have changed on the way.
  private func take(
    _ room: Int, for agent: Agent, _ standing: Standing, _ ticket: LeaseDesk.Ticket, isDraining: Bool, now: Double
  ) async throws -> [Run] {
    guard room > 0, !standing.queues.isEmpty, !isDraining, agent.refusal == nil else { return [] }
    let runs: [Run]
    do {
      runs = try await metrics.time("lease") {
        try await store.lease(to: agent.id, from: standing.leaseQueues(agent.offer), room: room, now: now)
      }
    } catch {
      desk.settle(ticket, got: nil)
      throw error
    }
    desk.settle(ticket, got: runs.map { ($0.queue, $0.spec.needs) })
    guard !runs.isEmpty else { return [] }
    let (configuration, offer) = (keeper.current, roster[agent.id]?.offer)
    let isCovered = { (run: Run) -> Bool in
      guard let queue = configuration.queues[run.queue], let offer else { return false }
      return Coverage.covers(queue.needs + run.spec.needs, offer)
    }
    let withheld = runs.filter { !isCovered($0) }
    if !withheld.isEmpty {
      metrics.count(Metrics.withheld, by: Double(withheld.count))
      await giveBack(withheld, of: agent.id)
    }
    let given = withheld.isEmpty ? runs : runs.filter(isCovered)
    metrics.count(Metrics.leases, by: Double(given.count))
    return given
  }

  /// Returns runs that no agent was told of. Where that fails their leases lapse.
  private func giveBack(_ runs: [Run], of agent: String) async {
    let now = clock.now()
    let updates = runs.map { run in
      RunUpdate(Holding(run: run.id, attempt: run.attempt, epoch: run.epoch), at: now)
    }
    let report = AgentReport(holding: [], updates: updates, draining: roster[agent]?.draining ?? false)
    // In a task of its own: this one may be cancelled already, and the store must hear of it all the same.
    await Task { [store, log] in
      do { _ = try await store.report(report, from: agent, now: now) } catch {
        log("\(runs.count) leases of agent \(agent) could not be given back and will lapse: \(error)")
      }
    }.value
  }
}

extension LeaseAnswer {
  fileprivate var withoutLeases: LeaseAnswer {
    LeaseAnswer(leases: [], stops: stops, drain: drain, seen: seen, notes: notes)
  }
}
