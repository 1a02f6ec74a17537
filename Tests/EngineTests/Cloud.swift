import Client
import FoundationEssentials
import HTTP
import Model
import Processes
import Testing

@testable import EndToEndTesting
@testable import Scripting

/// A cloud's driver on the double, as an agent has it, and the double's own controls.
final class Cloud: Sendable {
  let target: String
  let driver: LuaDriver
  private let root: String
  private let host: PluginHost
  private let configuration: Configuration
  private let fixture: Fixture
  private let url: String
  private let client = HTTPClient()
  private let mark = "t" + String(UInt64.random(in: 0..<2_176_782_336), radix: 36)

  /// - Parameters:
  ///   - settings: laid over the engine's; null takes one away.
  ///   - variables: laid over the engine's; an empty one stands for none.
  init(
    _ engine: Engine, _ place: Engine.Place, _ settings: [String: Value] = [:], _ variables: [String: String] = [:]
  ) async throws {
    target = engine.plugin
    root = "/tmp/lunaport-cloud-\(UInt64.random(in: 0...UInt64.max))"
    url = place.variables["LUNAPORT_CLOUD"] ?? ""
    let metadata: Value = target == "vertex" ? ["metadata_endpoint": .string(url)] : ["instance_endpoint": .string(url)]
    let own = Node(place.settings[target] ?? [:], Origin(.run)).overlaid(with: Node(metadata, Origin(.run)))
      .overlaid(with: Node(.object(settings), Origin(.run))).value
    let environment = BaseEnvironment.current().merging(place.variables) { $1 }.merging(variables) { $1 }
    host = PluginHost(
      plugins: Bench.plugins, data: "\(root)/data", owner: mark, settings: [target: own],
      processes: try Processes(root: "\(root)/held"), environment: environment.filter { !$0.value.isEmpty },
      now: { Date().timeIntervalSince1970 }, log: { _ in })
    var all = ConfigurationLoader(queues: nil, plugins: Bench.plugins).load()
    all.drivers = all.drivers.filter { [target] in $0.key == target }
    configuration = all
    fixture = try engine.fixtureRead()
    driver = try #require(await host.drivers(of: configuration).first)
  }

  deinit { try? Disk.remove(root) }

  /// Newly loaded, as after a restart of the agent.
  func reborn() async throws -> LuaDriver { try #require(await host.drivers(of: configuration).first) }

  func token(_ name: String) -> String { "\(mark)-\(name)" }

  // MARK: Runs

  func plan(_ script: String, over resource: Value = [:]) async throws(DriverFailure) -> Value {
    let whole = Node(fixture.resource, Origin(.run)).overlaid(with: Node(resource, Origin(.run)))
      .withDefaults(of: driver.declaration.resource, driver: target).value
    return try await driver.plan(
      PlanRequest(
        run: mark, name: "calm-sea-1", attempt: 1, entity: "suite", project: "suite", queue: "suite", author: "suite",
        job: nil, entryPoint: fixture.shell, args: [script], environment: [:], image: fixture.image, resource: whole))
  }

  /// A resource with one of the double's words in the job's environment.
  func steered(_ name: String, _ value: String) -> Value {
    guard target == "vertex" else { return ["Environment": [name: .string(value)]] }
    let container: Value = ["env": [["name": .string(name), "value": .string(value)]]]
    return ["workerPoolSpecs": [["machineSpec": ["machineType": "n1-standard-4"], "containerSpec": container]]]
  }

  /// Starts as the agent does: again where that is safe, and after asking where it is not known.
  func started(_ token: String, _ script: String) async throws -> (handle: Value, failures: [DriverFailure]) {
    let spec = try await plan(script)
    var failures: [DriverFailure] = []
    while failures.count < 8 {
      do throws(DriverFailure) {
        return (try await driver.start(spec, token: token, secrets: [:]), failures)
      } catch {
        failures.append(error)
        try #require(error.retry != .never, "\(error)")
        if case .after(let seconds) = error.retry { try await Task.sleep(for: .seconds(seconds)) }
        if error.retry == .unknownEffect, let handle = try await found(token) { return (handle, failures) }
      }
    }
    throw Engine.Failure(text: "it does not start: \(failures)")
  }

  private func found(_ token: String) async throws -> Value? {
    while true {
      do throws(DriverFailure) {
        return try await driver.find(token: token)
      } catch {
        guard case .after(let seconds) = error.retry else { throw error }
        try await Task.sleep(for: .seconds(seconds))
      }
    }
  }

  func ended(_ handle: Value) async throws -> Observation {
    for _ in 0..<600 {
      if let row = try? await driver.poll([handle]).first, row.state.isOver { return row }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw Engine.Failure(text: "it does not end")
  }

  /// The whole output; `between` is called after each look.
  func log(_ handle: Value, _ between: () async throws -> Void = {}) async throws -> String {
    var bytes: [UInt8] = []
    var cursor: Value?
    for _ in 0..<600 {
      _ = try await driver.poll([handle])
      let chunk = try await driver.logs(handle, cursor: cursor)
      bytes += chunk.bytes
      cursor = try Value(json: chunk.cursor.json())
      if chunk.isEnd { return String(decoding: bytes, as: UTF8.self) }
      try await between()
      if chunk.bytes.isEmpty { try await Task.sleep(for: .milliseconds(50)) }
    }
    throw Engine.Failure(text: "the log does not end")
  }

  // MARK: The double

  /// How the request that makes a job is seen by the double.
  var creates: String { target == "vertex" ? "POST .*/customJobs$" : "CreateTrainingJob" }

  func fault(_ body: Value, match: String) async throws {
    var fields = body.objectValue ?? [:]
    fields["match"] = .string(match)
    try await post("fault", .object(fields))
  }

  func post(_ path: String, _ body: Value) async throws { _ = try await call(.post, path, body) }

  /// What it was sent since this was asked last.
  func requests() async throws -> [Value] { try await call(.delete, "requests").arrayValue ?? [] }

  /// How many of them went to one path.
  func requests(to path: String) async throws -> Int {
    try await requests().count { $0["path"]?.stringValue == path }
  }

  /// How often keys were fetched from the instance's metadata, and jobs listed.
  func fetchesAndQuestions() async throws -> (Int, Int) {
    let seen = try await requests()
    return (
      seen.count { $0["path"]?.stringValue?.hasSuffix("/security-credentials/double-role") == true },
      seen.count { $0["target"] == "SageMaker.ListTrainingJobs" }
    )
  }

  /// Jobs of this token that it has.
  func jobs(_ token: String) async throws -> Int {
    let all = try await call(.get, "jobs")[target]?.arrayValue ?? []
    return all.count {
      $0["labels"]?["lunaport_token"]?.stringValue == token || $0["name"]?.stringValue?.hasSuffix(token) == true
    }
  }

  private func call(_ method: HTTPMethod, _ path: String, _ body: Value? = nil) async throws -> Value {
    var request = HTTPClient.Request(method, "\(url)/_double/\(path)", timeout: .seconds(10))
    if let body { request.body = .bytes(Array(body.json().utf8)) }
    let answer = try await client.send(request)
    try #require(answer.status == 200, "\(path): \(answer.status)")
    return try Value(json: String(decoding: answer.body, as: UTF8.self))
  }
}
