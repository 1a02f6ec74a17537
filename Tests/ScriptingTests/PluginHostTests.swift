import FoundationEssentials
import Model
import Processes
import Testing

@testable import Scripting

/// The plugins that ship, as the agent runs them.
struct PluginHostTests {
  /// A folder of its own, removed at the end.
  final class Bench: Sendable {
    let root: URL
    let host: PluginHost
    let configuration: Configuration

    init(
      plugins: String = GoldenTests.repository.appending(path: "plugins").path, settings: [String: Value] = [:]
    ) throws {
      root = FileManager.default.temporaryDirectory.appending(path: "plugins-\(UUID().uuidString)")
      host = PluginHost(
        plugins: plugins, data: root.appending(path: "data").path, owner: "tester00", settings: settings,
        processes: try Processes(root: root.appending(path: "held").path),
        environment: ProcessInfo.processInfo.environment, now: { Date().timeIntervalSince1970 }, log: { _ in })
      configuration = ConfigurationLoader(queues: nil, plugins: plugins).load()
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    func driver(_ target: String) async throws -> LuaDriver {
      try #require(await host.drivers(of: configuration).first { $0.target == target })
    }

    func builder(_ name: String) async throws -> LuaBuilder {
      try #require(await host.builders(of: configuration).first { $0.name == name })
    }
  }

  @Test func thePluginsThatShipPassCheck() throws {
    #expect(try Bench().configuration.diagnostics.isEmpty)
  }

  /// An edit of any of them is an edit of the plugin.
  @Test func aConfigurationHoldsTheTextOfAllThatAPluginRuns() throws {
    let sources = Set(GeneratedTests.configuration().sources.keys.filter { $0.hasPrefix("plugins/docker/") })
    #expect(sources.isSuperset(of: ["plugins/docker/plugin.lua", "plugins/docker/driver.lua"]))
    #expect(sources.contains("plugins/docker/engine.lua"))
    #expect(!sources.contains("plugins/docker/spec/conformance.lua"))
  }

  @Test(arguments: ["process", "mock"]) func driversThatShipKeepTheContract(target: String) async throws {
    let bench = try Bench()
    let neighbour = try Bench()
    let path = GoldenTests.repository.appending(path: "plugins/\(target)/spec/conformance.lua").path
    let fixture = try Fixture(reading: SourceFile.read(path, as: "conformance.lua").get())
    try await Self.tryOut(target, fixture, bench, neighbour)
  }

  private static func tryOut(_ target: String, _ fixture: Fixture, _ bench: Bench, _ neighbour: Bench) async throws {
    let driver = try await bench.driver(target)
    let suite = DriverSuite(
      driver, driver.declaration, fixture: fixture, folder: bench.root.path, other: try await neighbour.driver(target),
      mark: "t", reborn: { try await bench.driver(target) }, pause: { try? await Task.sleep(for: .milliseconds(5)) })
    let results = await suite.run()
    for result in results {
      if case .failed(let why) = result.outcome { Issue.record("\(result.name): \(why)") }
    }
    #expect(results.count { $0.outcome == .passed } > 15)
  }

  private static func mock(_ fields: [String: Value], _ driver: LuaDriver) -> Value {
    Node(.object(fields), Origin(.run)).withDefaults(of: driver.declaration.resource, driver: "mock").value
  }

  @Test func secretsReachTheProgramAndNothingElse() async throws {
    let bench = try Bench()
    let driver = try await bench.driver("process")
    let request = PlanRequest(
      run: "r", name: "n", attempt: 1, entity: "e", project: "p", queue: "q", author: "a", job: nil,
      entryPoint: ["/bin/sh", "-c", "test ${#TOKEN} = 7 && printf good"], environment: [:], folder: bench.root.path,
      resource: ["shell": false, "env": ["TOKEN": ["$secret": "hf"]]])
    let spec = try await driver.plan(request)
    #expect(!spec.json().contains("hunter2"))
    let handle = try await driver.start(spec, token: "s", secrets: ["hf": Secret(name: "hf", text: "hunter2")])
    #expect(!handle.json().contains("hunter2"))
    while try await driver.poll([handle])[0].state == .running { try? await Task.sleep(for: .milliseconds(1)) }
    #expect(try await String(decoding: driver.logs(handle, cursor: nil).bytes, as: UTF8.self) == "good")
    await #expect(throws: DriverFailure.self) { try await driver.start(spec, token: "none", secrets: [:]) }
  }

  @Test func faultsOfADriverArriveAsTheirCode() async throws {
    let bench = try Bench()
    let driver = try await bench.driver("mock")
    func start(_ fields: [String: Value], _ token: String) async throws(DriverFailure) -> Value {
      let request = PlanRequest(
        run: "r", name: "n", attempt: 1, entity: "e", project: "p", queue: "q", author: "a", job: nil,
        entryPoint: ["x"],
        environment: [:], resource: Self.mock(fields, driver))
      return try await driver.start(driver.plan(request), token: token, secrets: [:])
    }
    await #expect(throws: DriverFailure(.quota, "start fails, as the resource asks", retry: .after(3))) {
      try await start(["start_fails": "quota", "start_retry": 3], "a")
    }
    let bug = await #expect(throws: DriverFailure.self) { try await start(["start_raises": true], "b") }
    #expect(bug?.code == .bug && bug?.message.contains("driver.lua:") == true)
  }

  @Test("an answer of nothing is a bug where something is wanted", arguments: ["nil", "nil, nil", ""])
  func nothing(_ returned: String) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "mute-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder.appending(path: "mute"), withIntermediateDirectories: true)
    let names = ["probe", "plan", "start", "find", "poll", "stop", "forget", "signal", "logs", "stats", "list"]
    for (file, text) in [
      (
        "plugin.lua",
        """
        return driver {
          name = "mute", version = "1.0.0", api = { 1 }, resource = table {},
          provides = { "source.code", "stop", "signal", "logs.tail", "stats", "list" },
          handle = { version = 1, shape = table {} },
        }
        """
      ),
      (
        "driver.lua",
        "return {\n" + names.map { "\($0) = function() return \(returned) end,\n" }.joined() + "}\n"
      ),
    ] { try Data(text.utf8).write(to: folder.appending(path: "mute/\(file)")) }
    let driver = try await Bench(plugins: folder.path).driver("mute")
    let request = PlanRequest(
      run: "r", name: "n", attempt: 1, entity: "e", project: "p", queue: "q", author: "a", job: nil, entryPoint: ["x"],
      environment: [:], resource: [:])
    func expectBug(_ function: String, _ wanted: String, _ body: () async throws -> Void) async {
      let failure = await #expect(throws: DriverFailure.self) { try await body() }
      #expect(failure?.code == .bug)
      #expect(
        failure?.message == "driver.\(function) of plugin `mute` returned nothing, where it must return \(wanted)")
      #expect(failure?.hint == "where it cannot, write `return nil, fail { code = ..., message = ... }`")
    }
    await expectBug("plan", "a spec") { _ = try await driver.plan(request) }
    await expectBug("start", "a handle") { _ = try await driver.start([:], token: "t", secrets: [:]) }
    await expectBug("poll", "a list with a row for each handle") { _ = try await driver.poll([[:]]) }
    await expectBug("stats", "a list with a row for each handle") { _ = try await driver.stats([[:]]) }
    await expectBug("logs", "{ bytes = ..., cursor = ..., done = ... }") { _ = try await driver.logs([:], cursor: nil) }
    await expectBug("list", "a list of { token = ..., handle = ... }") { _ = try await driver.list() }
    #expect(await driver.probe().detail.contains("returned no { health = "))
    // Nothing is an answer here.
    #expect(try await driver.find(token: "t") == nil)
    try await driver.stop([:], StopOrder(grace: 1))
    try await driver.signal([:], 15)
    try await driver.forget([:])
  }

  /// The plugin was put back to an older version, or changed its handles without saying so.
  @Test func aHandleOfAnotherVersionIsRefused() async throws {
    let driver = try await Bench().driver("mock")
    #expect(driver.refusal(of: ["token": "t-1"], version: 1) == nil)
    #expect(driver.refusal(of: ["token": "t-1"], version: nil) == nil)
    let newer = try #require(driver.refusal(of: ["token": "t-1"], version: 2))
    #expect(newer.code == .unsupported && newer.retry == .never)
    #expect(newer.message.contains("a newer version of plugin `mock`"))
    let other = try #require(driver.refusal(of: ["job": "7"], version: 1))
    #expect(other.code == .unsupported && other.message.contains("whose handle this one does not read"))
  }

  @Test func aPluginMayOnlyDoWhatItDeclares() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "thief-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder.appending(path: "thief"), withIntermediateDirectories: true)
    try Data(
      """
      return builder { name = "thief", version = "1.0.0", api = { 1 }, builds = { "code" }, targets = { "process" },
        needs = { "files", "exec:true" } }
      """.utf8
    ).write(to: folder.appending(path: "thief/plugin.lua"))
    try Data(
      """
      local acts = {
        exec = function() return host.exec { "cat", "/etc/passwd" } end,
        path = function() return host.exec { "/bin/cat", "/etc/passwd" } end,
        out = function() return host.files.read("../../secret") end,
        root = function() return host.files.read("/etc/passwd") end,
        process = function() return host.process.find("x") end,
        fine = function() return host.exec { "true" } end,
      }
      return {
        probe = function() return { health = "healthy" } end,
        key = function(_, build) return "k" end,
        build = function(_, build) assert(acts[build.folder]()) return { prefix = "p" } end,
      }
      """.utf8
    ).write(to: folder.appending(path: "thief/builder.lua"))
    let bench = try Bench(plugins: folder.path)
    let builder = try #require(await bench.host.builders(of: bench.configuration).first)
    func act(_ name: String) async -> String {
      let request = BuildRequest(source: Source(kind: .code, entryPoint: ["x"]), target: "process", folder: name)
      do throws(DriverFailure) {
        _ = try await builder.build(request, key: "k") { _ in }
        return "done"
      } catch {
        return error.message
      }
    }
    #expect(await act("exec").contains("no permission `exec:cat`"))
    #expect(await act("path").contains("no program on the PATH"))
    #expect(await act("out").contains("no path inside"))
    #expect(await act("root").contains("no path inside"))
    #expect(await act("process").contains("no permission `process`"))
    #expect(await act("fine") == "done")
  }

  @Test func aScaffoldPassesCheckAndTheSuite() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "new-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    for kind in PluginScaffold.Kind.allCases {
      for file in PluginScaffold.files(kind, name: "my\(kind.rawValue)") {
        let path = folder.appending(path: "my\(kind.rawValue)/\(file.path)")
        try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(file.text.utf8).write(to: path)
      }
    }
    let bench = try Bench(plugins: folder.path)
    #expect(bench.configuration.diagnostics.isEmpty)
    let neighbour = try Bench(plugins: folder.path)
    try await Self.tryOut("mydriver", Fixture(), bench, neighbour)
    let builder = try #require(await bench.host.builders(of: bench.configuration).first)
    #expect(await builder.probe().health == .healthy)
  }
}
