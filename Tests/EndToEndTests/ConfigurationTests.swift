import Model
import Testing

@testable import EndToEndTesting

/// Queue files that are wrong, and servers that run on.
struct ConfigurationTests {
  static let good = """
    queue "local" {
      target = "process",
      concurrency = 2,
    }

    """
  /// Three mistakes: an unknown key, a value out of its range, an unknown key of the resource.
  static let bad = """
    queue "local" {
      target = "process",
      concurency = 2,
      timeout = "0s",
      resource = { memori = "1Gi" },
    }

    """

  @Test func checkTellsAllThreeMistakesInEveryFormat() async throws {
    try await scenario { bench in
      try bench.write("queues/local.lua", ConfigurationTests.bad)
      let words = ["check", bench.path("queues"), "--plugins", Bench.plugins]
      let human = try await bench.lunaport(words)
      #expect(human.code == 1)
      #expect(human.output.contains("unknown key `concurency`") && human.output.contains("did you mean `concurrency`?"))
      #expect(human.output.contains("timeout"))
      #expect(human.output.contains("unknown key `memori`") && human.output.contains("did you mean `memory`?"))
      #expect(human.output.contains("3 errors"), "\(human.output)")

      let json = try await bench.lunaport(words + ["--format", "json"])
      #expect(json.code == 1)
      guard case .array(let problems) = try Value(json: json.output)["diagnostics"] else {
        Issue.record("no diagnostics: \(json.output)")
        return
      }
      #expect(problems.map { $0["line"] } == [3, 4, 5])
      for problem in problems {
        #expect(problem["severity"] == "error")
        #expect(problem["file"]?.stringValue?.hasSuffix("local.lua") == true)
        for key in ["code", "message", "column", "help"] { #expect(problem[key] != nil, "\(key) is missing") }
      }

      let github = try await bench.lunaport(words + ["--format", "github"])
      #expect(github.code == 1)
      #expect(github.lines.count == 3 && github.lines.allSatisfy { $0.hasPrefix("::error file=") }, "\(github.output)")

      try bench.write("queues/local.lua", ConfigurationTests.good)
      #expect(try await bench.lunaport(words).code == 0)
      let nowhere = try await bench.lunaport("check", bench.path("nowhere"), "--plugins", Bench.plugins)
      #expect(nowhere.code == 2)
    }
  }

  @Test func aBadEditKeepsTheLastGoodGenerationAndARepairIsTaken() async throws {
    try await scenario { bench in
      try bench.write("queues/local.lua", ConfigurationTests.good)
      _ = try await bench.up()
      try await bench.job("quick", "true")
      let before = try await bench.client.configuration()
      #expect(!before.stale && before.diagnostics.isEmpty)

      try bench.write("queues/local.lua", ConfigurationTests.bad)
      let stale = try await bench.configuration("is stale") { $0.stale }
      #expect(stale.generation == before.generation)
      #expect(stale.diagnostics.count == 3 && stale.staleSince != nil)
      #expect(try await bench.metric("lunaport_configuration_stale") == 1)
      #expect(try await bench.metric("lunaport_configuration_errors") == 3)
      // The last good generation serves.
      #expect(try await bench.end(of: try await bench.launch("quick").id).state == .finished)

      try bench.write("queues/local.lua", ConfigurationTests.good.replacing("2", with: "5"))
      let repaired = try await bench.configuration("is repaired") { !$0.stale }
      #expect(repaired.generation == before.generation + 1)
      #expect(repaired.diagnostics.isEmpty)
      #expect(try await bench.metric("lunaport_configuration_stale") == 0)
      #expect(try await bench.client.queue(entity: "default", name: "local").settings["concurrency"] == 5)
      #expect(try await bench.end(of: try await bench.launch("quick").id).state == .finished)
    }
  }

  @Test func runsDoNotNoticeThatQueuesComeAndGo() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      let gate = bench.gate("gate")
      try await bench.job("wait", "echo x >>\(bench.path("starts")); echo one; read _ <\(gate); echo two")
      let run = try await bench.launch("wait").id
      try await bench.run(run, is: .running)
      // The agent of `up` begins another life for the new queue.
      try bench.queue("other")
      let second = try await bench.launchWhereTaken("wait", on: "other")
      try await bench.run(second, is: .running)
      bench.open("gate")
      for id in [run, second] {
        let ended = try await bench.end(of: id)
        #expect(ended.state == .finished && ended.attempt == 1)
        #expect(try await bench.log(id) == "one\ntwo\n")
      }
      #expect(bench.read("starts") == "x\nx\n")
    }
  }
}

extension Bench {
  /// Waits until the configuration in service is as `wanted` says.
  func configuration(
    _ what: String, _ wanted: @escaping @Sendable (ConfigurationView) -> Bool
  ) async throws -> ConfigurationView {
    try await within(10, "the configuration \(what)") {
      // A bad edit changes nothing that is in service, and so is no event.
      while true {
        let view = try await self.client.configuration()
        if wanted(view) { return view }
        try await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  /// Launches as soon as the server knows the queue, which was just declared.
  func launchWhereTaken(_ job: String, on queue: String) async throws -> String {
    _ = try await configuration("knows queue \(queue)") { $0.files.contains { $0.hasSuffix("/\(queue).lua") } }
    return try await launch(job, on: queue).id
  }
}
