import Model

extension SQLiteStore {
  public func lease(
    to agent: String, from queues: [LeaseQueue], room: Int, now: Double
  ) async throws(StoreError) -> [Run] {
    try await write { (transaction) throws(StoreError) in
      try transaction.lease(to: agent, from: queues, room: min(room, Limits.leaseBatchMax), now: now)
    }.decoded()
  }
}

extension Transaction {
  fileprivate func lease(
    to agent: String, from queues: [LeaseQueue], room: Int, now: Double
  ) throws(StoreError) -> [EncodedRun] {
    let isServed = try db.first(
      "SELECT refused = 0 AND drain = 0 AND leaving = 0 FROM agent WHERE id = ?", .text(agent)
    ) { $0.flag(0) }
    guard let isServed else { throw .unknown(agent: agent) }
    guard isServed, room > 0, !queues.isEmpty else { return [] }

    try ready(now: now)
    let chosen = try choose(for: agent, from: queues, room: room)
    if chosen.isEmpty { return [] }
    var epoch = try advance("epoch", by: chosen.count) - Int64(chosen.count)
    var leased: [EncodedRun] = []
    leased.reserveCapacity(chosen.count)
    var bytes = 0
    for seq in chosen where bytes < StoreLimits.leaseBytesMax {
      guard var row = try db.run(seq: seq) else {
        throw StoreError(.corrupt, "an index of the database has a run that is not there (\(seq))")
      }
      let old = row.run
      epoch += 1
      do { try row.run.lease(to: agent, epoch: epoch, now: now) } catch { throw StoreError(error, run: old.id) }
      try save(row, was: old, at: now)
      let run = try db.whole(row)
      bytes += run.bytes
      leased.append(run)
    }
    return leased
  }

  /// Row numbers of the runs to hand out, in turns over the queues.
  private func choose(for agent: String, from queues: [LeaseQueue], room: Int) throws(StoreError) -> [Int64] {
    // The turn goes on where it ended last; else an agent with room for one would empty its first queue first.
    let last = lastServed[agent]
    let start = (queues.firstIndex { $0.id == last } ?? -1) + 1
    var lines: [Line] = []
    for queue in queues[start...] + queues[..<start] {
      if let line = try line(queue, room: room) { lines.append(line) }
    }
    var chosen: [Int64] = []
    var turn = 0
    while chosen.count < room, !lines.isEmpty {
      if turn >= lines.count { turn = 0 }
      if let seq = try lines[turn].next(in: db) {
        chosen.append(seq)
        lastServed[agent] = lines[turn].queue
        turn += 1
      } else {
        lines.remove(at: turn)
      }
    }
    return chosen
  }

  /// The waiting runs of a queue that the agent may have; nil where there are none.
  private func line(_ queue: LeaseQueue, room: Int) throws(StoreError) -> Line? {
    let found = try db.first(
      "SELECT id, gate FROM queue WHERE entity = ? AND name = ?", .text(queue.id.entity), .text(queue.id.name)
    ) { ($0.int(0), $0.text(1)) }
    guard let (id, gate) = found, gate != QueueGate.paused.rawValue else { return nil }
    let sets = try db.all("SELECT needs FROM tally WHERE queue = ? AND state = 0 AND n > 0", .int(id)) { $0.int(0) }
    if sets.isEmpty { return nil }
    var limit = room
    if let concurrency = queue.concurrency {
      let live = try db.first(
        "SELECT coalesce(sum(n), 0) FROM tally WHERE queue = ? AND state BETWEEN 1 AND 4", .int(id)
      ) { $0.count(0) }
      limit = min(limit, concurrency - (live ?? 0))
    }
    guard limit > 0 else { return nil }
    var lanes: [Lane] = []
    for set in sets where queue.covers(try needs(set)) {
      if queue.priorities {
        lanes.append(Lane(queue: id, needs: set, priority: nil))
      } else {
        // In order of arrival whatever the priority: one lane for each, and the earliest of their heads.
        for priority in Priority.allCases {
          lanes.append(Lane(queue: id, needs: set, priority: Int64(priority.rank)))
        }
      }
    }
    return Line(queue: queue.id, lanes: lanes, left: limit)
  }
}

/// A queue's waiting runs in the order in which one agent may have them: its covered need sets, merged.
private struct Line {
  let queue: QueueID
  var lanes: [Lane]
  var left: Int

  mutating func next(in db: Connection) throws(StoreError) -> Int64? {
    guard left > 0 else { return nil }
    var best: (lane: Int, head: Lane.Head)?
    for index in lanes.indices {
      guard let head = try lanes[index].head(in: db, wanted: left) else { continue }
      if let known = best, known.head < head { continue }
      best = (index, head)
    }
    guard let best else { return nil }
    lanes[best.lane].advance()
    left -= 1
    return best.head.seq
  }
}

/// Waiting runs of one need set, read from the index a few at a time.
private struct Lane {
  struct Head: Comparable {
    var priority: Int64
    var ticket: Int64
    var seq: Int64
    static func < (a: Head, b: Head) -> Bool { (a.priority, a.ticket) < (b.priority, b.ticket) }
  }

  /// Rows read at once at most: leases of one or a few runs are the rule.
  private static let chunk = 64

  let queue: Int64
  let needs: Int64
  /// Only runs of this priority; nil for all, the most urgent first.
  let priority: Int64?
  private var heads: ArraySlice<Head> = []
  private var last: Head?
  private var isExhausted = false

  init(queue: Int64, needs: Int64, priority: Int64?) {
    self.queue = queue
    self.needs = needs
    self.priority = priority
  }

  mutating func advance() { heads.removeFirst() }

  mutating func head(in db: Connection, wanted: Int) throws(StoreError) -> Head? {
    if heads.isEmpty, !isExhausted {
      let count = min(wanted, Lane.chunk)
      let found = try read(db, count)
      isExhausted = found.count < count
      heads = found[...]
      last = found.last ?? last
    }
    return heads.first
  }

  private func read(_ db: Connection, _ count: Int) throws(StoreError) -> [Head] {
    if let priority {
      return try db.all(
        """
        SELECT ticket, seq FROM run INDEXED BY run_ready
        WHERE state = 0 AND delayed = 0 AND queue = ? AND needs = ? AND priority = ? AND ticket > ?
        ORDER BY ticket LIMIT ?
        """,
        .int(queue), .int(needs), .int(priority), .int(last?.ticket ?? -1), .int(count)
      ) { Head(priority: 0, ticket: $0.int(0), seq: $0.int(1)) }
    }
    return try db.all(
      """
      SELECT priority, ticket, seq FROM run INDEXED BY run_ready
      WHERE state = 0 AND delayed = 0 AND queue = ? AND needs = ? AND (priority, ticket) > (?, ?)
      ORDER BY priority, ticket LIMIT ?
      """,
      .int(queue), .int(needs), .int(last?.priority ?? -1), .int(last?.ticket ?? -1), .int(count)
    ) { Head(priority: $0.int(0), ticket: $0.int(1), seq: $0.int(2)) }
  }
}
