import Model

extension SQLiteStore {
  public func lapse(now: Double) async throws(StoreError) -> Lapse {
    try await write { (transaction) throws(StoreError) in try transaction.lapse(now: now) }
  }

  public func extendLeases(to time: Double) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      try transaction.db.execute(
        "UPDATE run SET lease_until = ?1 WHERE state BETWEEN 1 AND 4 AND lease_until < ?1", .real(time))
    }
  }

  public func requestStop(run id: String, by person: String, now: Double) async throws(StoreError) -> Run {
    try await write { (transaction) throws(StoreError) in
      try transaction.change(id, now: now, remark: "stop asked for by \(person)") { (run) throws(RunRefusal) in
        try run.requestStop(now: now)
      }
    }.decoded()
  }

  public func retry(run id: String, by person: String, now: Double) async throws(StoreError) -> Run {
    try await write { (transaction) throws(StoreError) in
      try transaction.change(id, now: now, remark: "queued again by \(person)") { (run) throws(RunRefusal) in
        try run.retryByPerson(now: now)
      }
    }.decoded()
  }
}

extension Transaction {
  /// Applies a person's wish to a run.
  fileprivate func change(
    _ id: String, now: Double, remark: String, _ rule: (inout Run) throws(RunRefusal) -> Void
  ) throws(StoreError) -> EncodedRun {
    var row = try db.require(run: id)
    let old = row.run
    do { try rule(&row.run) } catch { throw StoreError(error, run: id) }
    if row.run != old { try save(row, was: old, at: now, remark: remark) }
    return try db.whole(row)
  }

  /// Ends the leases of an agent that it does not hold any more and under which nothing was started.
  func release(of agent: String, but held: [Holding], now: Double) throws(StoreError) {
    let held = Set(held)
    let leases = try db.all(
      """
      SELECT seq, id, attempt, epoch FROM run INDEXED BY run_agent
      WHERE state BETWEEN 1 AND 4 AND agent = ? AND state <= 2
      """,
      .text(agent)
    ) { ($0.int(0), Holding(run: $0.text(1), attempt: $0.count(2), epoch: $0.int(3))) }
    for (seq, holding) in leases where !held.contains(holding) {
      try lapse(seq, now: now) { (run) throws(RunRefusal) in
        try run.lapse(now: now)
        return nil
      }
    }
  }

  fileprivate func lapse(now: Double) throws(StoreError) -> Lapse {
    try ready(now: now)
    let leases = try db.all(
      """
      SELECT seq FROM run INDEXED BY run_lease WHERE state BETWEEN 1 AND 4 AND lease_until <= ?
      ORDER BY lease_until, seq LIMIT ?
      """,
      .real(now), .int(StoreLimits.lapseBatchMax)
    ) { $0.int(0) }
    let waits = try db.all(
      """
      SELECT seq FROM run INDEXED BY run_deadline WHERE state = 0 AND deadline IS NOT NULL AND deadline <= ?
      ORDER BY deadline, seq LIMIT ?
      """,
      .real(now), .int(StoreLimits.lapseBatchMax - leases.count)
    ) { $0.int(0) }
    let mark = noted
    for seq in leases {
      try lapse(seq, now: now) { (run) throws(RunRefusal) in
        let ending = run.state.afterLapse == .lost ? Ending(.lost, .lost) : nil
        try run.lapse(now: now)
        return ending
      }
    }
    for seq in waits {
      try lapse(seq, now: now) { (run) throws(RunRefusal) in
        let ending = Ending(.failed, .queueTimeout, message: "it waited longer than its queue allows")
        try run.end(ending, now: now)
        return ending
      }
    }
    let changes = notes(since: mark).compactMap { change in
      if case .run(let change) = change { change } else { nil }
    }
    return Lapse(changes: changes, next: try nextLapse())
  }

  private func lapse(
    _ seq: Int64, now: Double, _ rule: (inout Run) throws(RunRefusal) -> Ending?
  ) throws(StoreError) {
    guard var row = try db.run(seq: seq) else { return }
    let old = row.run
    let ending: Ending?
    do { ending = try rule(&row.run) } catch { throw StoreError(error, run: old.id) }
    try save(row, was: old, at: now, ending: ending)
  }

  /// When `lapse` or a waiting lease request has something to do next.
  private func nextLapse() throws(StoreError) -> Double? {
    let lease = try db.first(
      """
      SELECT lease_until FROM run INDEXED BY run_lease WHERE state BETWEEN 1 AND 4 ORDER BY lease_until LIMIT 1
      """
    ) { $0.real(0) }
    let wait = try db.first(
      """
      SELECT deadline FROM run INDEXED BY run_deadline WHERE state = 0 AND deadline IS NOT NULL
      ORDER BY deadline LIMIT 1
      """
    ) { $0.real(0) }
    let retry = try db.first(
      "SELECT not_before FROM run INDEXED BY run_delayed WHERE state = 0 AND delayed = 1 ORDER BY not_before LIMIT 1"
    ) { $0.real(0) }
    return [lease, wait, retry].compactMap { $0 }.min()
  }
}
