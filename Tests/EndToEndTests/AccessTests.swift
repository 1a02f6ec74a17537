import Glibc
import Model
import Testing

@testable import EndToEndTesting

/// Keys that are taken back, and agents that are sent away, while they work.
struct AccessTests {
  @Test func anAgentWhoseKeyIsRevokedSaysSoAndLosesNothing() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      let gate = bench.gate("gate")
      try await bench.job("wait", "echo x >>\(bench.path("starts")); echo one; read _ <\(gate); echo two")
      let agent = try await bench.agent("one", ["local"])
      let run = try await bench.launch("wait").id
      try await bench.run(run, is: .running)
      let keys = try await bench.client.keys().items
      let revoked = try await bench.lunaport("key", "revoke", try #require(keys.first { $0.role == .agent }).id)
      #expect(revoked.code == 0, "\(revoked)")
      bench.open("gate")
      try await within(10, "the agent says so") { try await agent.errors.line { $0.contains("event=denied") } }
      #expect(agent.isRunning)
      #expect(try await bench.client.run(run).state == .running)
      agent.send(SIGTERM)
      #expect(try await within(5, "the agent ends") { try await agent.end() } == Program.End(code: 0, signal: 0))
      // Started with a key that is no good, it does not begin.
      let refused = try await bench.agent("one", ["local"])
      #expect(try await within(10, "it ends") { try await refused.end() } == Program.End(code: 2, signal: 0))
      #expect(refused.errors.text.contains("LUNAPORT_API_KEY"), "\(refused.errors.text)")

      bench.agentKey.withLock { $0 = nil }
      _ = try await bench.agent("one", ["local"])
      let ended = try await bench.end(of: run)
      #expect(ended.state == .finished && ended.attempt == 1, "\(ended)")
      #expect(try await bench.log(run) == "one\ntwo\n")
      #expect(bench.read("starts") == "x\n")
    }
  }

  @Test func anAgentIsNotForgottenWhileItWorks() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      let gate = bench.gate("gate")
      try await bench.job("wait", "read _ <\(gate)")
      let agent = try await bench.agent("one", ["local"])
      let run = try await bench.launch("wait").id
      let id = try #require(try await bench.run(run, is: .running).agent)
      let refused = try await bench.request(.delete, "/api/v1/agents/\(id)")
      #expect(refused.status == 409 && refused.text.contains("drain"), "\(refused)")
      bench.open("gate")
      #expect(try await bench.end(of: run).state == .finished)
      // Without work it is forgotten, and makes itself known again.
      #expect(try await bench.request(.delete, "/api/v1/agents/\(id)").status == 204)
      #expect(try await bench.end(of: try await bench.launch("wait").id).state == .finished)
      #expect(agent.isRunning)
    }
  }

  @Test func membersSeeAndTouchOnlyWhatIsTheirs() async throws {
    try await scenario { bench in
      try bench.queue("local", "entity = \"research\",")
      _ = try await bench.up()
      try bench.write("sleep/run.sh", "#!/bin/sh\nsleep 1000\n", executable: true)
      let job = try await bench.lunaport(
        "job", "create", "code", bench.path("sleep/run.sh"), "-p", "p", "-n", "sleep", "-e", "research")
      #expect(job.code == 0, "\(job)")
      let run = try await bench.launch("sleep") { $0.entity = "research" }.id
      try await bench.run(run, is: .running)
      let made = try await bench.lunaport("key", "create", "mallory", "--json")
      let key = try #require(try Value(json: made.output)["key"]?.stringValue, "\(made)")
      for words in [
        ["run", "show", run], ["run", "logs", run], ["run", "stop", run], ["explain", run],
        ["queue", "show", "research/local"],
        ["launch", "-j", "sleep", "-q", "local", "-p", "p", "-e", "research"], ["queue", "pause", "research/local"],
        ["key", "create", "eve", "--role", "admin"], ["key", "list"],
      ] {
        let outcome = try await bench.lunaport(words, ["LUNAPORT_API_KEY": key])
        #expect(outcome.code == 2, "\(words): \(outcome)")
        #expect(outcome.output.isEmpty && outcome.errors.contains("error"), "\(words): \(outcome)")
      }
      let runs = try await bench.lunaport(["run", "list", "--json"], ["LUNAPORT_API_KEY": key])
      #expect(try Value(json: runs.output) == .array([]), "\(runs)")
      #expect(try await bench.client.run(run).state == .running)
    }
  }
}
