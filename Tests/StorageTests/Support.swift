import FoundationEssentials
import Model
import Storage
import Testing

/// The stores that the suite runs against. A new kind of store is added here and nowhere else.
struct StoreKind: Sendable, CustomTestStringConvertible {
  let name: String
  let make: @Sendable (_ folder: String) throws -> any Store

  var testDescription: String { name }

  static let all = [
    StoreKind(name: "SQLite in memory") { _ in try SQLiteStore() },
    StoreKind(name: "SQLite in a file") { try SQLiteStore(folder: $0) },
  ]

  /// Runs `body` on a new store; afterwards the store must find nothing wrong with itself.
  func with(_ body: (any Store) async throws -> Void) async throws {
    let folder = TemporaryFolder()
    let store = try make(folder.path)
    try await body(store)
    do {
      let problems = try await store.check()
      #expect(problems.isEmpty)
    } catch  where error.code == .stopped {
      // Some tests end with a closed store.
    }
    await store.close()
  }
}

/// A folder that is gone with the object.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.path + "/lunaport-test-\(UUID().uuidString)"
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

let cpu = QueueID(entity: "research", name: "cpu")
let gpu = QueueID(entity: "research", name: "gpu")

func spec(needs: [Need] = [], args: [String] = []) -> RunSpec {
  RunSpec(
    job: nil, source: Source(kind: .code, manifest: "00ff", entryPoint: ["train.py"]),
    overrides: Overrides(args: args, runConfig: ["lr": 0.1, "layers": [1, 2, 3], "name": "größe \"x\""]),
    target: "process", resource: ["env": ["A": "1"], "cpus": 2], needs: needs, timeout: 60, grace: 10,
    retriesLost: false, generation: 3)
}

func need(_ target: String) -> Need { Need(.driver(target: target), why: "a test says so") }

/// A run to be queued, with what most tests do not care about filled in.
func newRun(
  _ queue: QueueID = cpu, id: String = "", name: String = "", project: String = "vision", author: String = "ann",
  priority: Priority = .medium, needs: [Need] = [], retry: RetryPolicy = .never, key: String? = nil,
  queueTimeout: Double? = nil, at now: Double = 1_000
) -> NewRun {
  NewRun(
    Run(
      id: id, name: name, entity: "research", project: project, queue: queue, spec: spec(needs: needs),
      priority: priority, author: author, retry: retry, createdAt: now),
    submitKey: key, queueTimeout: queueTimeout)
}

func hello(_ name: String, queues: [String] = ["cpu"]) -> AgentHello {
  AgentHello(name: name, host: "\(name).example", queues: queues, maxJobs: 4, offer: Offer())
}

extension RunChange {
  var step: String { "\(from?.rawValue ?? "new")->\(to.rawValue)" }
}

extension Store {
  /// Registers an agent; its id is its name.
  @discardableResult
  func join(_ name: String, now: Double = 1_000) async throws -> String {
    try await register(hello(name), id: name, entity: "research", account: "robot", refusal: nil, now: now).id
  }

  func enqueue(_ runs: NewRun..., now: Double = 1_000) async throws -> [Run] {
    try await enqueue(runs, identity: .random, now: now).map(\.run)
  }

  /// A lease from queues that the agent covers wholly.
  func lease(
    _ agent: String, _ queues: QueueID..., room: Int = 1, concurrency: Int? = nil, priorities: Bool = false,
    now: Double = 1_000
  ) async throws -> [Run] {
    try await lease(
      to: agent,
      from: queues.map { LeaseQueue($0, concurrency: concurrency, priorities: priorities, covers: { _ in true }) },
      room: room, now: now)
  }

  func update(
    _ agent: String, _ run: Run, _ state: RunState? = nil, ending: Ending? = nil, now: Double = 1_000
  ) async throws -> RunRefusal? {
    let update = RunUpdate(run.holding, state: state, ending: ending, at: now)
    return try await report(AgentReport(holding: [], updates: [update]), from: agent, now: now).refusals[0]
  }

  func require(_ id: String) async throws -> Run {
    guard let run = try await run(id) else { throw StoreError(.notFound, "the test's run \(id) is gone") }
    return run
  }
}

extension Run {
  var holding: Holding { Holding(run: id, attempt: attempt, epoch: epoch) }
}

/// Expects `body` to be refused with this code.
func refuses<T>(
  _ code: StoreError.Code, _ location: SourceLocation = #_sourceLocation, _ body: () async throws -> T
) async throws {
  do {
    _ = try await body()
    Issue.record("nothing was refused; expected \(code)", sourceLocation: location)
  } catch let error as StoreError {
    #expect(error.code == code, "\(error)", sourceLocation: location)
  }
}
