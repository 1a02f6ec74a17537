import Model

extension SQLiteStore {
  public func report(
    _ report: AgentReport, from agent: String, now: Double
  ) async throws(StoreError) -> AgentReceipt {
    try await write { (transaction) throws(StoreError) in try transaction.take(report, from: agent, now: now) }
  }

  public func logGrew(_ holding: Holding, size: Int64) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      let row = try transaction.db.require(run: holding.run)
      do throws(RunRefusal) {
        try row.run.requireLive(attempt: holding.attempt, epoch: holding.epoch)
      } catch {
        throw StoreError(error, run: holding.run)
      }
      guard size > row.run.logSize else { return }
      try transaction.db.execute("UPDATE run SET log_size = ? WHERE seq = ?", .int(size), .int(row.seq))
      transaction.note(.log(run: holding.run, attempt: holding.attempt, size: size))
    }
  }
}

extension Transaction {
  fileprivate func take(_ report: AgentReport, from agent: String, now: Double) throws(StoreError) -> AgentReceipt {
    let known = try db.first("SELECT leaving FROM agent WHERE id = ?", .text(agent)) { $0.flag(0) }
    guard let wasLeaving = known else { throw .unknown(agent: agent) }
    try db.execute(
      "UPDATE agent SET heartbeat_at = max(heartbeat_at, ?), leaving = ? WHERE id = ?", .real(now),
      .flag(report.draining), .text(agent))
    if let offer = report.offer { try setOffer(offer, agent: agent) }
    if report.offer != nil || wasLeaving != report.draining { note(.agent(id: agent)) }

    var refusals: [RunRefusal?] = []
    refusals.reserveCapacity(report.updates.count)
    for update in report.updates { refusals.append(try apply(update, from: agent, now: now)) }
    var gone: [Holding] = []
    for holding in report.holding where try !renew(holding, agent: agent, now: now) { gone.append(holding) }
    try keep(report.samples.suffix(StoreLimits.reportSamplesMax), of: agent, now: now)
    return AgentReceipt(refusals: refusals, gone: gone)
  }

  /// Applies one update; gives back why it was refused.
  private func apply(_ update: RunUpdate, from agent: String, now: Double) throws(StoreError) -> RunRefusal? {
    guard var row = try db.run(id: update.holding.run) else { return .unknown }
    let old = row.run
    // When it happened, as the agent says; never in the future nor before the run came to where it is.
    let earliest = old.startedAt ?? old.queuedAt
    let at = update.at.isFinite ? min(max(update.at, earliest), now) : now
    var ending: Ending?
    do throws(RunRefusal) {
      try old.requireHolder(agent, update.holding)
      if let end = update.ending {
        try row.run.end(end, now: at)
        ending = end
      } else if let state = update.state {
        try row.run.progress(to: state, message: update.message, now: at)
        // It was heard from now, whenever the step itself happened.
        try row.run.renew(now: now)
      } else {
        try row.run.lapse(now: now)
        ending = old.state.afterLapse == .lost ? Ending(.lost, .lost) : nil
      }
    } catch {
      return error
    }
    if row.run != old { try save(row, was: old, at: at, ending: ending) }
    return nil
  }

  /// Renews a lease; false where the attempt is no longer the agent's.
  private func renew(_ holding: Holding, agent: String, now: Double) throws(StoreError) -> Bool {
    guard var row = try db.run(id: holding.run) else { return false }
    let old = row.run
    do throws(RunRefusal) {
      try old.requireHolder(agent, holding)
      try row.run.renew(now: now)
    } catch {
      return false
    }
    if row.run.state != old.state {
      try save(row, was: old, at: now, remark: "its agent was heard from again")
    } else if let until = row.run.leaseUntil, until != old.leaseUntil {
      try renew(row, until: until)
    }
    return true
  }

  private func keep(_ samples: ArraySlice<Sample>, of agent: String, now: Double) throws(StoreError) {
    var known: [String: Int64?] = [:]
    for sample in samples where sample.at.isFinite {
      if known[sample.run] == nil {
        let seq = try db.first("SELECT seq FROM run WHERE id = ? AND agent = ?", .text(sample.run), .text(agent)) {
          $0.int(0)
        }
        known[sample.run] = .some(seq)
      }
      guard let seq = known[sample.run] ?? nil else { continue }
      try db.execute(
        "INSERT OR IGNORE INTO sample (run, at, cpu, memory, gpu, gpu_memory) VALUES (?, ?, ?, ?, ?, ?)", .int(seq),
        .real(min(sample.at, now)), .real(sample.cpu), .int(sample.memory), .real(sample.gpu),
        .int(sample.gpuMemory))
    }
  }
}

extension Run {
  /// Refuses what does not come from the holder of the newest attempt. A run that was queued again has no holder,
  /// although its attempt is still the newest.
  fileprivate func requireHolder(_ agent: String, _ holding: Holding) throws(RunRefusal) {
    try requireLive(attempt: holding.attempt, epoch: holding.epoch)
    guard self.agent == agent else { throw .stale(attempt: attempt, epoch: epoch) }
  }
}
