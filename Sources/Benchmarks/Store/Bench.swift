import Glibc
import Model
import Storage

func format(_ number: Double) -> String {
  let cents = Int((number * 100).rounded())
  return "\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)"
}

/// What something took. The CPU time tells more than the clock where other programs keep the machine busy.
struct Cost {
  var seconds: Double
  var cpu: Double

  static func + (a: Cost, b: Cost) -> Cost { Cost(seconds: a.seconds + b.seconds, cpu: a.cpu + b.cpu) }
}

func report(_ what: String, _ count: Int, _ cost: Cost, _ note: String = "") {
  let name = what + String(repeating: " ", count: max(1, 44 - what.count))
  let value = String(Int(Double(count) / cost.seconds))
  let cpu = Int(cost.cpu / Double(count) * 1e6)
  print(
    "  \(name)\(String(repeating: " ", count: max(0, 9 - value.count)))\(value) runs/s, \(cpu) us of CPU each\(note)")
}

func measure(_ body: () async throws -> Void) async rethrows -> Cost {
  let start = (ContinuousClock.now, cpuSeconds())
  try await body()
  return Cost(seconds: Bench.seconds(ContinuousClock.now - start.0), cpu: cpuSeconds() - start.1)
}

/// Of all threads of this process, the kernel's work for it included.
private func cpuSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// A store with agents, and loads to put on it.
struct Bench {
  let store: SQLiteStore
  let agents = (0..<64).map { "agent\($0)" }
  private let queue = QueueID(entity: "research", name: "cpu")
  private let spec: RunSpec

  init(folder: String) async throws {
    store = try SQLiteStore(folder: folder)
    for agent in agents {
      let hello = AgentHello(name: agent, host: "host", queues: ["cpu"], maxJobs: 8, offer: Offer())
      _ = try await store.register(hello, id: agent, entity: "research", account: "robot", refusal: nil, now: 1_000)
    }
    let digest = String(repeating: "ab", count: 32)
    let source = Source(
      kind: .code, manifest: digest, entryPoint: ["train.py"], python: "3.11", requirements: "requirements.txt")
    let job = try await store.createJobVersion(
      NewJobVersion(
        JobName(entity: "research", project: "vision", name: "train-resnet"), source: source, digest: digest,
        author: "ann"), now: 1_000)
    spec = RunSpec(
      job: job.version, source: source,
      overrides: Overrides(
        args: ["--epochs", "10"], runConfig: ["lr": 0.001, "batch": 64, "model": "resnet50", "layers": [1, 2, 3]]),
      target: "process",
      resource: [
        "env": ["A": "1", "B": "two", "C": "three"], "limits": ["memory": 8_589_934_592, "cpu": 2.5],
        "cwd": "/srv/jobs",
      ],
      needs: [Need(.capability(.codeSource, target: "process"), why: "the job is a folder of code")], timeout: 3_600,
      grace: 10, retriesLost: false, generation: 4)
  }

  func close() async { await store.close() }

  static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }

  private func new() -> NewRun {
    NewRun(
      Run(
        id: "", name: "", entity: "research", project: "vision", queue: queue, spec: spec, author: "ann",
        createdAt: 1_000))
  }

  /// One caller, one run a call: what a person feels.
  func alone(_ count: Int) async throws {
    var total = Cost(seconds: 0, cpu: 0)
    var times: [Double] = []
    for _ in 0..<count {
      let cost = try await measure { _ = try await store.enqueue([new()], identity: .random, now: 1_000) }
      times.append(cost.seconds)
      total = total + cost
    }
    times.sort()
    print("one caller, one run a call, each durable when it is answered:")
    report("enqueue", count, total)
    print("  p50 \(Int(times[count / 2] * 1e6)) us, p99 \(Int(times[count * 99 / 100] * 1e6)) us")
    try await drain(count)
  }

  /// Many callers, one run a call.
  func together(_ count: Int, callers: Int) async throws {
    print("\n\(callers) callers for enqueue, \(agents.count) agents for the rest, one run a call (budget: 20000 each):")
    let before = try await store.metrics()
    let enqueued = try await measure { try await enqueue(count, callers: callers) }
    let after = try await store.metrics()
    let batch = Double(after.operations - before.operations) / Double(max(1, after.commits - before.commits))
    report("enqueue", count, enqueued, ", \(Int(batch)) in a commit")
    let (held, leased) = try await lease(room: 1)
    report("lease", count, leased)
    let started = try await measure {
      try await complete(held, updates: [.building, .starting, .running], ending: nil)
    }
    report("start (building, starting, running)", count, started)
    let ended = try await measure { try await complete(held, updates: [], ending: .exited(0)) }
    report("complete", count, ended)
    report("a whole life, one after the other", count, enqueued + leased + started + ended)
  }

  /// Many runs a call.
  func bulk(_ count: Int, each: Int) async throws {
    print("\none caller, \(each) runs a call:")
    let enqueued = try await measure {
      for _ in 0..<count / each {
        _ = try await store.enqueue((0..<each).map { _ in new() }, identity: .random, now: 1_000)
      }
    }
    report("enqueue", count, enqueued)
    let (held, leased) = try await lease(room: 100)
    report("lease, 100 a call", count, leased)
    try await complete(held, updates: [.building, .starting, .running], ending: .exited(0))
  }

  /// Lets `count` runs live and end.
  func grow(to count: Int) async throws {
    var left = count
    while left > 0 {
      let size = min(left, 10_000)
      _ = try await store.enqueue((0..<size).map { _ in new() }, identity: .random, now: 1_000)
      try await drain(size)
      left -= size
    }
  }

  /// Enqueues, leases and completes `count` runs, one a call; gives back what lease and end took.
  func cycle(_ count: Int) async throws -> Cost {
    try await enqueue(count, callers: 256)
    return try await measure {
      let (held, _) = try await lease(room: 1)
      try await complete(held, updates: [], ending: Ending(.failed, .build))
    }
  }

  private func drain(_ count: Int) async throws {
    var left = count
    while left > 0 {
      let runs = try await store.lease(
        to: agents[0], from: [LeaseQueue(queue, covers: { _ in true })], room: 1_000, now: 1_000)
      let updates = runs.flatMap { run in
        let holding = Holding(run: run.id, attempt: run.attempt, epoch: run.epoch)
        return [
          RunUpdate(holding, state: .building, at: 1_000), RunUpdate(holding, state: .starting, at: 1_000),
          RunUpdate(holding, ending: .exited(0), at: 1_001),
        ]
      }
      _ = try await store.report(AgentReport(holding: [], updates: updates), from: agents[0], now: 1_001)
      left -= runs.count
      if runs.isEmpty { return }
    }
  }

  private func enqueue(_ count: Int, callers: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for caller in 0..<callers {
        group.addTask {
          for _ in stride(from: caller, to: count, by: callers) {
            _ = try await store.enqueue([new()], identity: .random, now: 1_000)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private typealias Held = [(agent: String, holdings: [Holding])]

  /// Every agent leases until there is nothing left.
  private func lease(room: Int) async throws -> (Held, Cost) {
    var held: Held = []
    let cost = try await measure {
      held = try await withThrowingTaskGroup(of: (String, [Holding]).self) { group in
        for agent in agents {
          group.addTask {
            var mine: [Holding] = []
            while true {
              let runs = try await store.lease(
                to: agent, from: [LeaseQueue(queue, covers: { _ in true })], room: room, now: 1_000)
              if runs.isEmpty { return (agent, mine) }
              mine += runs.map { Holding(run: $0.id, attempt: $0.attempt, epoch: $0.epoch) }
            }
          }
        }
        return try await group.reduce(into: []) { $0.append(($1.0, $1.1)) }
      }
    }
    return (held, cost)
  }

  /// Every agent reports each of its runs in a call of its own.
  private func complete(_ held: Held, updates: [RunState], ending: Ending?) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (agent, holdings) in held {
        group.addTask {
          for holding in holdings {
            var news = updates.map { RunUpdate(holding, state: $0, at: 1_000) }
            if let ending { news.append(RunUpdate(holding, ending: ending, at: 1_001)) }
            let receipt = try await store.report(AgentReport(holding: [], updates: news), from: agent, now: 1_001)
            guard receipt.refusals.allSatisfy({ $0 == nil }) else {
              throw StoreError(.refused, "a report of run \(holding.run) was refused")
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
