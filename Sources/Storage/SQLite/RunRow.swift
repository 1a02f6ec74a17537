import Model

/// A run as its row has it: all but its spec, which no change of state needs.
struct RunRow {
  let seq: Int64
  /// Row numbers of the run's queue and need set.
  let queue: Int64
  let needs: Int64
  let queueTimeout: Double?
  /// Its `spec` is empty; `RunRow.whole` gives the run with it.
  var run: Run

  static let blank = RunSpec(
    job: nil, source: Source(kind: .code, entryPoint: []), overrides: Overrides(), target: "", resource: .null,
    needs: [], timeout: nil, grace: 0, retriesLost: false, generation: 0)

  private static let columns = """
    r.seq, r.queue, r.needs, r.queue_timeout, r.id, r.name, r.entity, p.name, q.entity, q.name, r.priority, r.author, \
    r.state, r.retry, r.created_at, r.reason, r.message, r.exit_code, r.signal, r.attempt, r.epoch, r.agent, \
    r.lease_until, r.retries, r.not_before, r.stop_requested, r.queued_at, r.started_at, r.finished_at, r.log_size
    """

  /// SQL that gives rows for `init(_:)`. CROSS JOIN keeps the planner from starting with the small tables.
  static func select(_ rest: String) -> String {
    "SELECT \(columns) FROM run r CROSS JOIN project p ON p.id = r.project CROSS JOIN queue q ON q.id = r.queue \(rest)"
  }

  static let byID = SQL(static: select("WHERE r.id = ?"))
  static let bySeq = SQL(static: select("WHERE r.seq = ?"))

  init(_ row: Row) throws(StoreError) {
    seq = row.int(0)
    queue = row.int(1)
    needs = row.int(2)
    queueTimeout = row.realIfAny(3)
    var retry = RetryPolicy.never
    if let text = row.textIfAny(13) {
      do { retry = try RetryPolicy(json: Array(text.utf8)) } catch {
        throw StoreError(.corrupt, "what is stored of a retry policy cannot be read: \(error)")
      }
    }
    run = Run(
      id: row.text(4), name: row.text(5), entity: row.text(6), project: row.text(7),
      queue: QueueID(entity: row.text(8), name: row.text(9)), spec: RunRow.blank,
      priority: try Priority(number: row.int(10)), author: row.text(11), state: try row.state(12), retry: retry,
      createdAt: row.real(14))
    run.reason = try row.reasonIfAny(15)
    run.message = row.textIfAny(16)
    run.exitCode = row.intIfAny(17)
    run.signal = row.intIfAny(18)
    run.attempt = row.count(19)
    run.epoch = row.int(20)
    run.agent = row.textIfAny(21)
    run.leaseUntil = row.realIfAny(22)
    run.retries = row.count(23)
    run.notBefore = row.real(24)
    run.stopRequested = row.flag(25)
    run.queuedAt = row.real(26)
    run.startedAt = row.realIfAny(27)
    run.finishedAt = row.realIfAny(28)
    run.logSize = row.int(29)
  }
}

/// A run with its spec still in JSON: made on a database thread, read on the caller's.
struct EncodedRun: Sendable {
  fileprivate let run: Run
  fileprivate let spec: [UInt8]

  init(run: Run, spec: [UInt8]) {
    self.run = run
    self.spec = spec
  }

  var bytes: Int { spec.count }

  func decoded() throws(StoreError) -> Run {
    var run = run
    do { run.spec = try RunSpec(json: spec) } catch {
      throw StoreError(.corrupt, "what is stored of run `\(run.id)` cannot be read: \(error)")
    }
    return run
  }
}

extension [EncodedRun] {
  func decoded() throws(StoreError) -> [Run] {
    var runs: [Run] = []
    runs.reserveCapacity(count)
    for run in self { runs.append(try run.decoded()) }
    return runs
  }
}

extension Connection {
  func run(id: String) throws(StoreError) -> RunRow? {
    try first(RunRow.byID, .text(id)) { (row) throws(StoreError) in try RunRow(row) }
  }

  func run(seq: Int64) throws(StoreError) -> RunRow? {
    try first(RunRow.bySeq, .int(seq)) { (row) throws(StoreError) in try RunRow(row) }
  }

  /// The run with its spec, to be decoded on another thread.
  func whole(_ row: RunRow) throws(StoreError) -> EncodedRun {
    guard let spec = try first("SELECT body FROM spec WHERE run = ?", .int(row.seq), read: { $0.blob(0) }) else {
      throw StoreError(.corrupt, "run `\(row.run.id)` has no spec in the database")
    }
    return EncodedRun(run: row.run, spec: spec)
  }

  func whole(_ rows: [RunRow]) throws(StoreError) -> [EncodedRun] {
    var runs: [EncodedRun] = []
    for row in rows { runs.append(try whole(row)) }
    return runs
  }

  /// The run's row, or the error that says that there is none.
  func require(run id: String) throws(StoreError) -> RunRow {
    guard let row = try run(id: id) else { throw .unknown(run: id) }
    return row
  }
}
