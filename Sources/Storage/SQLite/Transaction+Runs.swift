import Model

extension Transaction {
  /// Writes what a rule of the model made of a run, and everything that follows: its place among the waiting, the
  /// counts, its events, and the news for subscribers.
  /// - Parameters:
  ///   - old: the run as it was.
  ///   - ending: how its attempt ended in this step, where it did; a retry leaves no trace of that in the run itself.
  ///   - remark: for the event, where the run's own message does not say it.
  func save(_ row: RunRow, was old: Run, at: Double, ending: Ending? = nil, remark: String? = nil) throws(StoreError) {
    let run = row.run
    let requeued = run.state == .queued && old.state != .queued
    let ticket = requeued ? try advance("ticket") : nil
    let deadline = row.queueTimeout.map { max(run.queuedAt, run.notBefore) + $0 }
    try db.execute(
      """
      UPDATE run SET state = ?, reason = ?, message = ?, exit_code = ?, signal = ?, attempt = ?, epoch = ?, agent = ?,
        lease_until = ?, retries = ?, not_before = ?, stop_requested = ?, queued_at = ?, started_at = ?,
        finished_at = ?, ticket = coalesce(?, ticket), delayed = ?, deadline = ?
      WHERE seq = ?
      """,
      .int(run.state.number), .int(run.reason?.number), .text(run.message), .int(run.exitCode), .int(run.signal),
      .int(run.attempt), .int(run.epoch), .text(run.agent), .real(run.leaseUntil), .int(run.retries),
      .real(run.notBefore), .flag(run.stopRequested), .real(run.queuedAt), .real(run.startedAt),
      .real(run.finishedAt), .int(ticket), .flag(run.state == .queued && run.notBefore > 0),
      .real(run.state == .queued ? deadline : nil), .int(row.seq))
    try move(row, from: old)

    if let ending, requeued {
      // Two steps at once: the attempt's end, then the retry.
      try step(
        row, from: old.state, to: ending.state, at: at, agent: old.agent, ending: ending, message: ending.message)
      try step(row, from: ending.state, to: .queued, at: at, agent: nil, ending: nil, message: run.message)
    } else if run.state != old.state || remark != nil {
      let ending = run.state.isSettled ? Ending(run.state, run.reason ?? .exit, exitCode: run.exitCode) : nil
      try step(
        row, from: old.state, to: run.state, at: at, agent: run.agent ?? old.agent, ending: ending,
        message: remark ?? run.message)
    } else if run.message != old.message {
      // No step, but people who look on see why it waits, or that its target cannot be asked.
      note(try change(row, from: run.state, to: run.state, ending: nil, agent: run.agent))
    }
    if run.stopRequested, !old.stopRequested, run.state.isLeased, let agent = run.agent {
      try db.execute(
        "UPDATE agent SET orders = ? WHERE id = ?", .int(try advance("order")), .text(agent))
      note(.orders(agent: agent))
    }
  }

  private func step(
    _ row: RunRow, from: RunState, to: RunState, at: Double, agent: String?, ending: Ending?, message: String?
  ) throws(StoreError) {
    try addEvent(
      run: row.seq, attempt: row.run.attempt, at: at, from: from, to: to, reason: ending?.reason,
      exitCode: ending?.exitCode, agent: agent, message: message)
    guard from != to else { return }
    note(try change(row, from: from, to: to, ending: ending, agent: agent))
  }

  private func change(
    _ row: RunRow, from: RunState, to: RunState, ending: Ending?, agent: String?
  ) throws(StoreError) -> Change {
    let run = row.run
    return .run(
      RunChange(
        id: run.id, entity: run.entity, project: run.project, queue: run.queue, author: run.author, from: from, to: to,
        reason: ending?.reason, attempt: run.attempt, agent: agent,
        needs: to == .queued && from != to ? try needs(row.needs) : []))
  }

  func addEvent(
    run: Int64, attempt: Int, at: Double, from: RunState?, to: RunState, reason: Reason?, exitCode: Int?,
    agent: String?, message: String?
  ) throws(StoreError) {
    try db.execute(
      """
      INSERT INTO event (run, attempt, at, from_state, to_state, reason, exit_code, agent, message)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """,
      .int(run), .int(attempt), .real(at), .int(from?.number), .int(to.number), .int(reason?.number), .int(exitCode),
      .text(agent), .text(message))
  }

  /// Keeps the counts true: one fewer of what the run was, one more of what it is.
  private func move(_ row: RunRow, from old: Run) throws(StoreError) {
    let before = TallyKey(old, row)
    let after = TallyKey(row.run, row)
    guard before != after else { return }
    try count(before, -1)
    try count(after, 1)
  }

  func count(_ key: TallyKey, _ change: Int) throws(StoreError) {
    try db.execute(
      """
      INSERT INTO tally (queue, state, reason, needs, n) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET n = n + excluded.n
      """,
      .int(key.queue), .int(key.state.number), .int(key.reason?.number ?? 0), .int(key.needs), .int(change))
  }

  /// Renews a lease where nothing else about the run changed.
  func renew(_ row: RunRow, until: Double) throws(StoreError) {
    try db.execute("UPDATE run SET lease_until = ? WHERE seq = ?", .real(until), .int(row.seq))
  }

  /// Lets the delayed retries whose time has come be handed out.
  func ready(now: Double) throws(StoreError) {
    let queues = try db.all(
      """
      UPDATE run INDEXED BY run_delayed SET delayed = 0 WHERE state = 0 AND delayed = 1 AND not_before <= ?
      RETURNING queue
      """,
      .real(now)
    ) { $0.int(0) }
    for queue in Set(queues) {
      let id = try db.first("SELECT entity, name FROM queue WHERE id = ?", .int(queue)) {
        QueueID(entity: $0.text(0), name: $0.text(1))
      }
      if let id { note(.ready(id)) }
    }
  }

  /// The row number of a project, made where it is new.
  func project(entity: String, name: String) throws(StoreError) -> Int64 {
    if let known = try db.first(
      "SELECT id FROM project WHERE entity = ? AND name = ?", .text(entity), .text(name), read: { $0.int(0) })
    {
      return known
    }
    try db.execute("INSERT INTO project (entity, name) VALUES (?, ?)", .text(entity), .text(name))
    return db.lastRow
  }

  /// The row number of a queue, made where it is new.
  func queue(_ id: QueueID) throws(StoreError) -> Int64 {
    if let known = try db.queue(id) { return known }
    try db.execute("INSERT INTO queue (entity, name) VALUES (?, ?)", .text(id.entity), .text(id.name))
    return db.lastRow
  }

  /// The row number of a need set, made where it is new. Sets are alike where they ask for the same; the reasons of the
  /// first are kept.
  func needs(_ needs: [Need]) throws(StoreError) -> Int64 {
    let key = Set(needs.map(\.text)).sorted().joined(separator: "\n")
    if let known = needsByKey[key] { return known }
    var id = try db.first("SELECT id FROM needs WHERE key = ?", .text(key)) { $0.int(0) }
    if id == nil {
      try db.execute("INSERT INTO needs (key, body) VALUES (?, ?)", .text(key), .text(try Codec.text(needs)))
      id = db.lastRow
    }
    needsByKey[key] = id
    return id ?? 0
  }

  /// A need set by its row number.
  func needs(_ id: Int64) throws(StoreError) -> [Need] {
    if let known = needsByID[id] { return known }
    let needs = try db.needs(id)
    needsByID[id] = needs
    return needs
  }
}

extension Connection {
  func queue(_ id: QueueID) throws(StoreError) -> Int64? {
    try first("SELECT id FROM queue WHERE entity = ? AND name = ?", .text(id.entity), .text(id.name)) { $0.int(0) }
  }

  func needs(_ id: Int64) throws(StoreError) -> [Need] {
    guard let body = try first("SELECT body FROM needs WHERE id = ?", .int(id), read: { $0.text(0) }) else {
      throw StoreError(.corrupt, "the database has no need set \(id)")
    }
    return try Codec.decode([Need].self, body.utf8, of: "need set \(id)")
  }
}

/// What runs are counted by.
struct TallyKey: Hashable {
  var queue: Int64
  var state: RunState
  /// Of failed runs only: it decides between Failed and Crashed.
  var reason: Reason?
  /// Of waiting runs only: it decides between Idle and Queued. 0 for others.
  var needs: Int64

  init(_ run: Run, _ row: RunRow) { self.init(run, queue: row.queue, needs: row.needs) }

  init(_ run: Run, queue: Int64, needs: Int64) {
    self.queue = queue
    state = run.state
    reason = run.state == .failed ? run.reason : nil
    self.needs = run.state == .queued ? needs : 0
  }
}
