import Model
import Storage
import Testing

extension StoreSuite {
  /// One run, leased by `a1` at 1 000.
  private func leased(
    _ store: any Store, retry: RetryPolicy = .never, at now: Double = 1_000
  ) async throws -> Run {
    try await store.join("a1")
    _ = try await store.enqueue(newRun(retry: retry))
    return try await store.lease("a1", cpu, now: now)[0]
  }

  @Test(arguments: StoreKind.all)
  func aRunIsFollowedToItsEndWithTimesOfTheAgent(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      let updates = [
        RunUpdate(run.holding, state: .building, message: "installing numpy", at: 1_001),
        RunUpdate(run.holding, state: .starting, at: 1_002), RunUpdate(run.holding, state: .running, at: 1_003),
        RunUpdate(run.holding, ending: .exited(7), at: 1_009),
      ]
      let receipt = try await store.report(AgentReport(holding: [], updates: updates), from: "a1", now: 1_010)
      #expect(receipt == AgentReceipt(refusals: [nil, nil, nil, nil], gone: []))
      let ended = try await store.require(run.id)
      #expect(ended.state == .failed)
      #expect(ended.reason == .exit)
      #expect(ended.exitCode == 7)
      #expect(ended.startedAt == 1_003)
      #expect(ended.finishedAt == 1_009)
      #expect(ended.leaseUntil == nil)
      #expect(ended.agent == "a1")
      let events = try await store.events(of: run.id)
      #expect(events.map(\.to) == [.queued, .leased, .building, .starting, .running, .failed])
      #expect(events.map(\.from) == [nil, .queued, .leased, .building, .starting, .running])
      #expect(events.map(\.at) == [1_000, 1_000, 1_001, 1_002, 1_003, 1_009])
      #expect(events[2].message == "installing numpy")
      #expect(events.last?.exitCode == 7)
      #expect(events.last?.agent == "a1")
    }
  }

  @Test(arguments: StoreKind.all)
  func theSameReportTwiceIsAsOnce(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      let report = AgentReport(
        holding: [],
        updates: [
          RunUpdate(run.holding, state: .building, at: 1_001), RunUpdate(run.holding, state: .starting, at: 1_001),
          RunUpdate(run.holding, state: .running, at: 1_002), RunUpdate(run.holding, ending: .exited(0), at: 1_003),
        ], samples: [Sample(run: run.id, at: 1_002, cpu: 1.5, memory: 1 << 33)])
      _ = try await store.report(report, from: "a1", now: 1_004)
      let once = try await store.require(run.id)
      let events = try await store.events(of: run.id)
      _ = try await store.report(report, from: "a1", now: 1_050)
      #expect(try await store.require(run.id) == once)
      #expect(try await store.events(of: run.id) == events)
      #expect(try await store.usage(of: run.id, points: 9) == report.samples)
    }
  }

  @Test(arguments: StoreKind.all)
  func anEndIsNotQueuedAgainTwiceWhenItsReportIsSentAgain(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store, retry: RetryPolicy(max: 3, on: [.failed]))
      for state in [RunState.building, .starting, .running] { _ = try await store.update("a1", run, state) }
      #expect(try await store.update("a1", run, ending: .exited(1)) == nil)
      #expect(try await store.require(run.id).retries == 1)
      #expect(try await store.update("a1", run, ending: .exited(1)) == .stale(attempt: 1, epoch: run.epoch))
      let again = try await store.require(run.id)
      #expect(again.retries == 1)
      #expect(again.state == .queued)
      // The attempt's end is in the history, although the run has forgotten it.
      let steps = try await store.events(of: run.id).suffix(2)
      #expect(steps.map(\.to) == [.failed, .queued])
      #expect(steps.first?.exitCode == 1)
    }
  }

  @Test(arguments: StoreKind.all)
  func writesOfAnOlderLeaseAreRefusedAndChangeNothing(kind: StoreKind) async throws {
    try await kind.with { store in
      let old = try await leased(store)
      try await store.join("a2")
      _ = try await store.lapse(now: 1_000 + Limits.leaseSeconds)
      let new = try await store.lease("a2", cpu, now: 1_100)[0]
      #expect(new.id == old.id)
      #expect(new.attempt == 2)
      let receipt = try await store.report(
        AgentReport(
          holding: [old.holding],
          updates: [
            RunUpdate(old.holding, state: .building, at: 1_100), RunUpdate(old.holding, ending: .exited(0), at: 1_100),
            RunUpdate(old.holding, at: 1_100), RunUpdate(Holding(run: "nowhere1", attempt: 1, epoch: 1), at: 1_100),
          ], samples: [Sample(run: old.id, at: 1_100, cpu: 1)]), from: "a1", now: 1_101)
      let stale = RunRefusal.stale(attempt: 2, epoch: new.epoch)
      #expect(receipt == AgentReceipt(refusals: [stale, stale, stale, .unknown], gone: [old.holding]))
      #expect(try await store.require(new.id) == new)
      #expect(try await store.usage(of: new.id, points: 9).isEmpty)
      try await refuses(.refused) { try await store.logGrew(old.holding, size: 10) }
    }
  }

  @Test(arguments: StoreKind.all)
  func anotherAgentCannotWriteEvenWithTheRightNumbers(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      try await store.join("a2")
      #expect(try await store.update("a2", run, ending: .exited(0)) == .stale(attempt: 1, epoch: run.epoch))
      #expect(try await store.require(run.id) == run)
    }
  }

  @Test(arguments: StoreKind.all)
  func aHeartbeatRenewsWhatTheAgentHoldsAndTellsWhatIsGone(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      let receipt = try await store.report(AgentReport(holding: [run.holding]), from: "a1", now: 1_020)
      #expect(receipt.gone.isEmpty)
      #expect(try await store.require(run.id).leaseUntil == 1_020 + Limits.leaseSeconds)
      #expect(try await store.agent("a1")?.agent.heartbeatAt == 1_020)
      #expect(try await store.lapse(now: 1_020 + Limits.leaseSeconds - 0.1).changes.isEmpty)
      #expect(try await store.update("a1", run, ending: Ending(.failed, .build), now: 1_030) == nil)
      let after = try await store.report(AgentReport(holding: [run.holding]), from: "a1", now: 1_040)
      #expect(after.gone == [run.holding])
      try await refuses(.notFound) { try await store.report(AgentReport(holding: []), from: "nobody", now: 1) }
    }
  }

  @Test(arguments: StoreKind.all)
  func aLostRunIsRunningAgainWhenItsAgentIsHeardFrom(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      for state in [RunState.building, .starting, .running] { _ = try await store.update("a1", run, state, now: 1_001) }
      let lapse = try await store.lapse(now: 1_001 + Limits.leaseSeconds)
      #expect(lapse.changes.map(\.step) == ["running->lost"])
      #expect(try await store.require(run.id).state == .lost)
      let receipt = try await store.report(AgentReport(holding: [run.holding]), from: "a1", now: 1_100)
      #expect(receipt.gone.isEmpty)
      let found = try await store.require(run.id)
      #expect(found.state == .running)
      #expect(found.startedAt == 1_001)
      #expect(found.leaseUntil == 1_100 + Limits.leaseSeconds)
      #expect(try await store.update("a1", run, ending: .exited(0), now: 1_101) == nil)
      #expect(try await store.require(run.id).state == .succeeded)
    }
  }

  @Test(arguments: StoreKind.all)
  func aLeaseThatIsGivenBackUnstartedIsQueuedAgain(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      #expect(try await store.update("a1", run) == nil)
      let back = try await store.require(run.id)
      #expect(back.state == .queued)
      #expect(back.agent == nil)
      #expect(try await store.update("a1", run, ending: .exited(0)) == .stale(attempt: 1, epoch: run.epoch))
    }
  }

  @Test(arguments: StoreKind.all)
  func anAgentsClockCannotMoveARunIntoTheFutureOrThePast(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      for (state, at) in [(RunState.building, 5), (.starting, 9e9), (.running, -1)] as [(RunState, Double)] {
        let update = RunUpdate(run.holding, state: state, at: at)
        _ = try await store.report(AgentReport(holding: [], updates: [update]), from: "a1", now: 1_010)
      }
      let update = RunUpdate(run.holding, ending: .exited(0), at: .infinity)
      _ = try await store.report(AgentReport(holding: [], updates: [update]), from: "a1", now: 1_020)
      let ended = try await store.require(run.id)
      #expect(ended.startedAt == 1_000)
      #expect(ended.finishedAt == 1_020)
    }
  }

  @Test(arguments: StoreKind.all)
  func anIllegalStepIsRefusedAndThoseAfterItAreTaken(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      let updates = [
        RunUpdate(run.holding, state: .running, at: 1_000), RunUpdate(run.holding, state: .queued, at: 1_000),
        RunUpdate(run.holding, ending: Ending(.running, .exit), at: 1_000),
        RunUpdate(run.holding, state: .building, at: 1_000),
      ]
      let receipt = try await store.report(AgentReport(holding: [], updates: updates), from: "a1", now: 1_000)
      #expect(
        receipt.refusals == [
          .illegal(from: .leased, to: .running), .illegal(from: .leased, to: .queued),
          .illegal(from: .leased, to: .running), nil,
        ])
      #expect(try await store.require(run.id).state == .building)
    }
  }

  @Test(arguments: StoreKind.all)
  func aLogOnlyGrows(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      try await store.logGrew(run.holding, size: 100)
      try await store.logGrew(run.holding, size: 40)
      #expect(try await store.require(run.id).logSize == 100)
      try await refuses(.notFound) {
        try await store.logGrew(Holding(run: "nowhere1", attempt: 1, epoch: 1), size: 1)
      }
    }
  }

  @Test(arguments: StoreKind.all)
  func usageIsThinnedToWhatIsAskedForAndKeepsThePeaksOfMemory(kind: StoreKind) async throws {
    try await kind.with { store in
      let run = try await leased(store)
      let samples = (0..<1_000).map {
        Sample(run: run.id, at: 1_000 + Double($0), cpu: Double($0 % 2), memory: $0 == 501 ? 9_999 : 10)
      }
      let bad = [Sample(run: run.id, at: .nan, cpu: 5), Sample(run: "nowhere1", at: 1_000, cpu: 5)]
      _ = try await store.report(AgentReport(holding: [], samples: samples + bad), from: "a1", now: 3_000)
      let thin = try await store.usage(of: run.id, points: 10)
      #expect(thin.count == 10)
      #expect(thin.map(\.at) == thin.map(\.at).sorted())
      #expect(thin.allSatisfy { abs(($0.cpu ?? 0) - 0.5) < 0.02 })
      #expect(thin.compactMap(\.memory).max() == 9_999)
      #expect(thin.allSatisfy { $0.gpu == nil && $0.gpuMemory == nil })
      #expect(try await store.usage(of: run.id, points: 1_000) == samples)
      #expect(try await store.usage(of: run.id, points: 0).isEmpty)
      try await refuses(.notFound) { try await store.usage(of: "nowhere1", points: 1) }
    }
  }
}
