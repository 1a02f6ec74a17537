import FoundationEssentials
import HTTP
import Model
import Storage
import Testing

@testable import Scripting
@testable import Server

/// Queues through the API, on the real loader and the plugins that ship.
struct QueueAPITests {
  /// The package's own folder.
  static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

  private func with(
    _ files: [String: String] = [:], _ body: (TestAPI, _ folder: String) async throws -> Void
  ) async throws {
    let folder = try TestAPI.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
    let loader = ConfigurationLoader(queues: folder, plugins: "\(Self.root)/plugins")
    try await TestAPI.with(source: loader.source) { try await body($0, folder) }
  }

  private let settings: Value = [
    "name": "made", "target": "process", "builder": "venv", "priorities": true, "concurrency": 3, "timeout": "12h",
    "retry": ["max": 2, "on": ["lost", "failed"], "delay": "5s"], "override": ["memory"],
    "links": [["label": "board \"x\"", "url": "https://example.org/${run_id}"]],
    "resource": [
      "memory": ["$var": ["name": "memory", "type": "size", "min": "16Mi", "default": "1Gi"]],
      "env": ["A": "quo\"te\n", "end": "1", "TOKEN": ["$secret": "hf"]],
    ],
  ]

  @Test func aQueueIsMadeOutOfTheWordsOfAFileAndComesBackAsThem() async throws {
    try await with { (api, _) async throws -> Void in
      let made = try await api.send(.post, "/api/v1/queues", settings)
      #expect(made.status == 201, "\(made.text)")
      let view = try made.decode(QueueView.self)
      #expect((view.entity, view.name, view.target, view.source) == ("default", "made", "process", "api"))
      #expect(view.variables["memory"]?.defaultValue == "1Gi")
      for key in ["builder", "priorities", "concurrency", "timeout", "override", "links"] {
        #expect(view.settings[key] == settings[key], "\(key)")
      }
      #expect(view.settings["resource"]?["env"] == settings["resource"]?["env"])
      let text = try await api.send(.get, "/api/v1/queues/default/made/export").text
      #expect(
        text.hasPrefix("queue \"made\" {\n  entity = \"default\",\n  target = \"process\",\n  builder = \"venv\",\n"))
      // What is exported is the same queue: a round trip changes nothing but where it is written.
      var original = try #require(api.service.keeper.current.queues[QueueID(entity: "default", name: "made")])
      let loader = ConfigurationLoader(queues: nil, plugins: "\(Self.root)/plugins")
      let again = loader.load(adding: [SourceFile(path: "x.lua", name: "x.lua", text: text)])
      #expect(again.diagnostics == [])
      let copy = try #require(again.queues[QueueID(entity: "default", name: "made")])
      #expect(copy.settings == original.settings)
      #expect(copy.resource.value == original.resource.value)
      #expect(copy.needs.map(\.text) == original.needs.map(\.text))
      original.resource = copy.resource
    }
  }

  @Test func aMadeQueueTakesRunsAndIsThereAfterARestart() async throws {
    try await with { api, folder in
      try await api.send(.post, "/api/v1/queues", settings)
      try await api.job()
      let run = try await api.launch(Submission(job: "p/train", queue: "made", variables: ["memory": "2Gi"]))
      #expect(run.resource["memory"] == "2Gi")
      let keeper = ConfigurationKeeper(
        source: ConfigurationLoader(queues: folder, plugins: "\(Self.root)/plugins").source, store: api.service.store,
        clock: .system, onSwap: { _, _ in })
      try await keeper.start()
      #expect(keeper.current.queues.keys.map(\.name) == ["made"])
      #expect(try await api.send(.post, "/api/v1/queues", settings).code == "exists")
      #expect(try await api.send(.delete, "/api/v1/queues/default/made").status == 204)
      #expect(try await api.send(.get, "/api/v1/queues/default/made").status == 404)
      #expect(try await api.run(run.id).state == .idle)
      #expect(try await api.send(.post, "/api/v1/queues", settings).status == 201)
    }
  }

  @Test func aBadDefinitionGetsTheDiagnosticsOfAFile() async throws {
    try await with { (api, _) async throws -> Void in
      let answer = try await api.send(
        .post, "/api/v1/queues",
        ["name": "bad", "target": "process", "concurrency": "many", "resource": ["memori": "4Gi", "cpu": "lots"]])
      #expect(answer.status == 422)
      let problems = answer.body["error"]?["problems"]?.arrayValue ?? []
      #expect(problems.compactMap { $0["code"]?.stringValue }.sorted() == ["C0021", "C0023", "C0023"])
      #expect(problems.contains { $0["label"]?.stringValue?.contains("did you mean `memory`?") ?? false })
      let target = try await api.send(.post, "/api/v1/queues", ["name": "bad", "target": "proces"])
      #expect(target.body["error"]?["problems"]?[0]?["code"] == "C0013")
      #expect(try await api.send(.get, "/api/v1/queues").body["items"] == [])
      #expect(!api.service.keeper.status.isStale)
    }
  }

  /// Settings become Lua; nothing in them may become more than a value.
  @Test(arguments: [
    "x\" }\nqueue \"evil\" { target = \"process\" --", "]] .. os.exit() .. [[", "\\\" } queue \"evil\" {",
    "\u{7f}\0\r\n",
    "${run_id}", "--[[", "\\u{41}", "é\u{2028}",
  ]) func settingsCannotWriteLua(text: String) async throws {
    try await with { (api, _) async throws -> Void in
      let answer = try await api.send(
        .post, "/api/v1/queues",
        [
          "name": "q", "target": "process", "doc": .string(text),
          "resource": ["env": .object(["A": .string(text), text: "1"])],
        ])
      #expect(api.service.keeper.current.queues.keys.allSatisfy { $0.name == "q" })
      guard answer.status == 201 else { return }
      let env = api.service.keeper.current.queues[QueueID(entity: "default", name: "q")]?.resource.value["env"]
      #expect(env == .object(["A": .string(text), text: "1"]))
    }
  }

  @Test func aQueueOfAFileIsTakenOutOfItsFile() async throws {
    try await with(["f.lua": "queue \"filed\" { target = \"process\", resource = {} }\n"]) {
      (api, _) async throws -> Void in
      let answer = try await api.send(.delete, "/api/v1/queues/default/filed")
      #expect(answer.status == 409)
      #expect(answer.message.contains("f.lua:1"))
      #expect(try await api.send(.delete, "/api/v1/queues/default/none").status == 404)
    }
  }

  @Test func aBadEditKeepsTheLastGoodGenerationAndSaysSo() async throws {
    let good = "queue \"a\" { target = \"process\", resource = {} }\n"
    try await with(["f.lua": good]) { api, folder in
      let path = URL(filePath: "\(folder)/f.lua")
      try Data("queue \"a\" { target = \"process\", resource = { memori = 1 }, tmeout = \"1h\" }\n".utf8).write(
        to: path)
      let stale = try await api.send(.post, "/api/v1/configuration/reload").decode(ConfigurationView.self)
      #expect(stale.stale)
      #expect(stale.staleSince != nil)
      #expect(stale.generation == 1)
      #expect(stale.diagnostics.compactMap { $0["code"]?.stringValue }.sorted() == ["C0020", "C0021"])
      #expect(stale.diagnostics.allSatisfy { $0["line"] == 1 })
      #expect(try await api.send(.get, "/healthz").body["stale"] == true)
      #expect(try await api.send(.get, "/metrics").text.contains("\nlunaport_configuration_stale 1\n"))
      #expect(try await api.send(.get, "/api/v1/queues/default/a").status == 200)
      // While the files have errors nothing can be added: no whole generation with it could go into service.
      let added = try await api.send(.post, "/api/v1/queues", ["name": "b", "target": "process"])
      #expect(added.code == "conflict")

      try Data(good.utf8).write(to: path)
      let mended = try await api.send(.post, "/api/v1/configuration/reload").decode(ConfigurationView.self)
      #expect(!mended.stale)
      #expect(mended.generation == 1, "the same content is the same generation")
      try Data((good + "queue \"b\" { target = \"process\", resource = {} }\n").utf8).write(to: path)
      let next = try await api.send(.post, "/api/v1/configuration/reload").decode(ConfigurationView.self)
      #expect((next.generation, next.stale, next.diagnostics) == (2, false, []))
      #expect(try await api.send(.get, "/api/v1/queues/default/b").status == 200)
    }
  }

  @Test func aServerDoesNotStartOnErrors() async throws {
    await #expect(throws: ConfigurationKeeper.Rejected.self) {
      try await with(["f.lua": "queue \"a\" {}\n"]) { _, _ in }
    }
  }

  @Test func gatesHoldRunsBackAndLetThemGo() async throws {
    try await with(["f.lua": "queue \"a\" { target = \"process\", resource = {} }\n"]) {
      (api, _) async throws -> Void in
      try await api.job()
      let agent = try await api.register(.test(queues: ["a"], offer: .process([.codeSource, .stop])))
      #expect(try await api.send(.post, "/api/v1/queues/default/a/pause").body["gate"] == "paused")
      let run = try await api.launch(Submission(job: "p/train", queue: "a"))
      #expect(try await api.lease(agent.id).leases == [])
      async let waiting = api.lease(agent.id, wait: 40)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      try await api.send(.post, "/api/v1/queues/default/a/resume")
      #expect(try await waiting.leases.map(\.run) == [run.id])
      try await api.send(.post, "/api/v1/queues/default/a/drain")
      let refused = try await api.post("/api/v1/runs", Submission(job: "p/train", queue: "a"))
      #expect((refused.status, refused.code) == (409, "closed"))
    }
  }
}

struct ConfigurationKeeperTests {
  @Test func readingsThatAreAskedForTogetherAreFew() async throws {
    let store = try SQLiteStore()
    let count = Counter()
    let keeper = ConfigurationKeeper(
      source: { _ in
        count.add()
        await Task.yield()
        return TestConfiguration([.test()]).value
      }, store: store, clock: .system, onSwap: { _, _ in })
    try await keeper.start()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<100 { group.addTask { await keeper.reload() } }
    }
    #expect(count.value < 60)
    await store.close()
  }
}
