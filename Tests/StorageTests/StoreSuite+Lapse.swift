import Model
import Storage
import Testing

extension StoreSuite {
  @Test(arguments: StoreKind.all)
  func aLapsedLeaseIsQueuedAgainWhereNothingCanHaveStartedAndLostElsewhere(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      for _ in 0..<4 { _ = try await store.enqueue(newRun()) }
      let runs = try await store.lease("a1", cpu, room: 4)
      for (run, depth) in zip(runs, 0...) {
        for state in [RunState.building, .starting, .running].prefix(depth) {
          _ = try await store.update("a1", run, state)
        }
      }
      #expect(try await store.lapse(now: 1_029).changes.isEmpty)
      #expect(try await store.lapse(now: 1_029).next == 1_030)
      let lapse = try await store.lapse(now: 1_030)
      #expect(
        Set(lapse.changes.map(\.step)) == ["leased->queued", "building->queued", "starting->lost", "running->lost"])
      #expect(lapse.changes.allSatisfy { $0.agent == "a1" })
      #expect(lapse.next == nil)
      #expect(try await store.lapse(now: 1_031).changes.isEmpty)
      #expect(try await store.runs(heldBy: "a1").isEmpty)
      #expect(try await store.lease("a1", cpu, room: 9).map(\.id) == runs.prefix(2).map(\.id))
    }
  }

  @Test(arguments: StoreKind.all)
  func extendedLeasesEndLaterAndNoneEndsEarlier(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      _ = try await store.enqueue(newRun(), newRun(), newRun())
      let early = try await store.lease("a1", cpu)[0]
      let late = try await store.lease("a1", cpu, now: 1_200)[0]
      // The first lease, of 1,000, has run out long ago; the second holds until 1,230.
      try await store.extendLeases(to: 1_225)
      #expect(try await store.lapse(now: 1_224).changes.isEmpty)
      #expect(try await store.lapse(now: 1_225).changes.map(\.id) == [early.id])
      #expect(try await store.lapse(now: 1_229).changes.isEmpty)
      #expect(try await store.lapse(now: 1_230).changes.map(\.id) == [late.id])
    }
  }

  @Test(arguments: StoreKind.all)
  func aLostRunIsTriedAgainOnlyWhereItsOwnerAllowsIt(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      _ = try await store.enqueue(newRun(retry: RetryPolicy(max: 1, on: [.lost])))
      let run = try await store.lease("a1", cpu)[0]
      for state in [RunState.building, .starting] { _ = try await store.update("a1", run, state) }
      let lapse = try await store.lapse(now: 2_000)
      #expect(lapse.changes.map(\.step) == ["starting->lost", "lost->queued"])
      let again = try await store.lease("a1", cpu, now: 2_001)[0]
      for state in [RunState.building, .starting] { _ = try await store.update("a1", again, state, now: 2_002) }
      #expect(try await store.lapse(now: 3_000).changes.map(\.step) == ["starting->lost"])
    }
  }

  @Test(arguments: StoreKind.all)
  func aRunThatWaitsTooLongFailsAndItsWaitBeginsAnewWithEachRetry(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let patient = try await store.enqueue(newRun(queueTimeout: 500))[0]
      let hasty = try await store.enqueue(newRun(queueTimeout: 50))[0]
      #expect(try await store.lapse(now: 1_000).next == 1_050)
      #expect(try await store.position(of: hasty.id, priorities: false)?.deadline == 1_050)
      let lapse = try await store.lapse(now: 1_050)
      #expect(lapse.changes.map(\.id) == [hasty.id])
      #expect(lapse.next == 1_500)
      let failed = try await store.require(hasty.id)
      #expect(failed.state == .failed)
      #expect(failed.reason == .queueTimeout)
      #expect(failed.finishedAt == 1_050)
      _ = try await store.retry(run: hasty.id, by: "ann", now: 1_100)
      #expect(try await store.lapse(now: 1_149).changes.isEmpty)
      _ = try await store.lease("a1", cpu, room: 2, now: 1_149)
      // Leased: it no longer waits.
      #expect(try await store.lapse(now: 1_160).changes.isEmpty)
      #expect(try await store.require(patient.id).state == .leased)
    }
  }

  @Test(arguments: StoreKind.all)
  func manyLapsesAreTakenInSteps(kind: StoreKind) async throws {
    try await kind.with { store in
      let count = StoreLimits.lapseBatchMax + 10
      _ = try await store.enqueue((0..<count).map { _ in newRun(queueTimeout: 1) }, identity: .random, now: 1_000)
      let first = try await store.lapse(now: 2_000)
      #expect(first.changes.count == StoreLimits.lapseBatchMax)
      #expect(first.next == 1_001)
      let second = try await store.lapse(now: 2_000)
      #expect(second.changes.count == 10)
      #expect(second.next == nil)
    }
  }

  @Test(arguments: StoreKind.all)
  func aQueuedRunStopsAtOnceAndALiveOneByItsAgent(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let waiting = try await store.enqueue(newRun(gpu))[0]
      _ = try await store.enqueue(newRun(cpu))
      let live = try await store.lease("a1", cpu)[0]
      #expect(try await store.requestStop(run: waiting.id, by: "ann", now: 1_001).state == .stopped)
      let before = try await store.orders(for: "a1")
      #expect(before.stops.isEmpty)
      let asked = try await store.requestStop(run: live.id, by: "ann", now: 1_002)
      #expect(asked.state == .leased)
      #expect(asked.stopRequested)
      let orders = try await store.orders(for: "a1")
      #expect(orders.stops == [live.holding])
      #expect(orders.number > before.number)
      // Asking again is no new order.
      _ = try await store.requestStop(run: live.id, by: "bob", now: 1_003)
      #expect(try await store.orders(for: "a1") == orders)
      #expect(try await store.update("a1", live, ending: Ending(.stopped, .stopped), now: 1_004) == nil)
      #expect(try await store.orders(for: "a1").stops.isEmpty)
      let events = try await store.events(of: live.id)
      #expect(events.contains { $0.message == "stop asked for by ann" && $0.to == .leased })
      let ended = try await store.require(live.id)
      #expect(try await store.requestStop(run: live.id, by: "ann", now: 1_005) == ended)
      try await refuses(.notFound) { try await store.requestStop(run: "nowhere1", by: "ann", now: 1) }
    }
  }

  @Test(arguments: StoreKind.all)
  func aStoppedRunIsNeverTriedAgainByItself(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      _ = try await store.enqueue(newRun(retry: RetryPolicy(max: 5, on: Set(RetryPolicy.Cause.allCases))))
      let run = try await store.lease("a1", cpu)[0]
      _ = try await store.requestStop(run: run.id, by: "ann", now: 1_001)
      #expect(try await store.lapse(now: 2_000).changes.map(\.step) == ["leased->stopped"])
      let again = try await store.retry(run: run.id, by: "bob", now: 2_001)
      #expect(again.state == .queued)
      #expect(!again.stopRequested)
      #expect(try await store.lease("a1", cpu, now: 2_002)[0].attempt == 2)
      let events = try await store.events(of: run.id)
      #expect(events.contains { $0.message == "queued again by bob" && $0.from == .stopped })
    }
  }

  @Test(arguments: StoreKind.all)
  func onlyWhatEndedBadlyIsRetriedByAPerson(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let waiting = try await store.enqueue(newRun())[0]
      try await refuses(.refused) { try await store.retry(run: waiting.id, by: "ann", now: 1) }
      let run = try await store.lease("a1", cpu)[0]
      for state in [RunState.building, .starting] { _ = try await store.update("a1", run, state) }
      _ = try await store.update("a1", run, ending: .exited(0))
      try await refuses(.refused) { try await store.retry(run: run.id, by: "ann", now: 1) }
      #expect(try await store.require(run.id).state == .succeeded)
    }
  }
}
