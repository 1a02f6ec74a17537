import Model
import Storage

extension Service {
  /// Registers an agent after the capability check. One that does not cover a queue that it polls is refused, unless it
  /// allows that: then it gets nothing of that queue.
  /// - Throws: `refused` with the whole report.
  func register(_ hello: AgentHello, by account: Account) async throws -> AgentWelcome {
    guard hello.protocolVersion == AgentProtocol.version else {
      throw ServiceError(
        .refused,
        "agent `\(hello.name)` speaks version \(hello.protocolVersion) of the agent protocol, this server "
          + "\(AgentProtocol.version)",
        hint: "run an agent of the server's version")
    }
    let entity = try entity(hello.entity, for: account)
    let configuration = keeper.current
    try checkQueues(hello, entity: entity, for: account, known: configuration.queues)
    let now = clock.now()
    if let other = roster.agent(named: hello.name, of: entity), other.account != account.name, account.role != .admin {
      throw ServiceError(
        .exists, "an agent `\(hello.name)` of entity `\(entity)` is registered by `\(other.account)`",
        hint: "give this agent another name")
    }
    let trial = Agent(id: "", hello: hello, entity: entity, account: account.name, refusal: nil, now: now)
    let standing = Standing(trial, in: configuration)
    let refusal = standing.report.isCovered || hello.allowPartial ? nil : standing.report
    let agent = try await store.register(
      hello, id: identity.id(), entity: entity, account: account.name, refusal: refusal, now: now)
    roster.put(agent)
    told.withLock { $0[agent.id] = standing.notes }
    if !hello.holding.isEmpty {
      _ = try await store.report(AgentReport(holding: hello.holding), from: agent.id, now: now)
    }
    if let refusal {
      let queues = refusal.refused.sorted().map { "`\($0)`" }.joined(separator: ", ")
      throw ServiceError(
        .refused, "agent `\(hello.name)` polls \(queues) and cannot run its jobs",
        hint: "give the agent what it lacks, let it poll other queues, or start it with --allow-partial",
        report: refusal)
    }
    return AgentWelcome(
      id: agent.id, queues: standing.queues.map { $0.entity == entity ? $0.name : $0.id.text }, report: standing.report)
  }

  private func checkQueues(
    _ hello: AgentHello, entity: String, for account: Account, known: [QueueID: Queue]
  ) throws {
    var problems: [Diagnostic] = []
    for reference in hello.queues {
      let id = QueueID(reference: reference, entity: entity)
      guard !account.isMember(of: id.entity) || (known[id] == nil && !hello.allowPartial) else { continue }
      let names = known.keys.filter { account.isMember(of: $0.entity) }
        .map { $0.entity == entity ? $0.name : $0.text }.sorted()
      problems.append(
        Diagnostic(
          "A0001", "there is no queue `\(reference)`",
          help: closest(to: reference, among: names).map { "did you mean `\($0)`?" }
            ?? (names.isEmpty ? "there is no queue at all" : "queues: \(names.prefix(10).joined(separator: ", "))")))
    }
    if !problems.isEmpty { throw ServiceError.invalid(problems) }
  }

  /// The agent, where the account may act for it: its own, or an admin.
  func ownAgent(_ id: String, of account: Account) async throws -> Agent {
    let agent: Agent?
    if let known = roster[id] { agent = known } else { agent = try await store.agent(id)?.agent }
    guard let agent, account.role == .admin || agent.account == account.name else {
      throw ServiceError.noSuch("agent", id, hint: "register it again")
    }
    return agent
  }

  /// The agent, where the account may look at it.
  private func seenAgent(_ id: String, for account: Account) async throws -> AgentStatus {
    guard let status = try await store.agent(id), account.isMember(of: status.agent.entity),
      account.role != .agent || status.agent.account == account.name
    else { throw ServiceError.noSuch("agent", id) }
    return status
  }

  func agent(_ id: String, for account: Account) async throws -> AgentView {
    view(try await seenAgent(id, for: account))
  }

  func agents(
    entity: String?, after cursor: String?, limit: Int, for account: Account
  ) async throws -> PageView<AgentView> {
    let isAll = account.role == .admin && entity == nil
    let entity = isAll ? nil : try self.entity(entity, for: account)
    let views = try await store.agents(entity: entity)
      .filter { account.role != .agent || $0.agent.account == account.name }.map(view)
    let (items, next) = Service.page(of: views, after: cursor, limit: limit) { "\($0.entity)/\($0.name)" }
    return PageView(items: items, next: next)
  }

  /// Takes an agent's news.
  func report(_ report: AgentReport, from id: String, by account: Account) async throws -> AgentReceipt {
    var agent = try await ownAgent(id, of: account)
    let now = clock.now()
    if report.offer != nil || (report.draining && !agent.draining) {
      // Before it is committed: a lease that is on its way out must see it.
      agent.offer = report.offer ?? agent.offer
      agent.draining = agent.draining || report.draining
      roster.put(agent)
    }
    do {
      let receipt = try await metrics.time("report") { try await store.report(report, from: id, now: now) }
      roster.heard(id, now: now)
      return receipt
    } catch {
      if let status = try await store.agent(id) { roster.put(status.agent) } else { roster.remove(id) }
      throw error
    }
  }

  /// Tells an agent to take no more, and to leave when it is idle.
  func drain(_ id: String, by account: Account) async throws -> AgentView {
    let status = try await seenAgent(id, for: account)
    try await store.setDraining(true, agent: status.agent.id)
    return view(try await seenAgent(id, for: account))
  }

  /// Forgets an agent; what it holds lapses. One that is at work stays: nobody could take the news of its runs any more.
  func remove(agent id: String, by account: Account) async throws {
    let status = try await seenAgent(id, for: account)
    let isHeard = (roster[id] ?? status.agent).isActive(now: clock.now())
    guard status.jobs == 0 || !isHeard else {
      throw ServiceError(
        .conflict, "agent `\(status.agent.name)` works on \(status.jobs) runs",
        hint: "drain it first, or stop it: lunaport agents --drain \(status.agent.name)")
    }
    try await store.removeAgent(status.agent.id)
    roster.remove(id)
    told.withLock { $0[id] = nil }
  }

  func view(_ status: AgentStatus) -> AgentView {
    var agent = status.agent
    // The store is told of heartbeats when they come, and the roster even before.
    agent.heartbeatAt = max(agent.heartbeatAt, roster[agent.id]?.heartbeatAt ?? 0)
    return AgentView(
      agent, jobs: status.jobs, gaps: Standing(agent, in: keeper.current).notes, now: clock.now())
  }
}
