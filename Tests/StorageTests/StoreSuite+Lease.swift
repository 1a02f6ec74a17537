import Model
import Storage
import Synchronization
import Testing

extension StoreSuite {
  @Test(arguments: StoreKind.all)
  func runsAreHandedOutFirstInFirstOut(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      // Submitted with clocks that disagree: what counts is who came first.
      var ids: [String] = []
      for at in [1_000.0, 900, 1_100, 950] { ids += try await store.enqueue(newRun(at: at)).map(\.id) }
      let two = try await store.lease("a1", cpu, room: 2)
      let rest = try await store.lease("a1", cpu, room: 9)
      #expect((two + rest).map(\.id) == ids)
      #expect(try await store.lease("a1", cpu).isEmpty)
    }
  }

  /// An answer that its reader cannot take would be lost, and the leases with it.
  @Test func oneLeaseHandsOutNoMoreThanItsReaderTakes() async throws {
    let store = try SQLiteStore()
    try await store.join("a1")
    var large = newRun()
    large.run.spec.overrides.args = [String(repeating: "x", count: StoreLimits.leaseBytesMax / 4)]
    let ids = try await store.enqueue(large, large, large, large, large, large, newRun()).map(\.id)
    let first = try await store.lease("a1", cpu, room: 9)
    #expect(first.map(\.id) == Array(ids.prefix(4)))
    #expect(try await store.lease("a1", cpu, room: 9).map(\.id) == Array(ids.dropFirst(4)))
    await store.close()
  }

  @Test(arguments: StoreKind.all)
  func aLeasedRunHasHolderAttemptEpochAndDeadline(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let queued = try await store.enqueue(newRun(), newRun())
      let leased = try await store.lease("a1", cpu, room: 2, now: 2_000)
      #expect(leased.map(\.state) == [.leased, .leased])
      #expect(leased.map(\.attempt) == [1, 1])
      #expect(leased.map(\.agent) == ["a1", "a1"])
      #expect(leased.map(\.leaseUntil) == [2_000 + Limits.leaseSeconds, 2_000 + Limits.leaseSeconds])
      #expect(leased[0].epoch < leased[1].epoch)
      #expect(leased.map(\.spec) == queued.map(\.spec))
      #expect(try await store.run(leased[0].id) == leased[0])
      #expect(try await store.runs(heldBy: "a1") == leased)
    }
  }

  @Test(arguments: StoreKind.all)
  func prioritiesCountOnlyWhereTheQueueHasThem(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let order: [Priority] = [.low, .high, .medium, .critical, .high]
      for _ in 0..<2 {
        for priority in order { _ = try await store.enqueue(newRun(priority: priority)) }
      }
      let first = try await store.lease("a1", cpu, room: 5, priorities: false)
      #expect(first.map(\.priority) == order)
      let second = try await store.lease("a1", cpu, room: 5, priorities: true)
      #expect(second.map(\.priority) == [.critical, .high, .high, .medium, .low])
    }
  }

  @Test(arguments: StoreKind.all)
  func aRunThatIsNotCoveredHoldsUpNoneBehindItAndEachNeedSetIsAskedForOnce(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      var runs: [Run] = []
      for index in 0..<60 {
        runs += try await store.enqueue(newRun(needs: index % 3 == 0 ? [] : [need(index % 3 == 1 ? "slurm" : "x")]))
      }
      let asked = Mutex<[[String]]>([])
      let queue = LeaseQueue(cpu) { needs in
        asked.withLock { $0.append(needs.map(\.text)) }
        return !needs.contains { $0.text == "driver slurm" }
      }
      let leased = try await store.lease(to: "a1", from: [queue], room: 100, now: 1_000)
      #expect(leased.map(\.id) == runs.filter { $0.spec.needs != [need("slurm")] }.map(\.id))
      #expect(Set(asked.withLock { $0 }) == [[], ["driver slurm"], ["driver x"]])
      #expect(asked.withLock { $0.count } == 3)
      let left = try await store.counts(queue: cpu).first { $0.state == .queued }
      #expect(left?.count == 20)
      #expect(left?.needs.map(\.text) == ["driver slurm"])
    }
  }

  @Test(arguments: StoreKind.all)
  func queuesTakeTurnsEvenForAnAgentWithRoomForOne(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      for _ in 0..<6 { _ = try await store.enqueue(newRun(cpu), newRun(gpu)) }
      var given: [QueueID: Int] = [:]
      for _ in 0..<6 { given[try await store.lease("a1", cpu, gpu)[0].queue, default: 0] += 1 }
      #expect(given == [cpu: 3, gpu: 3])
      // Also where another agent leases in between, in step with it.
      try await store.join("a2")
      let other = QueueID(entity: "research", name: "other")
      given = [:]
      for _ in 0..<4 {
        _ = try await store.enqueue(newRun(cpu), newRun(gpu), newRun(other))
        given[try await store.lease("a1", cpu, gpu)[0].queue, default: 0] += 1
        _ = try await store.lease("a2", other)
      }
      #expect(given == [cpu: 2, gpu: 2])
      let rest = try await store.lease("a1", cpu, gpu, room: 10)
      #expect(Dictionary(grouping: rest, by: \.queue).mapValues(\.count) == [cpu: 5, gpu: 5])
    }
  }

  @Test(arguments: StoreKind.all)
  func aPausedQueueHandsOutNothingAndADrainingOneWhatItHas(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      _ = try await store.enqueue(newRun(), newRun())
      try await store.setGate(.paused, of: cpu)
      #expect(try await store.lease("a1", cpu).isEmpty)
      #expect(try await store.gates() == [cpu: .paused])
      try await store.setGate(.draining, of: cpu)
      #expect(try await store.lease("a1", cpu).count == 1)
      try await store.setGate(.open, of: cpu)
      #expect(try await store.lease("a1", cpu).count == 1)
      #expect(try await store.gates() == [:])
    }
  }

  @Test(arguments: StoreKind.all)
  func nothingGoesToAnAgentThatIsUnknownDrainingLeavingOrRefused(kind: StoreKind) async throws {
    try await kind.with { store in
      _ = try await store.enqueue(newRun())
      try await refuses(.notFound) { try await store.lease("nobody", cpu) }
      try await store.join("a1")
      try await store.setDraining(true, agent: "a1")
      #expect(try await store.lease("a1", cpu).isEmpty)
      try await store.setDraining(false, agent: "a1")
      _ = try await store.report(AgentReport(holding: [], draining: true), from: "a1", now: 1_000)
      #expect(try await store.lease("a1", cpu).isEmpty)
      _ = try await store.report(AgentReport(holding: []), from: "a1", now: 1_000)
      let gap = Coverage.Gap(need: need("slurm"), fact: "no driver")
      try await store.setRefusal(Coverage.Report(agent: "a1", entries: [.init(queue: "cpu", gap: gap)]), agent: "a1")
      #expect(try await store.lease("a1", cpu).isEmpty)
      try await store.setRefusal(nil, agent: "a1")
      #expect(try await store.lease("a1", cpu).count == 1)
    }
  }

  @Test(arguments: StoreKind.all)
  func noMoreAttemptsLiveThanTheQueueAllows(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      try await store.join("a2")
      for _ in 0..<10 { _ = try await store.enqueue(newRun()) }
      let first = try await store.lease("a1", cpu, room: 10, concurrency: 3)
      #expect(first.count == 3)
      #expect(try await store.lease("a2", cpu, room: 10, concurrency: 3).isEmpty)
      for state in [RunState.building, .starting, .running] {
        #expect(try await store.update("a1", first[0], state) == nil)
        #expect(try await store.lease("a2", cpu, room: 10, concurrency: 3).isEmpty)
      }
      #expect(try await store.update("a1", first[0], ending: .exited(0)) == nil)
      #expect(try await store.lease("a2", cpu, room: 10, concurrency: 3).count == 1)
      #expect(try await store.lease("a2", cpu, room: 10, concurrency: 2).isEmpty)
      #expect(try await store.lease("a2", cpu, room: 10).count == 6)
    }
  }

  @Test(arguments: StoreKind.all)
  func aDelayedRetryIsNotHandedOutBeforeItsTime(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let retry = RetryPolicy(max: 1, on: [.failed], delay: 60)
      let run = try await store.enqueue(newRun(retry: retry))[0]
      let leased = try await store.lease("a1", cpu, now: 1_000)[0]
      #expect(try await store.update("a1", leased, .building, now: 1_000) == nil)
      #expect(try await store.update("a1", leased, .starting, now: 1_000) == nil)
      #expect(try await store.update("a1", leased, ending: .exited(3), now: 1_005) == nil)
      #expect(try await store.position(of: run.id, priorities: false)?.notBefore == 1_065)
      let other = try await store.enqueue(newRun(at: 1_010), now: 1_010)[0]
      #expect(try await store.lease("a1", cpu, room: 9, now: 1_064).map(\.id) == [other.id])
      #expect(try await store.lapse(now: 1_064).next == 1_065)
      let again = try await store.lease("a1", cpu, room: 9, now: 1_065)
      #expect(again.map(\.id) == [run.id])
      #expect(again[0].attempt == 2)
      #expect(again[0].epoch > leased.epoch)
      #expect(again[0].retries == 1)
    }
  }

  @Test(arguments: StoreKind.all)
  func agentsThatLeaseAtOnceNeverShareARunNorExceedTheLimit(kind: StoreKind) async throws {
    try await kind.with { store in
      let agents = (0..<8).map { "agent-\($0)" }
      for agent in agents { try await store.join(agent) }
      _ = try await store.enqueue((0..<400).map { _ in newRun(cpu) }, identity: .random, now: 1)
      _ = try await store.enqueue((0..<400).map { _ in newRun(gpu) }, identity: .random, now: 1)
      let given = try await withThrowingTaskGroup(of: [Run].self) { group in
        for agent in agents {
          group.addTask {
            var mine: [Run] = []
            for _ in 0..<40 {
              mine += try await store.lease(
                to: agent,
                from: [
                  LeaseQueue(cpu, covers: { _ in true }), LeaseQueue(gpu, concurrency: 25, covers: { _ in true }),
                ],
                room: 3, now: 1_000)
            }
            return mine
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(given.filter { $0.queue == cpu }.count == 400)
      #expect(given.filter { $0.queue == gpu }.count == 25)
      #expect(Set(given.map(\.id)).count == 425)
      #expect(Set(given.map(\.epoch)).count == 425)
    }
  }
}
