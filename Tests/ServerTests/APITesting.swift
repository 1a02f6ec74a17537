import Client
import FoundationEssentials
import Glibc
import HTTP
import Hashing
import Model
import Storage
import Synchronization
import Testing

@testable import Scripting
@testable import Server

/// A clock that stands still until it is told to go on.
final class ManualClock: Sendable {
  private struct State {
    var now: Double = 1_800_000_000
    var sleepers: [UInt64: (until: Double, continuation: CheckedContinuation<Void, any Error>)] = [:]
    var last: UInt64 = 0
  }

  private let state = Mutex(State())

  var now: Double { state.withLock { $0.now } }

  /// When the next sleeper wakes; nil where nobody sleeps.
  var next: Double? { state.withLock { $0.sleepers.values.map(\.until).min() } }

  func advance(by seconds: Double) {
    let due = state.withLock { state in
      state.now += seconds
      let due = state.sleepers.filter { $0.value.until <= state.now }
      for key in due.keys { state.sleepers[key] = nil }
      return due.values.map(\.continuation)
    }
    for sleeper in due { sleeper.resume() }
  }

  var serverClock: ServerClock {
    ServerClock(now: { self.now }, sleep: { try await self.sleep(until: $0) })
  }

  private func sleep(until: Double) async throws {
    let number = state.withLock { state in
      state.last += 1
      return state.last
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let isOver = state.withLock { state in
          if Task.isCancelled || until <= state.now { return true }
          state.sleepers[number] = (until, continuation)
          return false
        }
        if isOver { continuation.resume(with: Task.isCancelled ? .failure(CancellationError()) : .success(())) }
      }
    } onCancel: {
      let sleeper = state.withLock { $0.sleepers.removeValue(forKey: number) }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }
}

/// The configuration of a test, which it may change.
final class TestConfiguration: Sendable {
  private let state: Mutex<Configuration>
  var value: Configuration { state.withLock { $0 } }

  init(_ queues: [Queue]) {
    var configuration = Configuration()
    for queue in queues { configuration.queues[queue.id] = queue }
    configuration.sources = ["test": "0"]
    state = Mutex(configuration)
  }

  var source: ConfigurationKeeper.Source {
    { _ in self.value }
  }

  func change(_ change: (inout Configuration) -> Void) {
    state.withLock { value in
      change(&value)
      value.sources["test", default: ""] += "+"
    }
  }
}

/// Counts from many tasks.
final class Counter: Sendable {
  private let count = Mutex(0)
  func add(_ amount: Int = 1) { count.withLock { $0 += amount } }
  var value: Int { count.withLock { $0 } }
}

extension Queue {
  /// A queue of processes that needs what a plain agent of these tests has.
  static func test(
    _ name: String = "q", entity: String = "default", builder: String? = nil, needs: [Need] = [],
    concurrency: Int? = nil,
    priorities: Bool = false, retry: RetryPolicy = .never, variables: [String: Schema] = [:],
    override: Override = .variables, resource: Node = .table([:], Origin(.queue("q"))), queueTimeout: Double? = nil,
    hooks: [String] = []
  ) -> Queue {
    Queue(
      name: name, entity: entity, target: "process", builder: builder, resource: resource,
      needs: [Need(.driver(target: "process"), why: "the queue's target")] + needs, priorities: priorities,
      concurrency: concurrency, retry: retry, queueTimeout: queueTimeout, override: override, variables: variables,
      hooks: hooks, place: Place(file: "queues.d/\(name).lua", line: 1), takes: [.codeSource])
  }
}

extension Offer {
  static func process(_ capabilities: Set<Capability> = [.codeSource, .stop], health: Probe.Health = .healthy) -> Offer
  {
    Offer(drivers: [
      .init(
        target: "process", version: "1.0.0", provides: capabilities, probe: Probe(health, detail: "as the test says"))
    ])
  }
}

extension AgentHello {
  static func test(
    _ name: String = "a", queues: [String] = ["q"], offer: Offer = .process(), allowPartial: Bool = false
  ) -> AgentHello {
    AgentHello(
      name: name, host: "host", queues: queues, maxJobs: 4, offer: offer, allowPartial: allowPartial)
  }
}

/// A service on a store in memory, served over HTTP on loopback.
final class TestAPI: Sendable {
  struct Answer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var bytes: [UInt8]
    var body: Value { (try? Value(json: bytes)) ?? .null }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    /// The code of an error.
    var code: String? { body["error"]?["code"]?.stringValue }
    var message: String { body["error"]?["message"]?.stringValue ?? "" }

    func decode<T: Decodable>(_ type: T.Type) throws -> T { try JSONDecoder().decode(type, from: Data(bytes)) }
  }

  let service: Service
  let configuration: TestConfiguration
  let server: HTTPServer
  let client = HTTPClient()
  let folder: String
  let admin: String
  let lines = Mutex<[String]>([])
  var url: String { "http://\(server.address)" }

  private init(
    _ service: Service, _ configuration: TestConfiguration, _ server: HTTPServer, folder: String, admin: String
  ) {
    self.service = service
    self.configuration = configuration
    self.server = server
    self.folder = folder
    self.admin = admin
  }

  static func with<Result>(
    _ queues: [Queue] = [.test()], clock: ServerClock = .system, source: ConfigurationKeeper.Source? = nil,
    hooks: (any HookCaller)? = nil, _ body: (TestAPI) async throws -> Result
  ) async throws -> Result {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let configuration = TestConfiguration(queues)
    let store = try SQLiteStore()
    let admin = try await AdminKey.ensure(in: folder, store: store, now: clock.now()).key
    let service = Service(
      store: store, blobs: try FolderBlobs(folder: "\(folder)/blobs"),
      logs: try FolderRunLogs(folder: "\(folder)/logs"),
      source: source ?? configuration.source, hooks: hooks, clock: clock, identity: .random, log: { _ in })
    try await service.start()
    let server = try HTTPServer.start(
      listen: HTTPAddress(host: "127.0.0.1", port: 0), service: Gateway(service).httpService())
    let api = TestAPI(service, configuration, server, folder: folder, admin: admin.open { $0 })
    do {
      let result = try await body(api)
      await api.stop()
      return result
    } catch {
      await api.stop()
      throw error
    }
  }

  private func stop() async {
    await service.stopLeasing()
    await server.shutdown(grace: .seconds(5))
    await service.close()
  }

  static func temporaryFolder() throws -> String {
    var template = Array("/tmp/lunaport-server-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: Requests

  /// Sends a request, and holds the answer against what the document promises of it.
  /// - Parameter key: of the caller; the admin where nil, nobody where empty.
  @discardableResult
  func send(
    _ method: HTTPMethod, _ path: String, _ body: Value? = nil, bytes: [UInt8]? = nil, as key: String? = nil,
    headers: HTTPHeaders = [:], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Answer {
    var request = HTTPClient.Request(method, url + path, headers: headers, timeout: .seconds(90))
    let key = key ?? admin
    if !key.isEmpty { request.headers["Authorization"] = "Bearer \(key)" }
    if let body {
      request.body = .bytes(Array(body.json().utf8))
      if request.headers["Content-Type"] == nil { request.headers["Content-Type"] = "application/json" }
    } else if let bytes {
      request.body = .bytes(bytes)
    }
    let response = try await client.send(request)
    let answer = Answer(status: response.status, headers: response.headers, bytes: response.body)
    expectPromised(answer, method, path, sourceLocation)
    return answer
  }

  func post(
    _ path: String, _ body: some Encodable, as key: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Answer {
    try await send(.post, path, Value(encoding: body), as: key, sourceLocation: sourceLocation)
  }

  private func expectPromised(_ answer: Answer, _ method: HTTPMethod, _ path: String, _ location: SourceLocation) {
    let parts = path.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false)
    let route = Routes.all.first { route in
      let pattern = route.path.split(separator: "/", omittingEmptySubsequences: false)
      return route.method == method && pattern.count == parts.count
        && zip(pattern, parts).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
    }
    guard let route else { return }
    if let promised = route.answers.first(where: { $0.status == answer.status }) {
      guard case .json(let schema) = promised.content else { return }
      let problems = schema.problems(in: answer.body).map(\.message)
      #expect(problems.isEmpty, "\(method) \(path) answers what its schema does not say", sourceLocation: location)
    } else {
      #expect(
        OpenAPI.refusals(of: route).contains(answer.status), "\(method) \(path) answers \(answer.status)",
        sourceLocation: location)
      #expect(JSONSchema.named("Error").fits(answer.body), "\(answer.text)", sourceLocation: location)
    }
  }

  // MARK: What tests need often

  /// A key of a new account.
  func key(
    _ account: String, _ role: Account.Role = .member, entities: [String] = ["default"]
  ) async throws -> String {
    let answer = try await post("/api/v1/keys", KeyRequest(account: account, role: role, entities: entities))
    return try #require(answer.body["key"]?.stringValue)
  }

  /// Uploads a folder of one file, and makes a job of it.
  @discardableResult
  func job(
    _ name: String = "train", entity: String = "default", project: String = "p", requirements: String? = nil,
    text: String = "print(1)", as key: String? = nil
  ) async throws -> JobVersion {
    var files = [try await upload("train.py", text, as: key)]
    if let requirements { files.append(try await upload("requirements.txt", requirements, as: key)) }
    let manifest = try await upload("manifest", Value(encoding: Manifest(files: files)).json(), as: key)
    let source = Source(
      kind: .code, manifest: manifest.sha256, entryPoint: ["python3", "train.py"],
      requirements: requirements.map { _ in "requirements.txt" })
    let answer = try await post(
      "/api/v1/jobs", JobRequest(entity: entity, project: project, name: name, source: source), as: key)
    return try answer.decode(JobAnswer.self).job
  }

  func upload(_ path: String, _ text: String, as key: String? = nil) async throws -> Manifest.File {
    let digest = try Hash.of(text).hex
    let answer = try await send(.put, "/api/v1/blobs/\(digest)", bytes: Array(text.utf8), as: key)
    #expect(answer.status == 201)
    return Manifest.File(path: path, sha256: digest, size: Int64(text.utf8.count), executable: false)
  }

  func launch(_ submission: Submission = Submission(job: "p/train", queue: "q"), as key: String? = nil) async throws
    -> RunView
  {
    let answer = try await post("/api/v1/runs", submission, as: key)
    #expect(answer.status == 201, "\(answer.text)")
    return try answer.decode(RunView.self)
  }

  func run(_ id: String) async throws -> RunView {
    try await send(.get, "/api/v1/runs/\(id)").decode(RunView.self)
  }

  func register(_ hello: AgentHello = .test(), as key: String? = nil) async throws -> AgentWelcome {
    let answer = try await post("/api/v1/agents", hello, as: key)
    #expect(answer.status == 200, "\(answer.text)")
    return try answer.decode(AgentWelcome.self)
  }

  func lease(
    _ agent: String, room: Int = 1, wait: Double = 0, seen: Int64 = .max >> 11, as key: String? = nil
  ) async throws -> LeaseAnswer {
    let answer = try await post(
      "/api/v1/agents/\(agent)/lease", LeaseRequest(room: room, wait: wait, seen: seen), as: key)
    #expect(answer.status == 200, "\(answer.text)")
    return try answer.decode(LeaseAnswer.self)
  }

  func report(_ agent: String, _ report: AgentReport, as key: String? = nil) async throws -> AgentReceipt {
    let answer = try await post("/api/v1/agents/\(agent)/report", report, as: key)
    #expect(answer.status == 200, "\(answer.text)")
    return try answer.decode(AgentReceipt.self)
  }

  /// Reports that a run ended so.
  func end(_ lease: Lease, _ agent: String, _ ending: Ending = .exited(0)) async throws {
    let at = service.clock.now()
    let receipt = try await report(
      agent,
      AgentReport(
        holding: [],
        updates: [
          RunUpdate(lease.holding, state: .starting, at: at), RunUpdate(lease.holding, state: .running, at: at),
          RunUpdate(lease.holding, ending: ending, at: at),
        ]))
    #expect(receipt.refusals == [nil, nil, nil])
  }

  /// Waits until a condition holds of a service that acts by itself; fails after a while.
  func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
  ) async throws {
    for _ in 0..<2_000 {
      if try await condition() { return }
      await Task.yield()
      try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record(what, sourceLocation: sourceLocation)
  }
}

extension [UInt8] {
  var base64: String { Data(self).base64EncodedString() }
}
