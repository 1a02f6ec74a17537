import Model
import Storage
import Testing

extension StoreSuite {
  @Test(arguments: StoreKind.all)
  func anAgentThatComesBackIsTheSameAgent(kind: StoreKind) async throws {
    try await kind.with { store in
      let first = try await store.register(
        hello("gpu-box"), id: "id1", entity: "research", account: "robot", refusal: nil, now: 1)
      try await store.setDraining(true, agent: "id1")
      #expect(try await store.agent("id1")?.agent.draining == true)
      var again = hello("gpu-box", queues: ["cpu", "gpu"])
      again.maxJobs = 9
      let second = try await store.register(
        again, id: "id2", entity: "research", account: "robot2", refusal: nil, now: 5)
      #expect(second.id == first.id)
      #expect(second.queues == ["cpu", "gpu"])
      #expect(!second.draining)
      #expect(try await store.agent("id1")?.agent == second)
      #expect(try await store.agent("id2") == nil)
      let elsewhere = try await store.register(
        hello("gpu-box"), id: "id3", entity: "other", account: "robot", refusal: nil, now: 6)
      #expect(elsewhere.id == "id3")
      #expect(try await store.agents(entity: nil).map(\.agent.id) == ["id3", "id1"])
      #expect(try await store.agents(entity: "research").map(\.agent.id) == ["id1"])
    }
  }

  @Test(arguments: StoreKind.all)
  func whatAnAgentComesBackWithoutIsQueuedAgainWhereNothingWasStarted(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      try await store.join("a2")
      _ = try await store.enqueue(newRun(), newRun(), newRun(), newRun(), newRun())
      let leased = try await store.lease("a1", cpu, room: 4)
      let other = try await store.lease("a2", cpu)
      _ = try await store.update("a1", leased[1], .building)
      _ = try await store.update("a1", leased[2], .starting)
      var back = hello("a1")
      back.holding = [leased[3].holding]
      _ = try await store.register(back, id: "a1", entity: "research", account: "robot", refusal: nil, now: 1_001)
      var states: [RunState] = []
      for run in leased + other { states.append(try await store.require(run.id).state) }
      // What may have been started is not started again.
      #expect(states == [.queued, .queued, .starting, .leased, .leased])
      // The lost lease is worth nothing.
      #expect(try await store.update("a1", leased[0], .starting, now: 1_002) != nil)
      #expect(try await store.require(leased[0].id).state == .queued)
      #expect(try await store.lease("a2", cpu, room: 4, now: 1_003).map(\.id) == [leased[0].id, leased[1].id])
    }
  }

  @Test(arguments: StoreKind.all)
  func anAgentsStateIsKeptWithItsOfferAndRefusal(kind: StoreKind) async throws {
    try await kind.with { store in
      let refusal = Coverage.Report(
        agent: "a1", entries: [.init(queue: "gpu", gap: Coverage.Gap(need: need("slurm"), fact: "none is installed"))])
      _ = try await store.register(
        hello("a1"), id: "a1", entity: "research", account: "robot", refusal: refusal, now: 1)
      #expect(try await store.agent("a1")?.agent.refusal == refusal)
      try await store.setRefusal(nil, agent: "a1")
      let offer = Offer(drivers: [
        .init(target: "slurm", version: "1", provides: [.stop, .gpu], probe: Probe(.healthy, detail: "slurm 22"))
      ])
      _ = try await store.report(AgentReport(holding: [], offer: offer, draining: true), from: "a1", now: 9)
      let agent = try #require(try await store.agent("a1")).agent
      #expect(agent.refusal == nil)
      #expect(agent.offer == offer)
      #expect(agent.draining)
      #expect(agent.heartbeatAt == 9)
      #expect(agent.registeredAt == 1)
      // A report that was overtaken does not make the agent older.
      _ = try await store.report(AgentReport(holding: []), from: "a1", now: 7)
      #expect(try await store.agent("a1")?.agent.heartbeatAt == 9)
      #expect(try await store.agent("a1")?.agent.draining == false)
      try await refuses(.notFound) { try await store.setRefusal(nil, agent: "nobody") }
    }
  }

  @Test(arguments: StoreKind.all)
  func anAgentsJobsAreItsLiveRuns(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      try await store.join("a2")
      for _ in 0..<5 { _ = try await store.enqueue(newRun()) }
      let mine = try await store.lease("a1", cpu, room: 3)
      _ = try await store.lease("a2", cpu, room: 1)
      #expect(try await store.agents(entity: nil).map(\.jobs) == [3, 1])
      _ = try await store.update("a1", mine[0], ending: Ending(.failed, .build))
      #expect(try await store.agent("a1")?.jobs == 2)
      #expect(try await store.runs(heldBy: "a1").map(\.id) == mine.dropFirst().map(\.id))
    }
  }

  @Test(arguments: StoreKind.all)
  func aRemovedAgentIsForgottenAndItsLeasesLapse(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      _ = try await store.enqueue(newRun())
      let run = try await store.lease("a1", cpu)[0]
      try await store.removeAgent("a1")
      try await store.removeAgent("a1")
      #expect(try await store.agent("a1") == nil)
      try await refuses(.notFound) { try await store.update("a1", run, .building) }
      try await refuses(.notFound) { try await store.orders(for: "a1") }
      #expect(try await store.lapse(now: 9_999).changes.map(\.step) == ["leased->queued"])
    }
  }

  @Test(arguments: StoreKind.all)
  func everyOrderHasAGreaterNumber(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let first = try await store.orders(for: "a1")
      try await store.setDraining(true, agent: "a1")
      let second = try await store.orders(for: "a1")
      #expect(second.drain)
      #expect(second.number > first.number)
      try await store.setDraining(false, agent: "a1")
      let third = try await store.orders(for: "a1")
      #expect(!third.drain)
      #expect(third.number > second.number)
      // Forgotten and registered again, it must not find numbers that it has seen.
      try await store.removeAgent("a1")
      try await store.join("a1")
      #expect(try await store.orders(for: "a1").number > third.number)
      try await refuses(.notFound) { try await store.setDraining(true, agent: "nobody") }
    }
  }
}
