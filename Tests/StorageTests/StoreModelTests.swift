import Model
import Storage
import Testing

/// Random operations on a store and on a few lines that say what each must do; both must agree after every one.
@Suite struct StoreModelTests {
  @Test(arguments: StoreKind.all, [1, 2, 3, 4, 5, 6] as [UInt64])
  func aStoreDoesWhatItsRulesSay(kind: StoreKind, seed: UInt64) async throws {
    try await kind.with { store in
      var session = Session(store: store, random: Random(seed: seed))
      try await session.prepare()
      for _ in 0..<250 { try await session.step() }
      try await session.compareEverything()
      #expect(session.leases > 20)
    }
  }
}

private struct Session {
  let store: any Store
  var random: Random
  var now = 1_000.0
  var leases = 0

  /// The rules' own copy, in the order of creation.
  private var runs: [String: Run] = [:]
  private var order: [String] = []
  /// Waiting runs in the order in which they came to wait.
  private var line: [String] = []
  private var timeouts: [String: Double] = [:]
  private var keys: [String: String] = [:]
  private var gates: [QueueID: QueueGate] = [:]
  /// Holdings that were ever given out, for stale writes.
  private var holdings: [(agent: String, holding: Holding)] = []

  private let agents = ["a1", "a2", "a3"]
  private let queues = [cpu, gpu]
  private let needSets: [[Need]] = [[], [need("x")], [need("y")], [need("x"), need("y")]]

  init(store: any Store, random: Random) {
    self.store = store
    self.random = random
  }

  func prepare() async throws {
    for agent in agents { try await store.join(agent) }
  }

  mutating func step() async throws {
    now += Double(Int.random(in: 0...4, using: &random))
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<6: try await enqueue()
    case 6..<11: try await lease()
    case 11..<16: try await report()
    case 16: try await lapse()
    case 17: try await stop()
    case 18: try await retry()
    default: try await turnGate()
    }
  }

  private mutating func pick<T>(_ items: [T]) -> T? { items.randomElement(using: &random) }

  private mutating func enqueue() async throws {
    let queue = pick(queues) ?? cpu
    let key = Bool.random(using: &random) ? "key\(Int.random(in: 0..<9, using: &random))" : nil
    let retry = RetryPolicy(
      max: Int.random(in: 0...2, using: &random), on: [.lost, .failed, .build],
      delay: Double(Int.random(in: 0...1, using: &random) * 20))
    let new = newRun(
      queue, priority: pick(Priority.allCases) ?? .low, needs: pick(needSets) ?? [], retry: retry, key: key,
      queueTimeout: Bool.random(using: &random) ? 60 : nil, at: now)
    if let key, let first = keys[key] {
      #expect(try await store.enqueue(new, now: now)[0] == runs[first])
      return
    }
    if gates[queue] == .draining {
      try await refuses(.closed) { try await store.enqueue(new, now: now) }
      return
    }
    let run = try await store.enqueue(new, now: now)[0]
    runs[run.id] = run
    order.append(run.id)
    line.append(run.id)
    timeouts[run.id] = new.queueTimeout
    if let key { keys[key] = run.id }
  }

  private mutating func lease() async throws {
    let agent = pick(agents) ?? "a1"
    let wanted = queues.filter { _ in random.next() % 3 > 0 }.shuffled(using: &random)
    let room = Int.random(in: 1...5, using: &random)
    let limit = Bool.random(using: &random) ? Int.random(in: 0...6, using: &random) : nil
    let priorities = Bool.random(using: &random)
    let covered = Set(["driver x", "driver y"].filter { _ in random.next() % 3 > 0 })
    let covers: @Sendable ([Need]) -> Bool = { needs in needs.allSatisfy { covered.contains($0.text) } }
    let leased = try await store.lease(
      to: agent,
      from: wanted.map { LeaseQueue($0, concurrency: limit, priorities: priorities, covers: covers) }, room: room,
      now: now)
    leases += leased.count

    var available: [QueueID: [String]] = [:]
    for queue in wanted where gates[queue] != .paused {
      var mine = line.filter { id in
        guard let run = runs[id] else { return false }
        return run.queue == queue && run.notBefore <= now && covers(run.spec.needs)
      }
      if priorities {
        mine = Priority.allCases.flatMap { rank in mine.filter { runs[$0]?.priority == rank } }
      }
      let live = runs.values.filter { $0.queue == queue && $0.state.isLeased }.count
      available[queue] = Array(mine.prefix(limit.map { max(0, $0 - live) } ?? mine.count))
    }
    let total = available.values.map(\.count).reduce(0, +)
    #expect(leased.count == min(room, total))
    var given: [QueueID: Int] = [:]
    for run in leased {
      let index = given[run.queue, default: 0]
      #expect(run.id == available[run.queue]?[index])
      given[run.queue] = index + 1
      try apply(run.id) { (mine, now) throws(RunRefusal) in try mine.lease(to: agent, epoch: run.epoch, now: now) }
      #expect(runs[run.id] == run)
      holdings.append((agent, run.holding))
    }
    // Fair: no queue is two ahead of one that had more to give.
    for queue in wanted where given[queue, default: 0] < available[queue, default: []].count {
      #expect(wanted.allSatisfy { given[$0, default: 0] <= given[queue, default: 0] + 1 })
    }
    #expect(leased.map(\.epoch) == leased.map(\.epoch).sorted())
  }

  private mutating func report() async throws {
    guard let (agent, holding) = pick(holdings.suffix(12)), let run = runs[holding.run] else { return }
    let from = random.next() % 8 == 0 ? pick(agents) ?? agent : agent
    var updates: [RunUpdate] = []
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      let at = now - Double(Int.random(in: -2...3, using: &random))
      switch Int.random(in: 0..<8, using: &random) {
      case 0: updates.append(RunUpdate(holding, ending: .exited(Int.random(in: 0...1, using: &random)), at: at))
      case 1: updates.append(RunUpdate(holding, ending: Ending(.lost, .lost, message: "gone"), at: at))
      case 2: updates.append(RunUpdate(holding, at: at))
      default:
        let next: RunState =
          switch run.state {
          case .leased: .building
          case .building: .starting
          default: .running
          }
        updates.append(RunUpdate(holding, state: pick([next, next, .starting, .running]), message: "m", at: at))
      }
    }
    let holds = Bool.random(using: &random)
    let receipt = try await store.report(
      AgentReport(holding: holds ? [holding] : [], updates: updates), from: from, now: now)

    for (update, refusal) in zip(updates, receipt.refusals) {
      let mine = runs[holding.run] ?? run
      let at = min(max(update.at, mine.startedAt ?? mine.queuedAt), now)
      var expected: RunRefusal?
      do throws(RunRefusal) {
        try mine.requireLive(attempt: holding.attempt, epoch: holding.epoch)
        guard mine.agent == from else { throw .stale(attempt: mine.attempt, epoch: mine.epoch) }
        try apply(holding.run) { (run, now) throws(RunRefusal) in
          if let ending = update.ending {
            try run.end(ending, now: at)
          } else if let state = update.state {
            try run.progress(to: state, message: update.message, now: at)
            try run.renew(now: now)
          } else {
            try run.lapse(now: now)
          }
        }
      } catch {
        expected = error
      }
      #expect(refusal == expected)
    }
    if holds {
      let mine = runs[holding.run] ?? run
      let isMine = mine.attempt == holding.attempt && mine.epoch == holding.epoch && mine.agent == from
      let isKept = isMine && (mine.state.isLeased || mine.state == .lost)
      #expect(receipt.gone == (isKept ? [] : [holding]))
      if isKept { try apply(holding.run) { (run, now) throws(RunRefusal) in try run.renew(now: now) } }
    }
    try await compare(holding.run)
  }

  private mutating func lapse() async throws {
    now += Double(Int.random(in: 0...40, using: &random))
    let lapse = try await store.lapse(now: now)
    var changed: Set<String> = []
    // Leases first; what that queues again cannot have waited too long yet.
    let waiting = line
    let lapsed = order.enumerated().compactMap { index, id -> (until: Double, index: Int, id: String)? in
      guard let until = runs[id]?.leaseUntil, until <= now else { return nil }
      return (until, index, id)
    }
    // In the order in which they ran out: whoever waits again first is first in line.
    for (_, _, id) in lapsed.sorted(by: { ($0.until, $0.index) < ($1.until, $1.index) }) {
      try apply(id) { (run, now) throws(RunRefusal) in try run.lapse(now: now) }
      changed.insert(id)
    }
    for id in waiting {
      guard let run = runs[id], let timeout = timeouts[id], max(run.queuedAt, run.notBefore) + timeout <= now else {
        continue
      }
      try apply(id) { (run, now) throws(RunRefusal) in
        try run.end(Ending(.failed, .queueTimeout, message: "it waited longer than its queue allows"), now: now)
      }
      changed.insert(id)
    }
    #expect(Set(lapse.changes.map(\.id)) == changed)
    let next = runs.values.compactMap { run -> Double? in
      if let until = run.leaseUntil { return until }
      guard run.state == .queued else { return nil }
      let retry = run.notBefore > now ? run.notBefore : nil
      let deadline = timeouts[run.id].map { max(run.queuedAt, run.notBefore) + $0 }
      return [retry, deadline].compactMap { $0 }.min()
    }.min()
    #expect(lapse.next == next)
  }

  private mutating func stop() async throws {
    guard let id = pick(order) else { return }
    let after = try await store.requestStop(run: id, by: "ann", now: now)
    try apply(id) { (run, now) throws(RunRefusal) in try run.requestStop(now: now) }
    #expect(after == runs[id])
  }

  private mutating func retry() async throws {
    guard let id = pick(order) else { return }
    do {
      let after = try await store.retry(run: id, by: "ann", now: now)
      try apply(id) { (run, now) throws(RunRefusal) in try run.retryByPerson(now: now) }
      #expect(after == runs[id])
    } catch let error as StoreError {
      #expect(error.code == .refused)
      var copy = try #require(runs[id])
      let refusal = try #require(error.refusal)
      #expect(throws: refusal) { try copy.retryByPerson(now: now) }
    }
  }

  private mutating func turnGate() async throws {
    let queue = pick(queues) ?? cpu
    let gate = pick([QueueGate.open, .open, .paused, .draining]) ?? .open
    try await store.setGate(gate, of: queue)
    gates[queue] = gate == .open ? nil : gate
    #expect(try await store.gates() == gates)
  }

  /// Applies a rule to the own copy; whoever comes to wait goes to the end of the line.
  private mutating func apply(_ id: String, _ rule: (inout Run, Double) throws(RunRefusal) -> Void) throws(RunRefusal) {
    guard var run = runs[id] else { throw .unknown }
    let old = run.state
    try rule(&run, now)
    runs[id] = run
    if old == .queued, run.state != .queued { line.removeAll { $0 == id } }
    if old != .queued, run.state == .queued { line.append(id) }
  }

  private func compare(_ id: String) async throws {
    let stored = try await store.run(id)
    #expect(stored == runs[id])
  }

  func compareEverything() async throws {
    let all = try await store.runs(RunFilter(), after: nil, limit: 1_000).items
    #expect(all == order.reversed().compactMap { runs[$0] })
    for id in line {
      let run = try #require(runs[id])
      let ahead = line.prefix { $0 != id }.filter { runs[$0]?.queue == run.queue && runs[$0]?.notBefore ?? 0 <= now }
      let position = try await store.position(of: id, priorities: false)
      // A delayed retry that is due counts as ready only once `lapse` or a lease has looked at it.
      if runs.values.allSatisfy({ $0.notBefore == 0 }) { #expect(position?.ahead == ahead.count) }
    }
  }
}
