import Model

extension SQLiteStore {
  public func events(of id: String) async throws(StoreError) -> [RunEvent] {
    try await read { (db) throws(StoreError) in
      let seq = try db.require(run: id).seq
      return try db.all(
        """
        SELECT number, ?, attempt, at, from_state, to_state, reason, exit_code, agent, message
        FROM event WHERE run = ? ORDER BY number
        """,
        .text(id), .int(seq)
      ) { (row) throws(StoreError) in try RunEvent(row) }
    }
  }

  public func events(after number: Int64, limit: Int) async throws(StoreError) -> [RunEvent] {
    try await read { (db) throws(StoreError) in
      try db.all(
        """
        SELECT e.number, r.id, e.attempt, e.at, e.from_state, e.to_state, e.reason, e.exit_code, e.agent, e.message
        FROM event e CROSS JOIN run r ON r.seq = e.run WHERE e.number > ? ORDER BY e.number LIMIT ?
        """,
        .int(number), .int(min(max(limit, 0), StoreLimits.pageItemsMax))
      ) { (row) throws(StoreError) in try RunEvent(row) }
    }
  }

  public func usage(of id: String, points: Int) async throws(StoreError) -> [Sample] {
    let points = min(points, StoreLimits.usagePointsMax)
    return try await read { (db) throws(StoreError) in
      let seq = try db.require(run: id).seq
      let span = try db.first("SELECT min(at), max(at), count(*) FROM sample WHERE run = ?", .int(seq)) {
        ($0.real(0), $0.real(1), $0.count(2))
      }
      guard let (first, last, count) = span, count > 0, points > 0 else { return [] }
      // As long as there are no more samples than points, each keeps its own.
      if count <= points {
        return try db.all("SELECT at, cpu, memory, gpu, gpu_memory FROM sample WHERE run = ? ORDER BY at", .int(seq)) {
          Sample($0, run: id)
        }
      }
      let perSecond = Double(points) / max(last - first, 1e-9)
      return try db.all(
        """
        SELECT avg(at), avg(cpu), max(memory), avg(gpu), max(gpu_memory) FROM sample WHERE run = ?
        GROUP BY min(CAST((at - ?) * ? AS INTEGER), ?) ORDER BY 1
        """,
        .int(seq), .real(first), .real(perSecond), .int(points - 1)
      ) { Sample($0, run: id) }
    }
  }
}

extension RunEvent {
  fileprivate init(_ row: Row) throws(StoreError) {
    self.init(
      number: row.int(0), run: row.text(1), attempt: row.count(2), at: row.real(3), from: try row.stateIfAny(4),
      to: try row.state(5), reason: try row.reasonIfAny(6), exitCode: row.intIfAny(7), agent: row.textIfAny(8),
      message: row.textIfAny(9))
  }
}

extension Sample {
  fileprivate init(_ row: Row, run: String) {
    self.init(
      run: run, at: row.real(0), cpu: row.realIfAny(1), memory: row.isNull(2) ? nil : row.int(2),
      gpu: row.realIfAny(3), gpuMemory: row.isNull(4) ? nil : row.int(4))
  }
}
