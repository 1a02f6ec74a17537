import Model

extension SQLiteStore {
  public func enqueue(_ runs: [NewRun], identity: RunIdentity, now: Double) async throws(StoreError) -> [Enqueued] {
    guard runs.count <= Limits.bulkRunsMax else {
      throw StoreError(.tooLarge, "\(runs.count) runs at once; at most \(Limits.bulkRunsMax) are taken")
    }
    var fresh: [FreshRun] = []
    fresh.reserveCapacity(runs.count)
    for new in runs { fresh.append(try FreshRun(new)) }
    let batch = fresh
    let outcomes = try await write { (transaction) throws(StoreError) in
      try transaction.enqueue(batch, identity, now)
    }
    var out: [Enqueued] = []
    out.reserveCapacity(outcomes.count)
    for outcome in outcomes {
      switch outcome {
      case .created(let run): out.append(Enqueued(run: run, created: true))
      case .existing(let run): out.append(Enqueued(run: try run.decoded(), created: false))
      }
    }
    return out
  }
}

/// A run on its way in, with everything encoded that its caller's thread could encode.
private struct FreshRun: Sendable {
  var new: NewRun
  var spec: [UInt8]
  var retry: String?

  init(_ new: NewRun) throws(StoreError) {
    guard new.run.state == .queued, new.run.attempt == 0 else {
      throw StoreError(.invalid, "only a run that was never leased can be queued, not one that is \(new.run.state)")
    }
    if !new.run.id.isEmpty, let problem = Name.problem(with: new.run.id) {
      throw StoreError(.invalid, "the run id \(problem)")
    }
    self.new = new
    spec = new.run.spec.json()
    retry = new.run.retry == .never ? nil : String(decoding: new.run.retry.json(), as: UTF8.self)
  }
}

private struct ProjectKey: Hashable {
  var entity: String
  var name: String
}

private enum EnqueueOutcome: Sendable {
  case created(Run)
  case existing(EncodedRun)
}

extension Transaction {
  /// What is the same for many runs of one call, looked up once.
  private struct Batch {
    var queues: [QueueID: Int64] = [:]
    var projects: [ProjectKey: (id: Int64, runs: Int64)] = [:]
    var jobs: [JobName: Int64?] = [:]
    var tally: [TallyKey: Int] = [:]
    var ticket: Int64
  }

  fileprivate func enqueue(
    _ runs: [FreshRun], _ identity: RunIdentity, _ now: Double
  ) throws(StoreError) -> [EnqueueOutcome] {
    var batch = Batch(ticket: try advance("ticket", by: runs.count) - Int64(runs.count))
    var outcomes: [EnqueueOutcome] = []
    outcomes.reserveCapacity(runs.count)
    for fresh in runs {
      if let key = fresh.new.submitKey, let first = try submitted(key, by: fresh.new.run.author) {
        outcomes.append(.existing(try db.whole(first)))
      } else {
        outcomes.append(.created(try insert(fresh, identity, &batch)))
      }
    }
    for (key, count) in batch.tally { try self.count(key, count) }
    for project in batch.projects.values {
      try db.execute("UPDATE project SET runs = ? WHERE id = ?", .int(project.runs), .int(project.id))
    }
    return outcomes
  }

  private func submitted(_ key: String, by author: String) throws(StoreError) -> RunRow? {
    let seq = try db.first("SELECT run FROM submit_key WHERE author = ? AND key = ?", .text(author), .text(key)) {
      $0.int(0)
    }
    guard let seq else { return nil }
    return try db.run(seq: seq)
  }

  private func insert(
    _ fresh: FreshRun, _ identity: RunIdentity, _ batch: inout Batch
  ) throws(StoreError) -> Run {
    var run = fresh.new.run
    let queue = try open(run.queue, &batch)
    let projectKey = ProjectKey(entity: run.entity, name: run.project)
    var project = if let known = batch.projects[projectKey] { known } else { try lookUp(run) }
    project.runs += 1
    batch.projects[projectKey] = project
    if run.name.isEmpty { run.name = identity.name(project.runs) }
    let needs = try needs(run.spec.needs)
    batch.ticket += 1
    let deadline = fresh.new.queueTimeout.map { max(run.queuedAt, run.notBefore) + $0 }
    let job = try job(of: run, &batch)

    let given = !run.id.isEmpty
    var tries = 0
    repeat {
      if !given { run.id = identity.id() }
      tries += 1
      try db.execute(
        """
        INSERT INTO run (id, name, entity, project, queue, job, needs, author, priority, retry, queue_timeout,
          created_at, state, message, attempt, epoch, retries, not_before, stop_requested, queued_at, log_size, ticket,
          delayed, deadline)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, 0, 0, ?, 0, ?, 0, ?, ?, ?) ON CONFLICT (id) DO NOTHING
        """,
        .text(run.id), .text(run.name), .text(run.entity), .int(project.id), .int(queue), .int(job),
        .int(needs), .text(run.author), .int(run.priority.rank), .text(fresh.retry), .real(fresh.new.queueTimeout),
        .real(run.createdAt), .text(run.message), .real(run.notBefore), .real(run.queuedAt), .int(batch.ticket),
        .flag(run.notBefore > 0), .real(deadline))
    } while db.changed == 0 && !given && tries < StoreLimits.identityTriesMax
    guard db.changed == 1 else {
      if given { throw StoreError(.exists, "there is a run `\(run.id)` already") }
      throw StoreError(.defect, "\(tries) run ids in a row were taken: their generator repeats itself")
    }
    let seq = db.lastRow
    try db.execute("INSERT INTO spec (run, body) VALUES (?, ?)", .int(seq), .blob(fresh.spec))
    if let key = fresh.new.submitKey {
      try db.execute(
        "INSERT INTO submit_key (author, key, run) VALUES (?, ?, ?)", .text(run.author), .text(key), .int(seq))
    }
    try addEvent(
      run: seq, attempt: 0, at: run.queuedAt, from: nil, to: .queued, reason: nil, exitCode: nil, agent: nil,
      message: run.message)
    batch.tally[TallyKey(run, queue: queue, needs: needs), default: 0] += 1
    note(
      .run(
        RunChange(
          id: run.id, entity: run.entity, project: run.project, queue: run.queue, author: run.author, from: nil,
          to: .queued, reason: nil, attempt: 0, agent: nil, needs: run.spec.needs)))
    return run
  }

  private func open(_ id: QueueID, _ batch: inout Batch) throws(StoreError) -> Int64 {
    if let known = batch.queues[id] { return known }
    let known = try db.first(
      "SELECT id, gate = 'draining' FROM queue WHERE entity = ? AND name = ?", .text(id.entity), .text(id.name)
    ) { (id: $0.int(0), isDraining: $0.flag(1)) }
    if known?.isDraining == true {
      throw StoreError(
        .closed, "queue `\(id.text)` is draining and takes no new runs", hint: "open it, or choose another queue")
    }
    let queue = if let known { known.id } else { try self.queue(id) }
    batch.queues[id] = queue
    return queue
  }

  private func lookUp(_ run: Run) throws(StoreError) -> (id: Int64, runs: Int64) {
    let known = try db.first(
      "SELECT id, runs FROM project WHERE entity = ? AND name = ?", .text(run.entity), .text(run.project)
    ) { ($0.int(0), $0.int(1)) }
    if let known { return known }
    return (try project(entity: run.entity, name: run.project), 0)
  }

  private func job(of run: Run, _ batch: inout Batch) throws(StoreError) -> Int64? {
    guard let job = run.spec.job else { return nil }
    let name = JobName(entity: job.entity, project: job.project, name: job.name)
    if let known = batch.jobs[name] { return known }
    let id = try db.job(name)
    batch.jobs[name] = id
    return id
  }
}
