import Model

extension SQLiteStore {
  public func run(_ id: String) async throws(StoreError) -> Run? {
    try await read { (db) throws(StoreError) in
      guard let row = try db.run(id: id) else { return nil as EncodedRun? }
      return try db.whole(row)
    }?.decoded()
  }

  public func runs(_ filter: RunFilter, after cursor: Cursor?, limit: Int) async throws(StoreError) -> Page<Run> {
    let before = try cursor.map { (cursor) throws(StoreError) in try cursor.number() }
    let limit = min(max(limit, 1), StoreLimits.pageItemsMax)
    let (runs, next) = try await read { (db) throws(StoreError) -> ([EncodedRun], Cursor?) in
      // One more than asked for tells whether there is a next page.
      var seqs = try db.runs(filter, before: before ?? Int64.max, limit: limit + 1)
      let hasMore = seqs.count > limit
      if hasMore { seqs.removeLast() }
      return (try db.whole(seqs: seqs), hasMore ? seqs.last.map { Cursor(number: $0) } : nil)
    }
    return Page(items: try runs.decoded(), next: next)
  }

  public func runs(heldBy agent: String) async throws(StoreError) -> [Run] {
    try await read { (db) throws(StoreError) in
      let seqs = try db.all(
        "SELECT seq FROM run INDEXED BY run_agent WHERE state BETWEEN 1 AND 4 AND agent = ? ORDER BY seq", .text(agent)
      ) { $0.int(0) }
      return try db.whole(seqs: seqs)
    }.decoded()
  }

  public func errors(_ filter: RunFilter, since: Double, limit: Int) async throws(StoreError) -> [Run] {
    let limit = min(max(limit, 1), StoreLimits.pageItemsMax)
    return try await read { (db) throws(StoreError) -> [EncodedRun] in
      guard let conditions = try Conditions(filter, in: db) else { return [] }
      let seqs = try db.all(
        text: """
          SELECT seq FROM run INDEXED BY run_error
          WHERE (state = 6 OR state = 8) AND finished_at >= ?\(conditions.sql)
          ORDER BY finished_at DESC, seq DESC LIMIT ?
          """,
        [.real(since)] + conditions.cells + [.int(limit)]
      ) { $0.int(0) }
      return try db.whole(seqs: seqs)
    }.decoded()
  }

  public func counts(queue: QueueID?) async throws(StoreError) -> [RunCount] {
    try await read { (db) throws(StoreError) in
      let all = try db.all(
        """
        SELECT q.entity, q.name, t.state, t.reason, t.needs, t.n FROM tally t JOIN queue q ON q.id = t.queue
        WHERE t.n > 0 ORDER BY q.entity, q.name, t.state, t.reason, t.needs
        """
      ) { (row) throws(StoreError) in
        let count = RunCount(
          queue: QueueID(entity: row.text(0), name: row.text(1)), state: try row.state(2),
          reason: try row.reasonIfAny(3), needs: [], count: row.count(5))
        return (count, row.int(4))
      }
      var counts: [RunCount] = []
      for (var count, needs) in all where queue == nil || count.queue == queue {
        if needs != 0 { count.needs = try db.needs(needs) }
        counts.append(count)
      }
      return counts
    }
  }

  public func position(of id: String, priorities: Bool) async throws(StoreError) -> QueuePosition? {
    try await read { (db) throws(StoreError) in
      let found = try db.first(
        "SELECT queue, priority, ticket, delayed, not_before, deadline FROM run WHERE id = ? AND state = 0", .text(id)
      ) { ($0.int(0), $0.int(1), $0.int(2), $0.flag(3), $0.real(4), $0.realIfAny(5)) }
      guard let (queue, priority, ticket, delayed, notBefore, deadline) = found else { return nil }
      let ahead =
        priorities
        ? try db.first(
          """
          SELECT count(*) FROM run INDEXED BY run_ready
          WHERE state = 0 AND delayed = 0 AND queue = ? AND (priority, ticket) < (?, ?)
          """,
          .int(queue), .int(priority), .int(ticket)
        ) { $0.count(0) }
        : try db.first(
          """
          SELECT count(*) FROM run INDEXED BY run_ready
          WHERE state = 0 AND delayed = 0 AND queue = ? AND ticket < ?
          """,
          .int(queue), .int(ticket)
        ) { $0.count(0) }
      let waiting = try db.first(
        "SELECT coalesce(sum(n), 0) FROM tally WHERE queue = ? AND state = 0", .int(queue)
      ) { $0.count(0) }
      return QueuePosition(
        ahead: ahead ?? 0, waiting: waiting ?? 0, notBefore: delayed ? notBefore : nil, deadline: deadline)
    }
  }
}

extension Connection {
  fileprivate func whole(seqs: [Int64]) throws(StoreError) -> [EncodedRun] {
    var runs: [EncodedRun] = []
    runs.reserveCapacity(seqs.count)
    for seq in seqs {
      if let row = try run(seq: seq) { runs.append(try whole(row)) }
    }
    return runs
  }

  /// Row numbers of the runs that fit, newest first.
  fileprivate func runs(_ filter: RunFilter, before: Int64, limit: Int) throws(StoreError) -> [Int64] {
    guard let conditions = try Conditions(filter, in: self) else { return [] }
    if filter.states.isEmpty {
      return try runs(conditions, index: conditions.index, states: "", before: before, limit: limit)
    }
    // Each class of states has an index that holds it alone, so that a few live runs are found at once among millions
    // that ended. What the classes give is merged.
    var found: [Int64] = []
    for (index, bounds) in [
      ("run_waiting", 0...0), ("run_lease", 1...4), (conditions.index, 5...5), ("run_unhappy", 6...8),
    ] as [(String?, ClosedRange<Int64>)] {
      let wanted = filter.states.map(\.number).filter { bounds.contains($0) }.sorted()
      if wanted.isEmpty { continue }
      var states =
        bounds.count == 1
        ? " AND state = \(bounds.lowerBound)" : " AND state BETWEEN \(bounds.lowerBound) AND \(bounds.upperBound)"
      if wanted.count < bounds.count { states += " AND state IN (\(wanted.map(String.init).joined(separator: ", ")))" }
      found += try runs(conditions, index: index, states: states, before: before, limit: limit)
    }
    return Array(found.sorted(by: >).prefix(limit))
  }

  private func runs(
    _ conditions: Conditions, index: String?, states: String, before: Int64, limit: Int
  ) throws(StoreError) -> [Int64] {
    try all(
      text: """
        SELECT seq FROM run \(index.map { "INDEXED BY \($0)" } ?? "NOT INDEXED") \
        WHERE seq < ?\(states)\(conditions.sql) ORDER BY seq DESC LIMIT ?
        """,
      [.int(before)] + conditions.cells + [.int(limit)]
    ) { $0.int(0) }
  }
}

/// A filter as SQL, with the index that fits it best.
private struct Conditions {
  /// ` AND ...`, or nothing.
  var sql = ""
  var cells: [Cell] = []
  /// Nil: newest first over everything.
  var index: String?

  /// Nil where nothing can fit, as nothing of that name is there.
  init?(_ filter: RunFilter, in db: Connection) throws(StoreError) {
    if let entity = filter.entity {
      index = "run_entity"
      add("entity = ?", .text(entity))
    }
    if let queue = filter.queue {
      guard let id = try db.queue(queue) else { return nil }
      index = "run_queue"
      add("queue = ?", .int(id))
    }
    if let project = filter.project {
      let ids = try db.all("SELECT id, entity FROM project WHERE name = ?", .text(project)) { ($0.int(0), $0.text(1)) }
      guard add("project", ids.filter { filter.entity == nil || $0.1 == filter.entity }.map(\.0), "run_project") else {
        return nil
      }
    }
    if let author = filter.author {
      index = "run_author"
      add("author = ?", .text(author))
    }
    if let job = filter.job {
      let ids = try db.all("SELECT id FROM job WHERE name = ?", .text(job)) { $0.int(0) }
      guard add("job", ids, "run_job") else { return nil }
    }
  }

  private mutating func add(_ condition: String, _ cell: Cell) {
    sql += " AND \(condition)"
    cells.append(cell)
  }

  /// One of several row numbers; false where there is none. The index is of use only for one.
  private mutating func add(_ column: String, _ ids: [Int64], _ index: String) -> Bool {
    if ids.count == 1 {
      self.index = index
      add("\(column) = ?", .int(ids[0]))
    } else {
      sql += " AND +\(column) IN (\(ids.map { _ in "?" }.joined(separator: ", ")))"
      cells += ids.map { .int($0) }
    }
    return !ids.isEmpty
  }
}

extension Cursor {
  init(number: Int64) { self.init(String(number)) }

  func number() throws(StoreError) -> Int64 {
    guard let number = Int64(text) else { throw StoreError(.invalid, "`\(text)` is no cursor of this list") }
    return number
  }
}
