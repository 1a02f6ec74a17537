import Model

extension SQLiteStore {
  public func register(
    _ hello: AgentHello, id: String, entity: String, account: String, refusal: Coverage.Report?, now: Double
  ) async throws(StoreError) -> Agent {
    try await write { (transaction) throws(StoreError) in
      let db = transaction.db
      let known = try db.first(
        "SELECT id FROM agent WHERE entity = ? AND name = ?", .text(entity), .text(hello.name)
      ) { $0.text(0) }
      let agent = Agent(
        id: known ?? id, hello: hello, entity: entity, account: account, refusal: refusal, now: now)
      try db.execute(
        """
        INSERT INTO agent (id, entity, name, account, refused, drain, leaving, orders, registered_at, heartbeat_at)
        VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7, ?7)
        ON CONFLICT (entity, name) DO UPDATE SET account = ?4, refused = ?5, drain = 0, leaving = 0, orders = ?6,
          registered_at = ?7, heartbeat_at = ?7
        """,
        .text(agent.id), .text(entity), .text(hello.name), .text(account), .flag(refusal != nil),
        .int(try transaction.advance("order")), .real(now))
      try transaction.write(agent)
      transaction.note(.agent(id: agent.id))
      try transaction.release(of: agent.id, but: hello.holding, now: now)
      return agent
    }
  }

  public func agent(_ id: String) async throws(StoreError) -> AgentStatus? {
    try await read { (db) throws(StoreError) in try db.agents(whose: "a.id", is: id).first }
  }

  public func agents(entity: String?) async throws(StoreError) -> [AgentStatus] {
    try await read { (db) throws(StoreError) in try db.agents(whose: "a.entity", is: entity) }
  }

  public func removeAgent(_ id: String) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      try transaction.db.execute("DELETE FROM agent WHERE id = ?", .text(id))
      if transaction.db.changed > 0 { transaction.note(.agent(id: id)) }
      transaction.lastServed[id] = nil
    }
  }

  public func setDraining(_ draining: Bool, agent id: String) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      try transaction.db.execute(
        "UPDATE agent SET drain = ?, orders = ? WHERE id = ?", .flag(draining),
        .int(try transaction.advance("order")), .text(id))
      guard transaction.db.changed == 1 else { throw .unknown(agent: id) }
      transaction.note(.orders(agent: id))
      transaction.note(.agent(id: id))
    }
  }

  public func setRefusal(_ refusal: Coverage.Report?, agent id: String) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      var agent = try transaction.agent(id)
      agent.refusal = refusal
      try transaction.db.execute("UPDATE agent SET refused = ? WHERE id = ?", .flag(refusal != nil), .text(id))
      try transaction.write(agent)
      transaction.note(.agent(id: id))
    }
  }

  public func orders(for agent: String) async throws(StoreError) -> AgentOrders {
    try await read { (db) throws(StoreError) in
      let found = try db.first("SELECT drain, orders FROM agent WHERE id = ?", .text(agent)) {
        ($0.flag(0), $0.int(1))
      }
      guard let (drain, number) = found else { throw .unknown(agent: agent) }
      let stops = try db.all(
        """
        SELECT id, attempt, epoch FROM run INDEXED BY run_agent
        WHERE state BETWEEN 1 AND 4 AND agent = ? AND stop_requested = 1 ORDER BY seq
        """,
        .text(agent)
      ) { Holding(run: $0.text(0), attempt: $0.count(1), epoch: $0.int(2)) }
      return AgentOrders(stops: stops, drain: drain, number: number)
    }
  }
}

extension Transaction {
  func setOffer(_ offer: Offer, agent id: String) throws(StoreError) {
    var agent = try agent(id)
    agent.offer = offer
    try write(agent)
  }

  fileprivate func agent(_ id: String) throws(StoreError) -> Agent {
    guard let status = try db.agents(whose: "a.id", is: id).first else { throw .unknown(agent: id) }
    return status.agent
  }

  /// Writes what of an agent its columns do not say.
  fileprivate func write(_ agent: Agent) throws(StoreError) {
    try db.execute(
      "INSERT INTO agent_body (agent, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
      .text(agent.id), .text(try Codec.text(agent)))
  }
}

extension Connection {
  /// A condition that is always there would have SQLite read every agent to find one.
  fileprivate func agents(whose column: String, is value: String?) throws(StoreError) -> [AgentStatus] {
    try all(
      text: """
        SELECT b.body, a.drain OR a.leaving, a.heartbeat_at,
          (SELECT count(*) FROM run INDEXED BY run_agent WHERE state BETWEEN 1 AND 4 AND run.agent = a.id)
        FROM agent a JOIN agent_body b ON b.agent = a.id \(value == nil ? "" : "WHERE \(column) = ?1")
        ORDER BY a.entity, a.name
        """,
      value.map { [.text($0)] } ?? []
    ) { (row) throws(StoreError) in
      var agent = try Codec.decode(Agent.self, row.text(0).utf8, of: "an agent")
      agent.draining = row.flag(1)
      agent.heartbeatAt = row.real(2)
      return AgentStatus(agent: agent, jobs: row.count(3))
    }
  }
}
