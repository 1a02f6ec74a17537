import Agent
import FoundationEssentials
import Hashing
import Model
import Processes
import Testing

/// A server in memory that keeps the rules of the real one: the state machine of `Run`, leases with attempt and epoch,
/// logs by offset. Tests script what it does wrong.
actor FakeServer: ServerConnection {
  nonisolated let address = "memory"
  let clock: AgentClock
  private(set) var runs: [String: Run] = [:]
  private var order: [String] = []
  private(set) var logs: [String: [UInt8]] = [:]
  private(set) var hellos: [AgentHello] = []
  private(set) var reports: [AgentReport] = []
  /// Every update that was taken, as it came.
  private(set) var taken: [RunUpdate] = []
  private(set) var refused: [RunRefusal] = []
  private(set) var samples: [Sample] = []
  private(set) var requests: [LeaseRequest] = []
  private(set) var fetches: [String: Int] = [:]
  private var blobs: [String: [UInt8]] = [:]
  private var epoch: Int64 = 0
  private var orders: Int64 = 1
  private var isKnown = false
  private var drains = false
  /// Agents that said that they take no more.
  private var leaving: Set<String> = []

  /// Nothing gets through.
  private(set) var isDown = false
  /// Reports are taken, but their answers are lost, so many times.
  private var lostAnswers = 0
  /// Reports that it cannot read.
  private var isUnreadable: @Sendable (AgentReport) -> Bool = { _ in false }
  private(set) var unread = 0
  /// Requests for work are ended before their time, as where a second agent comes under the same name.
  private var cuts = false
  private var refusal: ConnectionFailure?
  private var watchers: [UInt64: CheckedContinuation<Void, Never>] = [:]
  private var nextWatcher: UInt64 = 0

  init(clock: AgentClock = .system) { self.clock = clock }

  // MARK: What tests do

  /// Puts a source of files into the store, by path; a leading `!` makes one executable. Gives the manifest's digest.
  func source(_ files: [String: String]) throws -> String {
    var entries: [Manifest.File] = []
    for (name, text) in files {
      let bytes = Array(text.utf8)
      let path = name.hasPrefix("!") ? String(name.dropFirst()) : name
      entries.append(
        Manifest.File(
          path: path, sha256: try put(bytes), size: Int64(bytes.count), executable: name.hasPrefix("!")))
    }
    return try source(Manifest(files: entries))
  }

  func source(_ manifest: Manifest) throws -> String {
    try put(Array(try Value(encoding: manifest).json().utf8))
  }

  @discardableResult
  func put(_ bytes: [UInt8]) throws -> String {
    let hex = try Hash.of(bytes).hex
    blobs[hex] = bytes
    return hex
  }

  var blobNames: [String] { Array(blobs.keys) }
  func blob(_ sha256: String) -> [UInt8] { blobs[sha256] ?? [] }

  func corrupt(_ sha256: String, _ bytes: [UInt8]) { blobs[sha256] = bytes }

  /// - Parameter attempts: leases that it has had before.
  func submit(_ id: String, _ spec: RunSpec, retry: RetryPolicy = .never, attempts: Int = 0) {
    runs[id] = Run(
      id: id, name: "run-\(id)", entity: "team", project: "project",
      queue: QueueID(entity: "team", name: "q"), spec: spec, author: "ada", retry: retry, createdAt: clock.now())
    runs[id]?.attempt = attempts
    order.append(id)
    changed()
  }

  func stop(_ id: String) throws {
    try runs[id]?.requestStop(now: clock.now())
    orders += 1
    changed()
  }

  /// The lease of a run ends, as its agent was not heard from.
  func lapse(_ id: String) throws {
    try runs[id]?.lapse(now: clock.now())
    changed()
  }

  func drain() {
    drains = true
    orders += 1
    changed()
  }

  func setDown(_ isDown: Bool) {
    self.isDown = isDown
    changed()
  }

  func loseAnswers(_ count: Int) { lostAnswers = count }
  func cannotRead(_ reports: @escaping @Sendable (AgentReport) -> Bool) { isUnreadable = reports }
  func cutRequests() { cuts = true }
  func refuse(_ failure: ConnectionFailure?) {
    refusal = failure
    changed()
  }
  func forgetAgent() {
    isKnown = false
    changed()
  }
  func cutLog(_ token: String, to size: Int) { logs[token] = Array((logs[token] ?? []).prefix(size)) }
  func log(_ token: String) -> String { String(decoding: logs[token] ?? [], as: UTF8.self) }

  /// Waits until something holds.
  func until(_ condition: @Sendable (isolated FakeServer) -> Bool) async {
    while !condition(self) && !Task.isCancelled { await change() }
  }

  /// Waits for a run to settle.
  func settled(_ id: String) async throws -> Run {
    await until { $0.runs[id].map { $0.state.isSettled } ?? false }
    return try #require(runs[id])
  }

  /// States that a run went through, as reported.
  func states(_ id: String) -> [String] {
    taken.filter { $0.holding.run == id }.map { $0.ending.map { "\($0.state)" } ?? $0.state.map { "\($0)" } ?? "back" }
  }

  private func changed() {
    let all = watchers.values
    watchers = [:]
    for watcher in all { watcher.resume() }
  }

  private func change() async {
    nextWatcher += 1
    let ticket = nextWatcher
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled { return continuation.resume() }
        watchers[ticket] = continuation
      }
    } onCancel: {
      Task { await self.leave(ticket) }
    }
  }

  private func leave(_ ticket: UInt64) { watchers.removeValue(forKey: ticket)?.resume() }

  private func reach() throws(ConnectionFailure) {
    if isDown { throw .unreachable("the server is down") }
  }

  // MARK: What the agent asks

  func register(_ hello: AgentHello) async throws(ConnectionFailure) -> AgentWelcome {
    try reach()
    hellos.append(hello)
    changed()
    if let refusal {
      guard hello.allowPartial, case .uncovered = refusal else { throw refusal }
    }
    isKnown = true
    return AgentWelcome(id: "agent-1", queues: hello.queues, report: Coverage.Report(agent: hello.name, entries: []))
  }

  func lease(_ agent: String, _ request: LeaseRequest) async throws(ConnectionFailure) -> LeaseAnswer {
    requests.append(request)
    changed()
    while true {
      try reach()
      guard isKnown else { throw .unknownAgent }
      if Task.isCancelled { throw .unreachable("cancelled") }
      var leases: [Lease] = []
      for id in order where leases.count < request.room && !drains && !leaving.contains(agent) {
        guard var run = runs[id], run.state == .queued, run.notBefore <= clock.now() else { continue }
        epoch += 1
        do throws(RunRefusal) { try run.lease(to: agent, epoch: epoch, now: clock.now()) } catch { continue }
        runs[id] = run
        leases.append(Lease(run, now: clock.now()))
      }
      let stops = runs.values.filter { $0.stopRequested && $0.state.isLeased }
        .map { Holding(run: $0.id, attempt: $0.attempt, epoch: $0.epoch) }
      if !leases.isEmpty || orders > request.seen {
        if !leases.isEmpty { changed() }
        return LeaseAnswer(leases: leases, stops: stops, drain: drains, seen: orders)
      }
      if cuts { return LeaseAnswer(leases: [], stops: [], drain: false, seen: orders) }
      await change()
    }
  }

  func report(_ agent: String, _ report: AgentReport) async throws(ConnectionFailure) -> AgentReceipt {
    try reach()
    guard isKnown else { throw .unknownAgent }
    if isUnreadable(report) {
      unread += 1
      changed()
      throw .invalid("a number is out of its range", [])
    }
    reports.append(report)
    samples += report.samples
    if report.draining { leaving.insert(agent) } else { leaving.remove(agent) }
    var refusals: [RunRefusal?] = []
    for update in report.updates {
      do throws(RunRefusal) {
        guard var run = runs[update.holding.run] else { throw .unknown }
        try run.requireLive(attempt: update.holding.attempt, epoch: update.holding.epoch)
        if let ending = update.ending {
          try run.end(ending, now: update.at)
        } else if let state = update.state {
          try run.progress(to: state, message: update.message, now: update.at)
        } else {
          try run.lapse(now: clock.now())
        }
        runs[run.id] = run
        taken.append(update)
        refusals.append(nil)
      } catch {
        refused.append(error)
        refusals.append(error)
      }
    }
    let gone = report.holding.filter { holding in
      guard let run = runs[holding.run] else { return true }
      return run.attempt != holding.attempt || run.epoch != holding.epoch
        || !(run.state.isLeased || run.state == .lost)
    }
    changed()
    if lostAnswers > 0 {
      lostAnswers -= 1
      throw .unreachable("the answer was lost")
    }
    return AgentReceipt(refusals: refusals, gone: gone)
  }

  func appendLog(
    _ holding: Holding, at offset: Int64, _ bytes: [UInt8]
  ) async throws(ConnectionFailure) -> Int64 {
    try reach()
    guard let run = runs[holding.run], run.attempt == holding.attempt, run.epoch == holding.epoch else { throw .stale }
    let token = "\(holding.run)-\(holding.attempt)"
    var log = logs[token] ?? []
    guard Int(offset) <= log.count else { throw .gap(Int64(log.count)) }
    log += bytes.dropFirst(max(0, log.count - Int(offset)))
    logs[token] = log
    changed()
    return Int64(log.count)
  }

  func fetch(blob sha256: String, to path: String) async throws(ConnectionFailure) {
    try reach()
    fetches[sha256, default: 0] += 1
    guard let bytes = blobs[sha256] else { throw .invalid("there is no blob \(sha256)", []) }
    do throws(ProcessFailure) { try Disk.write(path, bytes) } catch { throw .unreachable("\(error)") }
  }
}
