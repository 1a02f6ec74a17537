import Glibc
import Model
import Testing

@testable import EndToEndTesting

/// Agents that are killed in the middle of work.
struct AgentCrashTests {
  @Test func anAgentKilledTwiceLosesAndRepeatsNothing() async throws {
    try await scenario(75) { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      _ = try await bench.up("--no-agent")
      try await bench.job("work", Work.script(bench, gate))
      let first = try await bench.agent("one", ["local"], maxJobs: Work.places)
      let ids = try await bench.launch(Work.submissions())
      try await Work.halfway(bench)
      try await first.crash()
      // The second life is killed as soon as it is known, in the middle of taking up what the first has left.
      let second = try await bench.agent("one", ["local"], maxJobs: Work.places)
      try await within(10, "the agent is back") { try await second.errors.line { $0.contains("registered") } }
      try await second.crash()
      // Some programs end while nobody looks.
      bench.open("gate")
      try await bench.file("ends") { $0.count >= Work.short + Work.places }
      _ = try await bench.agent("one", ["local"], maxJobs: Work.places)
      try await Work.verify(bench, ids)
    }
  }

  /// Runs that are always being leased, started and ended, and an agent that is killed at moments that nobody chose.
  @Test func anAgentKilledAtAnyMomentStartsNothingTwice() async throws {
    try await scenario(90) { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      try await bench.job("work", Work.script(bench))
      let ids = try await bench.launch(
        Array(repeating: Submission(job: "work", queue: "local", project: "p"), count: 60))
      for number in 1...5 {
        let agent = try await bench.agent("one", ["local"], maxJobs: 6)
        try await bench.file("starts") { $0.count >= number * 8 }
        try await agent.crash()
      }
      _ = try await bench.agent("one", ["local"], maxJobs: 6)
      try await Work.verify(bench, ids, within: 60, attempts: 2)
    }
  }

  @Test func aStopThatIsAskedForWhileTheAgentIsDeadIsCarriedOutWhenItIsBack() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      try await bench.job("sleep", "echo $$ >>\(bench.path("pids")); sleep 1000")
      let agent = try await bench.agent("one", ["local"])
      let run = try await bench.launch("sleep").id
      try await bench.run(run, is: .running)
      let pid = try #require(try await bench.file("pids").first.flatMap { pid_t($0) })
      try await agent.crash()
      #expect(try await bench.lunaport("run", "stop", run).code == 0)
      #expect(isAlive(pid))
      _ = try await bench.agent("one", ["local"])
      let ended = try await bench.end(of: run)
      #expect(ended.state == .killed, "\(ended)")
      #expect(!isAlive(pid))
    }
  }

  @Test func aTimeLimitHoldsOverTheDeathOfTheAgent() async throws {
    try await scenario { bench in
      try bench.queue("local", "timeout = \"2s\",")
      _ = try await bench.up("--no-agent")
      try await bench.job("sleep", "echo $$ >>\(bench.path("pids")); sleep 1000")
      let agent = try await bench.agent("one", ["local"])
      let run = try await bench.launch("sleep").id
      try await bench.run(run, is: .running)
      try await agent.crash()
      _ = try await bench.agent("one", ["local"])
      let ended = try await bench.end(of: run)
      #expect(ended.state == .failed && ended.reason == .timeout, "\(ended)")
      #expect((ended.duration ?? 100) < 10)
      #expect(bench.runProcesses().isEmpty)
    }
  }

  @Test func aBuildThatItsAgentDiesInIsEndedAndDoneAgain() async throws {
    try await scenario(60) { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      _ = try await bench.up("--no-agent")
      try bench.write("train/train.py", "print('trained')")
      try bench.write("train/requirements.txt", "")
      // The first build hangs at the gate, which nobody opens; the next ones go on.
      try bench.write(
        "bin/python3",
        """
        #!/bin/sh
        case "$*" in
          *"-m venv"*) echo $$ >>\(bench.path("builds")); [ $(wc -l <\(bench.path("builds"))) = 1 ] && read _ <\(gate) ;;
        esac
        PATH=${PATH#*:} exec python3 "$@"
        """, executable: true)
      let path = ["PATH": bench.path("bin") + ":" + (bench.environment()["PATH"] ?? "")]
      let made = try await bench.lunaport(
        "job", "create", "code", bench.path("train/train.py"), "-p", "p", "-n", "train")
      #expect(made.code == 0, "\(made.errors)")
      let agent = try await bench.agent("one", ["local"], variables: path)
      let run = try await bench.launch("train").id
      let first = try #require(try await bench.file("builds").first.flatMap { pid_t($0) })
      try await bench.run(run, "is being built") { $0.innerState == .building }
      try await agent.crash()
      #expect(isAlive(first))
      _ = try await bench.agent("one", ["local"], variables: path)
      let ended = try await bench.end(of: run, within: 40)
      #expect(ended.state == .finished && ended.attempt == 1, "\(ended)")
      #expect(try await bench.log(run).hasSuffix("trained\n"))
      // Two builds at once in one folder would spoil it.
      #expect(!isAlive(first))
    }
  }

  @Test func anAgentThatIsAskedToStopDoesSoAtOnceAndGivesBackWhatItHasNotStarted() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      _ = try await bench.up("--no-agent")
      try bench.write("train/train.py", "print('trained')")
      try bench.write("train/requirements.txt", "")
      try bench.write(
        "bin/python3",
        """
        #!/bin/sh
        case "$*" in *"-m venv"*) echo $$ >>\(bench.path("builds")); read _ <\(gate) ;; esac
        PATH=${PATH#*:} exec python3 "$@"
        """, executable: true)
      let path = ["PATH": bench.path("bin") + ":" + (bench.environment()["PATH"] ?? "")]
      let made = try await bench.lunaport(
        "job", "create", "code", bench.path("train/train.py"), "-p", "p", "-n", "train")
      #expect(made.code == 0, "\(made.errors)")
      try await bench.job("wait", "read _ <\(gate)")
      let agent = try await bench.agent("one", ["local"], variables: path)
      let building = try await bench.launch("train").id
      let running = try await bench.launch("wait").id
      let build = try #require(try await bench.file("builds").first.flatMap { pid_t($0) })
      try await bench.run(running, is: .running)
      agent.send(SIGTERM)
      #expect(try await within(5, "the agent ends") { try await agent.end() } == Program.End(code: 0, signal: 0))
      // It was told to die; how fast the kernel carries that out is not ours to say.
      try await within(5, "the build is gone") {
        while isAlive(build) { try await Task.sleep(for: .milliseconds(5)) }
      }
      #expect(try await bench.client.run(building).innerState == .queued)
      #expect(try await bench.client.run(running).state == .running)
      #expect(!bench.runProcesses().isEmpty)
    }
  }

  @Test func twoAgentsDoNotShareAFolder() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      let first = try await bench.agent("one", ["local"])
      try await bench.polls("one", "local")
      let second = try await bench.agent("one", ["local"])
      #expect(try await within(10, "the second ends") { try await second.end() } == Program.End(code: 2, signal: 0))
      #expect(second.errors.text.contains("another agent works on"), "\(second.errors.text)")
      #expect(second.errors.text.contains(String(first.process)), "\(second.errors.text)")
      #expect(first.isRunning)
    }
  }
}
