import Model
import Scripting
import Testing

@testable import Client
@testable import EndToEndTesting

extension EngineTests {
  /// A real server and a real agent on real engines, of which each may die in the middle.
  struct LifeTests {
    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: Engine.all)
    func runsEndAsTheirProgramsDo(engine: Engine) async throws {
      try await engine.scenario { bench, far in
        _ = try await far.agent()
        let good = try await far.launch("echo one; echo \"$LUNAPORT_CONFIG_RATE\"; echo two >&2", config: ["rate": 0.5])
        let bad = try await far.launch("echo bad; exit 3")
        let long = try await far.launch("echo long; sleep 3600")
        let ended = try await bench.end(of: good, within: far.patience)
        #expect(ended.state == .finished && ended.exitCode == 0, "\(ended)")
        let log = try await bench.log(good)
        #expect(log.split(separator: "\n").sorted() == ["0.5", "one", "two"], "\(log)")
        let failed = try await bench.end(of: bad, within: far.patience)
        #expect(failed.state == .failed && failed.exitCode == 3, "\(failed)")
        try await bench.run(long, is: .running, within: far.patience)
        #expect(try await bench.lunaport("run", "stop", long).code == 0)
        try await bench.run(long, is: .killed, within: far.patience)
      }
    }

    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: Engine.all)
    func anAgentKilledInTheMiddleLosesAndRepeatsNothing(engine: Engine) async throws {
      try await engine.scenario { bench, far in
        let first = try await far.agent()
        let run = try await far.launch("echo one; sleep 10; echo two")
        let over = try await far.launch("echo over")
        try await bench.run(run, is: .running, within: far.patience)
        try await first.crash()
        _ = try await far.agent()
        for (id, text) in [(run, "one\ntwo\n"), (over, "over\n")] {
          let ended = try await bench.end(of: id, within: far.patience)
          #expect(ended.state == .finished && ended.attempt == 1, "\(ended)")
          #expect(try await bench.log(id) == text)
        }
      }
    }

    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: Engine.all)
    func anEngineThatDiesAndComesBackCostsNothingThatItHasNotKilled(engine: Engine) async throws {
      try await engine.scenario { bench, far in
        _ = try await far.agent()
        let run = try await far.launch("echo one; sleep 20; echo two")
        try await bench.run(run, is: .running, within: far.patience)
        try await engine.call("kill")
        // What cannot be asked is not lost, and people see why nothing is heard of it.
        let seen = try await bench.run(run, within: 60, "says that its target is away") {
          $0.message?.contains("cannot be asked") == true
        }
        #expect(seen.state == .running, "\(seen)")
        let explained = try await bench.lunaport("explain", run)
        #expect(explained.output.contains("cannot be asked"), "\(explained.output)")
        // One that comes meanwhile waits for the engine.
        let later = try await far.launch("echo later")
        try await engine.call("restart")
        let ended = try await bench.end(of: run, within: far.patience)
        if engine.outlived {
          #expect(ended.state == .finished && ended.attempt == 1, "\(ended)")
          #expect(try await bench.log(run) == "one\ntwo\n")
        } else {
          #expect(ended.attempt == 1, "\(ended)")
        }
        let after = try await bench.end(of: later, within: far.patience)
        #expect(after.state == .finished, "\(after)")
        #expect(try await bench.log(later) == "later\n")
      }
    }

    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: Engine.all)
    func whatAnAgentForgotIsSweptAway(engine: Engine) async throws {
      try await engine.scenario { bench, far in
        let first = try await far.agent()
        let run = try await far.launch("sleep 3600")
        try await bench.run(run, is: .running, within: far.patience)
        try await first.crash()
        // Its disk was lost, but for who it is.
        try bench.write("one/agent/journal", "")
        let second = try await far.agent()
        try await within(far.patience, "the orphan is cleared away") {
          try await second.errors.line { $0.contains("orphan_cleared") && $0.contains(run) }
        }
        // A run that comes after it is left alone.
        let other = try await far.launch("echo other")
        let ended = try await bench.end(of: other, within: far.patience)
        #expect(ended.state == .finished, "\(ended)")
      }
    }
  }
}
