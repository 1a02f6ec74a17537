import Model
import Storage
import Testing

extension StoreSuite {
  @Test(arguments: StoreKind.all)
  func subscribersHearOfEveryCommittedStepInOrder(kind: StoreKind) async throws {
    try await kind.with { store in
      let streams = [store.changes(), store.changes()]
      try await store.join("a1")
      let run = try await store.enqueue(newRun(retry: RetryPolicy(max: 1, on: [.failed])))[0]
      let leased = try await store.lease("a1", cpu)[0]
      try await refuses(.exists) { try await store.enqueue(newRun(id: run.id)) }
      _ = try await store.requestStop(run: run.id, by: "ann", now: 1_001)
      try await store.logGrew(leased.holding, size: 7)
      _ = try await store.update("a1", leased, ending: Ending(.stopped, .stopped))
      try await store.setGate(.paused, of: cpu)
      try await store.setGate(.paused, of: cpu)
      await store.close()
      for stream in streams {
        var heard: [Change] = []
        for await batch in stream { heard += batch }
        let steps = heard.compactMap { change in if case .run(let change) = change { change } else { nil } }
        #expect(steps.map(\.step) == ["new->queued", "queued->leased", "leased->stopped"])
        #expect(steps.map(\.agent) == [nil, "a1", "a1"])
        #expect(steps.allSatisfy { $0.id == run.id && $0.queue == cpu && $0.author == "ann" })
        let others = heard.filter { if case .run = $0 { false } else { true } }
        #expect(
          others == [.agent(id: "a1"), .orders(agent: "a1"), .log(run: run.id, attempt: 1, size: 7), .queue(cpu)])
      }
    }
  }

  @Test(arguments: StoreKind.all)
  func subscribersHearOfAMessageThatIsNoStep(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      _ = try await store.enqueue(newRun())
      let run = try await store.lease("a1", cpu)[0]
      _ = try await store.update("a1", run, .starting)
      let stream = store.changes()
      for message in ["no node has 8 GPUs", "no node has 8 GPUs", nil] {
        let update = RunUpdate(run.holding, state: .starting, message: message, at: 1_000)
        _ = try await store.report(AgentReport(holding: [], updates: [update]), from: "a1", now: 1_000)
      }
      await store.close()
      var heard: [Change] = []
      for await batch in stream { heard += batch }
      let steps = heard.compactMap { change in if case .run(let change) = change { change.step } else { nil } }
      #expect(steps == ["starting->starting", "starting->starting"])
    }
  }

  @Test(arguments: StoreKind.all)
  func aWaitingSubscriberIsWokenByACommit(kind: StoreKind) async throws {
    try await kind.with { store in
      let stream = store.changes()
      async let first = stream.first { _ in true }
      let run = try await store.enqueue(newRun())[0]
      let batch = await first
      #expect(batch?.count == 1)
      if case .run(let change)? = batch?.first { #expect(change.id == run.id) }
    }
  }

  @Test(arguments: StoreKind.all)
  func aReadyRetryIsTold(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      _ = try await store.enqueue(newRun(retry: RetryPolicy(max: 1, on: [.build], delay: 10)))
      let run = try await store.lease("a1", cpu)[0]
      _ = try await store.update("a1", run, ending: Ending(.failed, .build), now: 1_000)
      let stream = store.changes()
      #expect(try await store.lapse(now: 1_009).next == 1_010)
      #expect(try await store.lapse(now: 1_010).next == nil)
      await store.close()
      var heard: [Change] = []
      for await batch in stream { heard += batch }
      #expect(heard == [.ready(cpu)])
    }
  }

  @Test(arguments: StoreKind.all)
  func aClosedStoreRefusesWorkAndEndsItsStreams(kind: StoreKind) async throws {
    let folder = TemporaryFolder()
    let store = try kind.make(folder.path)
    let stream = store.changes()
    await store.close()
    try await refuses(.stopped) { try await store.enqueue(newRun()) }
    try await refuses(.stopped) { try await store.run("x") }
    for await _ in stream { Issue.record("nothing happened") }
    for await _ in store.changes() { Issue.record("nothing happened") }
    await store.close()
  }
}
