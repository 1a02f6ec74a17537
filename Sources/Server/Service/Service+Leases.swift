import Model
import Storage

extension Service {
  /// Gives an agent work and orders: at once where there is either, else when there is, or when the time is over. It
  /// waits on no thread; cancellation ends the wait with an answer that says nothing new.
  func lease(_ request: LeaseRequest, agent id: String, by account: Account) async throws -> LeaseAnswer {
    _ = try await known(ownAgent(id, of: account))
    let ticket = desk.sit(agent: id)
    defer { desk.leave(ticket) }
    let deadline = clock.now() + min(request.wait, AgentProtocol.waitSecondsMax)
    let timer = Task { [clock, desk] in
      try await clock.sleep(deadline)
      desk.end(ticket)
    }
    defer { timer.cancel() }
    while true {
      guard let agent = roster[id] else { throw ServiceError.noSuch("agent", id, hint: "register it again") }
      let standing = Standing(agent, in: keeper.current)
      desk.look(ticket, room: request.room, queues: standing.queues.map(\.id), reach: Reach(agent.offer))
      let orders = try await store.orders(for: id)
      let leases = try await take(request.room, for: agent, standing, ticket, isDraining: orders.drain)
      let answer = LeaseAnswer(
        leases: leases, stops: orders.stops, drain: orders.drain, seen: orders.number, notes: standing.notes)
      let isNews = tell(standing.notes, to: id)
      if !leases.isEmpty || isNews || orders.number > request.seen || request.wait <= 0 { return answer }
      if await desk.sleep(ticket) == .over { return answer }
    }
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
    _ room: Int, for agent: Agent, _ standing: Standing, _ ticket: LeaseDesk.Ticket, isDraining: Bool
  ) async throws -> [Lease] {
    guard room > 0, !standing.queues.isEmpty, !isDraining, agent.refusal == nil, !Task.isCancelled else { return [] }
    let now = clock.now()
    let runs: [Run]
    do {
      runs = try await metrics.time("lease") {
        try await store.lease(to: agent.id, from: standing.leaseQueues(agent.offer), room: room, now: now)
      }
    } catch {
      desk.settle(ticket, got: nil)
      throw error
    }
    var got: [QueueID: Int] = [:]
    for run in runs { got[run.queue, default: 0] += 1 }
    desk.settle(ticket, got: got)
    guard !runs.isEmpty else { return [] }
    // Nobody is there to hear of them.
    if Task.isCancelled {
      await giveBack(runs, of: agent)
      return []
    }
    let (configuration, offer) = (keeper.current, roster[agent.id]?.offer)
    var withheld: [Run] = []
    let leases = runs.compactMap { run -> Lease? in
      guard let queue = configuration.queues[run.queue], let offer,
        Coverage.covers(queue.needs + run.spec.needs, offer)
      else {
        withheld.append(run)
        return nil
      }
      return Lease(run, now: now)
    }
    if !withheld.isEmpty {
      metrics.count(Metrics.withheld, by: Double(withheld.count))
      await giveBack(withheld, of: agent)
    }
    metrics.count(Metrics.leases, by: Double(leases.count))
    return leases
  }

  /// Returns runs that no agent was told of. Where that fails their leases lapse.
  private func giveBack(_ runs: [Run], of agent: Agent) async {
    let now = clock.now()
    let updates = runs.map { run in
      RunUpdate(Holding(run: run.id, attempt: run.attempt, epoch: run.epoch), at: now)
    }
    // In a task of its own: this one may be cancelled already, and the store must hear of it all the same.
    let (store, log) = (store, log)
    let report = AgentReport(holding: [], updates: updates, draining: agent.draining)
    await Task {
      do { _ = try await store.report(report, from: agent.id, now: now) } catch {
        log("\(runs.count) leases of agent \(agent.id) could not be given back and will lapse: \(error)")
      }
    }.value
  }
}
