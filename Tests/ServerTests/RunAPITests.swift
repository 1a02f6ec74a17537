import Client
import HTTP
import Model
import Testing

@testable import Server

struct RunAPITests {
  @Test func aRunGoesFromSubmissionToItsEnd() async throws {
    try await TestAPI.with { api in
      try await api.job()
      let run = try await api.launch()
      #expect(run.state == .idle)
      #expect(run.author == "admin")
      #expect(run.project == "p")
      #expect(run.job == "default/p/train:v0")
      let agent = try await api.register()
      #expect(try await api.run(run.id).state == .queued)
      let lease = try #require(try await api.lease(agent.id).leases.first)
      #expect(lease.run == run.id)
      #expect(lease.spec.source.entryPoint == ["python3", "train.py"])
      #expect(try await api.run(run.id).state == .pending)
      try await api.end(lease, agent.id)
      let ended = try await api.run(run.id)
      #expect(ended.state == .finished)
      #expect(ended.exitCode == 0)
      #expect(ended.agent == agent.id)
    }
  }
}
