import Model
import Processes
import Testing

@testable import EndToEndTesting

/// Agents that do not have what their queues need.
struct CapabilityTests {
  static let mock = "queue \"other\" {\n  target = \"mock\",\n}\n"

  @Test func anAgentWithoutATargetIsRefusedWithTheReport() async throws {
    try await scenario { bench in
      try bench.queue("local")
      try bench.write("queues/other.lua", CapabilityTests.mock)
      try await bench.serve()
      try await bench.job("quick", "true")
      let plugins = try bench.plugins(["process", "venv"])
      let refused = try await bench.agent("poor", ["local", "other"], plugins: plugins)
      let end = try await within(15, "the agent is refused") { try await refused.end() }
      #expect(end == Program.End(code: 78, signal: 0))
      #expect(refused.output.text.isEmpty)
      let report = refused.errors.text
      let wanted = [
        "polls `other`", "needs driver mock", "the queue's target", "queues/other.lua:2:12",
        "no driver of target `mock` is installed", "help:", "--allow-partial",
      ]
      for part in wanted {
        #expect(report.contains(part), "`\(part)` is missing in: \(report)")
      }
      #expect(try await bench.client.agents().items.map(\.state) == [.refused])

      let partial = try await bench.agent("partial", ["local", "other"], plugins: plugins, ["--allow-partial"])
      let run = try await bench.launch("quick").id
      #expect(try await bench.end(of: run).state == .finished)
      let left = try await bench.launch("quick", on: "other").id
      let explained = try await bench.lunaport("explain", left)
      #expect(explained.output.contains("mock") && explained.output.contains("partial"), "\(explained.output)")
      #expect(try await bench.client.run(left).state == .idle)
      #expect(partial.isRunning)
    }
  }

  @Test func anAgentOfAQueueThatIsNotThereIsRefused() async throws {
    try await scenario { bench in
      try bench.queue("local")
      try await bench.serve()
      let agent = try await bench.agent("lost", ["locl"])
      let end = try await within(15, "the agent is refused") { try await agent.end() }
      #expect(end == Program.End(code: 78, signal: 0))
      #expect(agent.errors.text.contains("did you mean `local`?"), "\(agent.errors.text)")
    }
  }

  @Test func aQueueEditedToATargetThatItsAgentLacksGivesItNothing() async throws {
    try await scenario { bench in
      try bench.queue("local")
      try bench.queue("kept")
      _ = try await bench.up("--no-agent")
      try await bench.job("note", "echo x >>\(bench.path("starts"))")
      let agent = try await bench.agent("poor", ["local", "kept"], plugins: try bench.plugins(["process", "venv"]))
      #expect(try await bench.end(of: try await bench.launch("note").id).state == .finished)

      try bench.write("queues/local.lua", CapabilityTests.mock.replacing("other", with: "local"))
      _ = try await bench.configuration("is swapped") { $0.generation == 2 }
      let run = try await bench.launch("note").id
      #expect(try await bench.client.run(run).state == .idle)
      let explained = try await bench.lunaport("explain", run)
      #expect(explained.output.contains("agent poor lacks driver mock"), "\(explained.output)")
      let listed = try await bench.lunaport("agents")
      #expect((listed.output + listed.errors).contains("mock"), "\(listed)")
      // The agent is told, and serves its other queue.
      try await within(10, "the agent tells it") { try await agent.errors.line { $0.contains("queue_note") } }
      #expect(try await bench.end(of: try await bench.launch("note", on: "kept").id).state == .finished)
      #expect(try await bench.client.run(run).innerState == .queued)

      try bench.queue("local")
      _ = try await bench.configuration("is swapped back") { $0.generation == 3 }
      let fresh = try await bench.launch("note").id
      #expect(try await bench.end(of: fresh).state == .finished)
      #expect(agent.isRunning)
      #expect(bench.read("starts") == "x\nx\nx\n")
    }
  }
}

extension Bench {
  /// A folder with some of the plugins.
  func plugins(_ names: [String], in folder: String = "some-plugins") throws -> String {
    for name in names {
      for file in Disk.names(in: "\(Bench.plugins)/\(name)") {
        guard let text = Disk.text("\(Bench.plugins)/\(name)/\(file)") else { continue }
        try write("\(folder)/\(name)/\(file)", text)
      }
    }
    return path(folder)
  }
}
