import Glibc
import Model
import Testing

@testable import EndToEndTesting

/// Runs that wait, and for what.
struct WaitingTests {
  @Test func aRunIsIdleUntilAnAgentComesThenQueuedThenFinished() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      let gate = bench.gate("gate")
      try await bench.job("wait", "read _ <\(gate)")
      let launched = try await bench.lunaport("launch", "-j", "wait", "-q", "local", "-p", "p", "--json")
      #expect(launched.code == 0)
      #expect(launched.errors.contains("no active agent polls queue"), "\(launched.errors)")
      let first = try #require(try Value(json: launched.output)["id"]?.stringValue)
      #expect(try Value(json: launched.output)["state"] == "Idle")
      let second = try await bench.launch("wait").id
      let explained = try await bench.lunaport("explain", second)
      #expect(explained.output.contains("no active agent polls the queue"), "\(explained.output)")
      #expect(explained.output.contains("lunaport agent -q default/local"), "\(explained.output)")

      _ = try await bench.agent("one", ["local"], maxJobs: 1)
      try await bench.run(first, is: .running)
      let waiting = try await bench.run(second, is: .queued)
      #expect(waiting.innerState == .queued)
      let full = try await bench.lunaport("explain", second)
      #expect(full.output.contains("works on 1 of 1"), "\(full.output)")
      bench.open("gate")
      #expect(try await bench.end(of: first).state == .finished)
      #expect(try await bench.end(of: second).state == .finished)
    }
  }

  @Test func anAgentThatIsStoppedIsWaitedForByNobody() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      try await bench.job("noop", "exit 0")
      let agent = try await bench.agent("one", ["local"], maxJobs: 1)
      let first = try await bench.launch("noop")
      #expect(try await bench.end(of: first.id).state == .finished)
      agent.send(SIGTERM)
      #expect(try await within(5, "the agent ends") { try await agent.end() } == Program.End(code: 0, signal: 0))
      // Well before its lease could have lapsed.
      let second = try await bench.launch("noop")
      #expect(second.state == .idle)
      _ = try await bench.agent("one", ["local"], maxJobs: 1)
      #expect(try await bench.end(of: second.id).state == .finished)
    }
  }

  @Test func runsGoByPriorityAndThenInTheirOrder() async throws {
    try await scenario { bench in
      try bench.queue("local", "priorities = true,")
      _ = try await bench.up("--no-agent")
      try await bench.job("note", "echo $1 >>\(bench.path("order"))")
      let wanted: [(String, Priority?)] = [
        ("low", .low), ("medium-1", nil), ("high", .high), ("medium-2", .medium), ("critical", .critical),
      ]
      var ids: [String] = []
      for (name, priority) in wanted {
        ids.append(
          try await bench.launch("note") {
            $0.priority = priority
            $0.overrides = Overrides(args: [name])
          }.id)
      }
      _ = try await bench.agent("one", ["local"], maxJobs: 1)
      #expect(try await bench.ends(of: ids).allSatisfy { $0.state == .finished })
      #expect(bench.read("order") == "critical\nhigh\nmedium-1\nmedium-2\nlow\n")
    }
  }

  @Test func aQueuesConcurrencyHoldsOverManyAgents() async throws {
    try await scenario { bench in
      try bench.queue("local", "concurrency = 3,")
      _ = try await bench.up("--no-agent")
      // Each notes how many are under way, itself included.
      try await bench.job(
        "count",
        """
        cd \(bench.path("live")); : >$LUNAPORT_RUN_ID; ls | wc -l >>../seen; sleep 0.1; rm $LUNAPORT_RUN_ID
        """)
      try bench.write("live/.keep", "")
      for name in ["one", "two", "three"] { _ = try await bench.agent(name, ["local"], maxJobs: 4) }
      for name in ["one", "two", "three"] { try await bench.polls(name, "local") }
      let ids = try await bench.launch(
        Array(repeating: Submission(job: "count", queue: "local", project: "p"), count: 24))
      #expect(try await bench.ends(of: ids, within: 30).allSatisfy { $0.state == .finished })
      let seen = try #require(bench.read("seen")).split(separator: "\n").compactMap { Int($0) }
      #expect(seen.count == 24)
      #expect(seen.max() ?? 0 <= 3)
    }
  }

  @Test func aQueueIsPausedResumedAndDrained() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try await bench.job("quick", "true")
      let pause = try await bench.lunaport("queue", "pause", "local")
      #expect(pause.code == 0, "\(pause)")
      let run = try await bench.launch("quick").id
      let explained = try await bench.lunaport("explain", run)
      #expect(explained.output.contains("the queue is paused"), "\(explained.output)")
      #expect(try await bench.client.run(run).innerState == .queued)
      #expect(try await bench.lunaport("queue", "drain", "local").code == 0)
      let refused = try await bench.lunaport("launch", "-j", "quick", "-q", "local", "-p", "p")
      #expect(refused.code == 2)
      #expect(refused.errors.contains("drain"), "\(refused.errors)")
      // What it has is started all the same.
      #expect(try await bench.end(of: run).state == .finished)
      #expect(try await bench.lunaport("queue", "resume", "local").code == 0)
      #expect(try await bench.end(of: try await bench.launch("quick").id).state == .finished)
    }
  }

  @Test func anAgentThatIsDrainedFinishesWhatItHasAndLeaves() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      let gate = bench.gate("gate")
      try await bench.job("wait", "read _ <\(gate)")
      let agent = try await bench.agent("one", ["local"])
      let first = try await bench.launch("wait").id
      try await bench.run(first, is: .running)
      let drain = try await bench.lunaport("agents", "--drain", "one")
      #expect(drain.code == 0, "\(drain)")
      let second = try await bench.launch("wait").id
      #expect(try await bench.client.run(second).state == .idle)
      bench.open("gate")
      #expect(try await bench.end(of: first).state == .finished)
      #expect(try await within(10, "the agent leaves") { try await agent.end() } == Program.End(code: 0, signal: 0))
      #expect(try await bench.client.run(second).innerState == .queued)
      _ = try await bench.agent("two", ["local"])
      #expect(try await bench.end(of: second).state == .finished)
    }
  }

  @Test func theSameSubmitKeyGivesTheSameRun() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try await bench.job("note", "echo x >>\(bench.path("starts"))")
      var ids: Set<String> = []
      for _ in 0..<5 { ids.insert(try await bench.launch("note") { $0.submitKey = "once" }.id) }
      #expect(ids.count == 1)
      _ = try await bench.ends(of: Array(ids))
      ids.insert(try await bench.launch("note") { $0.submitKey = "once" }.id)
      #expect(ids.count == 1)
      #expect(try await bench.runs(on: "local").count == 1)
      #expect(bench.read("starts") == "x\n")
    }
  }

  @Test func twoThousandRunsAllFinish() async throws {
    try await scenario(150) { bench in
      try bench.queue("local")
      _ = try await bench.up("--max-jobs", "16")
      try bench.write("noop/run.sh", "#!/bin/true\n", executable: true)
      let made = try await bench.lunaport("job", "create", "code", bench.path("noop/run.sh"), "-p", "p", "-n", "noop")
      #expect(made.code == 0, "\(made.errors)")
      for _ in 0..<4 {
        _ = try await bench.launch(
          Array(repeating: Submission(job: "noop", queue: "local", project: "p"), count: 500))
      }
      try await bench.counts([.finished: 2_000], within: 120)
      #expect(bench.runProcesses().isEmpty)
    }
  }
}
