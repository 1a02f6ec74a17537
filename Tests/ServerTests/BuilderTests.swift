import Model
import Testing

@testable import Server

/// Queues that say who builds their jobs.
struct BuilderTests {
  /// An agent of local processes with these builders, all of them healthy.
  private static func hello(_ name: String, _ builders: String...) -> AgentHello {
    var offer = Offer.process()
    offer.builders = builders.map { .init(name: $0, sources: [.code], targets: ["process"], probe: Probe(.healthy)) }
    return .test(name, offer: offer)
  }

  @Test func onlyAnAgentWithTheQueuesBuilderGetsWhatIsToBeBuilt() async throws {
    let queue = Queue.test(builder: "conda")
    try await TestAPI.with([queue]) { api in
      try await api.job(requirements: "numpy")
      try await api.job("plain")
      let other = try await api.register(Self.hello("other", "venv"))
      let answer = try await api.post("/api/v1/runs", Submission(job: "p/train", queue: "q"))
      let run = try answer.decode(RunView.self)
      #expect(run.state == .idle)
      #expect(
        answer.headers["Lunaport-Warning"]?.contains(
          "agent other lacks builder conda of code for process: no builder `conda` is installed; installed: venv")
          == true, "\(answer.headers)")
      #expect(try await api.lease(other.id).leases.isEmpty)
      // What need not be built is anybody's.
      let plain = try await api.launch(Submission(job: "p/plain", queue: "q"))
      #expect(try await api.lease(other.id).leases.map(\.run) == [plain.id])

      let fitting = try await api.register(Self.hello("fitting", "conda", "venv"))
      #expect(try await api.run(run.id).state == .queued)
      let lease = try #require(try await api.lease(fitting.id).leases.first)
      #expect(lease.run == run.id)
      #expect(lease.spec.builder == "conda")
    }
  }

  @Test func aNewBuilderOfTheQueueIsThatOfNewRuns() async throws {
    let queue = Queue.test(builder: "conda")
    try await TestAPI.with([queue]) { api in
      try await api.job(requirements: "numpy")
      let agent = try await api.register(Self.hello("a", "venv"))
      let before = try await api.launch()
      for builder in ["venv", nil] {
        api.configuration.change { $0.queues[queue.id]?.builder = builder }
        _ = await api.service.reload()
        let after = try await api.launch()
        let lease = try #require(try await api.lease(agent.id).leases.first)
        #expect(lease.run == after.id && lease.spec.builder == builder)
      }
      #expect(try await api.run(before.id).state == .idle)
    }
  }

  @Test func aQueueThatBuildsNothingRefusesWhatWouldHaveToBeBuilt() async throws {
    try await TestAPI.with([.test(builder: "noop"), .test("other")]) { (api) async throws -> Void in
      try await api.job(requirements: "numpy")
      try await api.job("plain")
      let bulk = ["p/train", "p/plain"].map { Submission(job: $0, queue: "q") }
      let refused = try await api.post("/api/v1/runs", bulk)
      #expect(refused.status == 422 && refused.code == "invalid")
      let problem = try #require(refused.body["error"]?["problems"]?.arrayValue?.first)
      #expect(problem["code"] == "S0009")
      #expect(
        problem["message"]
          == """
          run 0: queue `q` builds nothing: its builder is `noop`, and the job declares dependencies (requirements.txt)
          """)
      #expect(problem["help"] == "leave the dependencies out, or choose a queue that has a builder")
      #expect(problem["because"]?["place"]?["file"] == "queues.d/q.lua")
      #expect(try await api.send(.get, "/api/v1/runs").body["items"] == [])
      #expect(try await api.send(.get, "/api/v1/queues/default/q").body["settings"]?["builder"] == "noop")

      let agent = try await api.register()
      let plain = try await api.launch(bulk[1])
      #expect(try await api.lease(agent.id).leases.map(\.run) == [plain.id])
      _ = try await api.launch(Submission(job: "p/train", queue: "other"))
    }
  }
}
