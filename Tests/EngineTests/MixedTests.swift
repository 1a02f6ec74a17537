import Model
import Testing

@testable import Client
@testable import EndToEndTesting

extension EngineTests {
  /// One agent that serves four targets at once: local processes, and three real engines.
  @Suite(.serialized) struct MixedTests {
    /// Seconds for all runs: a cluster on two processors ends a few a second.
    private static let patience = 600.0
    private static let queues = ["docker", "kubernetes", "process", "slurm"]
    private static let engines = ["docker", "kubernetes", "slurm"]
    /// Where engines are asked for by name, those may not be among them.
    private static let areWanted = engines.allSatisfy { name in Engine.all.contains { $0.name == name } }

    /// All engines at once, and a server with a queue of each.
    private func site(
      _ body: @escaping @Sendable (Bench, _ settings: String, _ variables: [String: String]) async throws -> Void
    ) async throws {
      let engines = Self.engines.compactMap { name in Engine.all.first { $0.name == name } }
      try #require(engines.count == Self.engines.count)
      try await running(engines, [:], [:]) { settings, variables in
        try await EndToEndTesting.scenario(Self.patience * 2) { bench in
          for engine in engines {
            let resource = try engine.fixtureRead().resource
            try bench.write("queues/\(engine.name).lua", Far.queue(engine.name, on: engine.plugin, resource))
          }
          try bench.write("queues/process.lua", Far.queue("process", on: "process", [:]))
          _ = try await bench.serve()
          for engine in engines { try await Far.job(engine.name, of: try engine.fixtureRead(), bench) }
          try await Far.job("process", of: nil, bench)
          try await body(bench, try bench.write("settings.json", Value.object(settings).json()), variables)
        }
      }
    }

    private func running(
      _ engines: [Engine], _ settings: [String: Value], _ variables: [String: String],
      _ body: ([String: Value], [String: String]) async throws -> Void
    ) async throws {
      guard let first = engines.first else { return try await body(settings, variables) }
      try await first.running { place in
        try await running(
          Array(engines.dropFirst()), settings.merging(place.settings.objectValue ?? [:]) { $1 },
          variables.merging(place.variables) { $1 }, body)
      }
    }

    private func agent(_ bench: Bench, _ settings: String, _ variables: [String: String]) async throws -> Program {
      try await bench.agent("one", Self.queues, maxJobs: 12, ["--settings", settings], variables: variables)
    }

    @Test(.enabled(if: areWanted, Engine.wish))
    func twoHundredRunsOnFourTargetsOutliveTwoDeathsOfTheirAgent() async throws {
      try await site { bench, settings, variables in
        // Every tenth fails, every fiftieth is to be stopped, one of each queue loses its program to a signal.
        let scripts = (0..<200).map { number in
          // Without `exec` the shell stays, and says that its child was terminated: Slurm signals all processes of a job.
          let end = number % 50 < 4 ? "exec sleep 3600" : number % 10 == 5 ? "exit 3" : "exit 0"
          return "echo run \(number); \(end)"
        }
        let idle = try await bench.launch("process", on: "process") { $0.overrides = Overrides(args: ["exit 0"]) }
        #expect(idle.state == .idle)
        let ids = try await bench.launch(
          scripts.enumerated().map { number, script in
            let queue = Self.queues[number % Self.queues.count]
            var submission = Submission(job: queue, queue: queue, project: "p")
            submission.overrides = Overrides(args: [script])
            return submission
          })
        let crashed = try await bench.launch("process", on: "process") {
          $0.overrides = Overrides(args: ["kill -9 $$"])
        }
        let first = try await agent(bench, settings, variables)
        // The first four stay: one on each target, so that each is under way when its agent dies.
        for id in ids.prefix(4) { try await bench.run(id, is: .running, within: 180) }
        let seen = Set(try await bench.client.runs(RunQuery()).items.map(\.state))
        #expect(seen.contains(.queued), "\(seen)")
        try await first.crash()
        let second = try await agent(bench, settings, variables)
        try await ended(60, of: ids, bench)
        try await second.crash()
        _ = try await agent(bench, settings, variables)

        let stopped = ids.enumerated().filter { $0.offset % 50 < 4 }.map(\.element)
        for id in stopped {
          try await bench.run(id, is: .running, within: Self.patience)
          #expect(try await bench.lunaport("run", "stop", id).code == 0)
        }
        for (number, id) in ids.enumerated() {
          let run = try await bench.end(of: id, within: Self.patience)
          let wanted: VisibleState = number % 50 < 4 ? .killed : number % 10 == 5 ? .failed : .finished
          #expect(run.state == wanted, "run \(number) on \(run.target): \(run)")
          if wanted == .failed { #expect(run.exitCode == 3, "\(run)") }
          // Slurm says itself in a job's output that it was cancelled.
          let lines = try await bench.log(id).split(separator: "\n").filter { !$0.contains("CANCELLED") }
          #expect(lines == ["run \(number)"], "run \(number) on \(run.target)")
          // An attempt that its agent took and never began to start may be given to another; a program starts once.
          let starts = try await history(id, bench).filter { $0.to == .starting }.count
          #expect(starts == 1, "run \(number) on \(run.target) was started \(starts) times")
        }
        #expect(try await bench.end(of: crashed.id).state == .crashed)
        #expect(try await bench.end(of: idle.id).state == .finished)
        // Each was under way for a moment before it ran.
        let states = try await history(ids[0], bench).map(\.to)
        for state in [RunState.queued, .leased, .starting, .running, .stopped] {
          #expect(states.contains(state), "\(states)")
        }
      }
    }

    @Test(.enabled(if: areWanted, Engine.wish))
    func anAgentIsRefusedWhileOneOfItsEnginesIsDown() async throws {
      try await site { bench, settings, variables in
        let slurm = try #require(Engine.all.first { $0.name == "slurm" })
        try await slurm.call("kill")
        let refused = try await agent(bench, settings, variables)
        let end = try await within(120, "the agent is refused") { try await refused.end() }
        #expect(end == Program.End(code: 78, signal: 0))
        let report = refused.errors.text
        for part in ["polls `slurm`", "needs driver slurm", "its probe says:", "queues/slurm.lua:1:"] {
          #expect(report.contains(part), "`\(part)` is missing in: \(report)")
        }
        #expect(!report.contains("polls `docker`"), "\(report)")
        try await slurm.call("restart")
        _ = try await agent(bench, settings, variables)
        let run = try await bench.launch("slurm", on: "slurm") { $0.overrides = Overrides(args: ["exit 0"]) }
        #expect(try await bench.end(of: run.id, within: 120).state == .finished)
      }
    }

    private func history(_ id: String, _ bench: Bench) async throws -> [RunEventView] {
      try Value(json: try await bench.request(.get, "/api/v1/runs/\(id)/history").text).decode([RunEventView].self)
    }

    /// Waits until so many of the runs have ended.
    private func ended(_ count: Int, of ids: [String], _ bench: Bench) async throws {
      let wanted = Set(ids)
      try await within(Self.patience, "\(count) runs have ended") {
        try await bench.follow(queue: "process") {
          var over = 0
          for queue in Self.queues {
            over += try await bench.runs(on: queue).count { wanted.contains($0.id) && $0.state.isOver }
          }
          return over >= count
        }
      }
    }
  }
}
