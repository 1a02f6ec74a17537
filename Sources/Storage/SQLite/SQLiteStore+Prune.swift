import Model

extension SQLiteStore {
  public func prune(endedBefore time: Double) async throws(StoreError) -> Pruned {
    try await write { (transaction) throws(StoreError) in try transaction.prune(endedBefore: time) }
  }

  public func known(runs ids: [String]) async throws(StoreError) -> Set<String> {
    try await read { (db) throws(StoreError) in
      var known: Set<String> = []
      for id in ids where try db.first("SELECT 1 FROM run WHERE id = ?", .text(id), read: { _ in true }) ?? false {
        known.insert(id)
      }
      return known
    }
  }

  public func manifests() async throws(StoreError) -> Set<String> {
    try await read { (db) throws(StoreError) in
      Set(
        try db.all(
          "SELECT DISTINCT source ->> '$.manifest' FROM job_version WHERE source ->> '$.manifest' IS NOT NULL"
        ) { $0.text(0) })
    }
  }
}

extension Transaction {
  fileprivate func prune(endedBefore time: Double) throws(StoreError) -> Pruned {
    var room = StoreLimits.pruneRowsMax
    var runs = 0
    var queues: Set<QueueID> = []
    // People look at how many runs a queue has.
    defer { for queue in queues { note(.queue(queue)) } }
    while room > 0 {
      let oldest = try db.first(
        """
        SELECT seq FROM run INDEXED BY run_ended WHERE state BETWEEN 5 AND 8 AND finished_at < ?
        ORDER BY finished_at LIMIT 1
        """,
        .real(time)
      ) { $0.int(0) }
      guard let oldest, let row = try db.run(seq: oldest) else { return Pruned(runs: runs, isDone: true) }
      // A run of weeks has more samples than one transaction should delete: it goes when they are gone.
      try db.execute(
        "DELETE FROM sample WHERE run = ?1 AND at IN (SELECT at FROM sample WHERE run = ?1 ORDER BY at LIMIT ?2)",
        .int(oldest), .int(room))
      room -= db.changed
      if room <= 0 { break }
      for table in Self.tables {
        try db.execute(table, .int(oldest))
        room -= db.changed
      }
      try count(TallyKey(row.run, row), -1)
      try db.execute("DELETE FROM run WHERE seq = ?", .int(oldest))
      room -= Self.rowsOfARun
      runs += 1
      queues.insert(row.run.queue)
    }
    return Pruned(runs: runs, isDone: false)
  }

  /// What else a run has, in an order that leaves no row without its run.
  private static let tables: [SQL] = [
    "DELETE FROM event WHERE run = ?", "DELETE FROM submit_key WHERE run = ?", "DELETE FROM spec WHERE run = ?",
  ]

  /// A run's own row stands in so many indexes.
  private static let rowsOfARun = 12
}
