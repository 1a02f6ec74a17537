import Glibc
import Model

extension SQLiteStore {
  public func metrics() async throws(StoreError) -> StoreMetrics {
    let counts = writer.counts
    return try await read { (db) throws(StoreError) in
      let states = try db.all("SELECT state, sum(n) FROM tally GROUP BY state") { (row) throws(StoreError) in
        (try row.state(0), row.count(1))
      }
      let pages = try db.first("PRAGMA page_count") { $0.int(0) } ?? 0
      let size = try db.first("PRAGMA page_size") { $0.int(0) } ?? 0
      return StoreMetrics(
        runs: Dictionary(states, uniquingKeysWith: +), commits: counts.commits, operations: counts.operations,
        largestBatch: counts.largest, commitSeconds: counts.seconds, waiting: counts.waiting, bytes: pages * size)
    }
  }

  public func check() async throws(StoreError) -> [String] {
    do throws(StoreError) {
      return try await read { (db) throws(StoreError) in try db.contradictions() }
    } catch  where error.code == .corrupt {
      // So damaged that the check itself cannot go on.
      return [error.fact]
    }
  }

  public func backUp(to path: String) async throws(StoreError) {
    guard !Files.exists(path) else {
      throw StoreError(.exists, "there is a file `\(path)` already", hint: "choose another name")
    }
    // Written beside its place and then named, so that a file of that name is always a whole backup.
    let partial = "\(path).partial"
    unlink(partial)
    // SQLite would make it readable to all; it has everyone's configs in it. Into an empty file it writes as into none.
    try Files.write([], to: partial)
    do throws(StoreError) {
      try await aside { (db) throws(StoreError) in
        try db.execute("VACUUM INTO ?", .text(partial))
        try Files.sync(partial)
      }
    } catch {
      unlink(partial)
      throw error
    }
    try Files.rename(partial, to: path)
  }
}

extension Connection {
  fileprivate func contradictions() throws(StoreError) -> [String] {
    var problems = try all("PRAGMA integrity_check(100)") { $0.text(0) }.filter { $0 != "ok" }
    problems += try all("PRAGMA foreign_key_check") {
      "row \($0.int(1)) of `\($0.text(0))` refers to a missing row of `\($0.text(2))`"
    }
    problems += try all(
      """
      SELECT q.entity || '/' || q.name, x.state, sum(x.n) FROM (
        SELECT queue, state, reason, needs, n FROM tally WHERE n <> 0
        UNION ALL
        SELECT queue, state, iif(state = 6, coalesce(reason, 0), 0), iif(state = 0, needs, 0), -count(*)
        FROM run GROUP BY 1, 2, 3, 4
      ) x JOIN queue q ON q.id = x.queue GROUP BY x.queue, x.state, x.reason, x.needs HAVING sum(x.n) <> 0
      """
    ) { (row) throws(StoreError) in
      "queue `\(row.text(0))` counts \(row.int(2)) \(try row.state(1).rawValue) runs too many"
    }
    problems += try all("SELECT id FROM run WHERE seq NOT IN (SELECT run FROM spec) LIMIT 100") {
      "run `\($0.text(0))` has no spec"
    }
    problems += try all(
      """
      SELECT 'event', run FROM event WHERE run NOT IN (SELECT seq FROM run)
      UNION SELECT 'sample', run FROM sample WHERE run NOT IN (SELECT seq FROM run) LIMIT 100
      """
    ) { "a row of `\($0.text(0))` belongs to a missing run, number \($0.int(1))" }
    return problems
  }
}
