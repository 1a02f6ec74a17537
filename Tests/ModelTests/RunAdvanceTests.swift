import Testing

@testable import Model

struct RunAdvanceTests {
  static func run(retry: RetryPolicy = .never) -> Run {
    Run(
      id: "abcd1234", name: "calm-lake-1", entity: "e", project: "p", queue: QueueID(entity: "e", name: "q"),
      spec: RunSpec(
        job: nil, source: Source(kind: .code, entryPoint: ["./run"]), overrides: Overrides(), target: "process",
        resource: [:], needs: [], timeout: nil, grace: 1, retriesLost: false, generation: 1),
      author: "ana", retry: retry, createdAt: 100)
  }

  @Test func everyStateHasARowInTheTableAndSuccessIsFinal() {
    #expect(Set(RunState.legal.keys) == Set(RunState.allCases))
    #expect(RunState.legal[.succeeded] == [])
    #expect(RunState.allCases.allSatisfy { !$0.canBecome($0) })
  }

  @Test func aRunGoesFromQueuedToFinished() throws {
    var run = Self.run()
    try run.lease(to: "a1", epoch: 7, now: 101)
    #expect(run.attempt == 1 && run.leaseUntil == 101 + Limits.leaseSeconds)
    try run.progress(to: .starting, message: nil, now: 102)
    try run.progress(to: .running, message: nil, now: 103)
    #expect(run.startedAt == 103)
    try run.end(.exited(0), now: 104)
    #expect(run.state == .succeeded && run.exitCode == 0 && run.finishedAt == 104 && run.leaseUntil == nil)
    #expect(throws: RunRefusal.illegal(from: .succeeded, to: .queued)) { try run.retryByPerson(now: 105) }
  }

  @Test(arguments: [
    (Ending.exited(7), "exit code 7"), (.signalled(9), "signal 9"),
    (Ending(.failed, .build, message: "pip says no"), "pip says no"),
  ]) func aRetrySaysAfterWhat(ending: Ending, text: String) throws {
    var run = Self.run(retry: RetryPolicy(max: 2, on: Set(RetryPolicy.Cause.allCases)))
    try run.lease(to: "a1", epoch: 7, now: 101)
    try run.progress(to: .starting, message: nil, now: 102)
    try run.end(ending, now: 104)
    #expect(run.state == .queued && run.message == "retry 1 of 2 after: \(text)")
  }

  @Test func aPersonCannotRetryWhatIsStillAlive() throws {
    var run = Self.run()
    try run.lease(to: "a1", epoch: 7, now: 101)
    #expect(throws: RunRefusal.illegal(from: .leased, to: .queued)) { try run.retryByPerson(now: 102) }
    try run.progress(to: .starting, message: nil, now: 102)
    try run.progress(to: .running, message: nil, now: 103)
    #expect(throws: RunRefusal.illegal(from: .running, to: .queued)) { try run.retryByPerson(now: 104) }
    #expect(run.state == .running)
  }

  @Test func aWriteOfAnOlderLeaseIsRefused() throws {
    var run = Self.run()
    try run.lease(to: "a1", epoch: 7, now: 101)
    try run.lapse(now: 140)
    try run.lease(to: "a2", epoch: 9, now: 141)
    #expect(throws: RunRefusal.stale(attempt: 2, epoch: 9)) { try run.requireLive(attempt: 1, epoch: 7) }
    #expect(throws: RunRefusal.stale(attempt: 2, epoch: 9)) { try run.requireLive(attempt: 2, epoch: 7) }
    #expect(throws: RunRefusal.stale(attempt: 2, epoch: 9)) { try run.requireLive(attempt: 1, epoch: 9) }
  }

  @Test func aLapseBeforeStartQueuesAgainAndOneAfterStartLosesTheRun() throws {
    var run = Self.run()
    try run.lease(to: "a1", epoch: 1, now: 0)
    try run.progress(to: .building, message: nil, now: 1)
    try run.lapse(now: 50)
    #expect(run.state == .queued && run.retries == 0)
    try run.lease(to: "a1", epoch: 2, now: 51)
    try run.progress(to: .starting, message: nil, now: 52)
    try run.lapse(now: 100)
    #expect(run.state == .lost)
    #expect(VisibleState(run.state, reason: run.reason, served: true) == .crashed)
    try run.progress(to: .running, message: nil, now: 101)
    #expect(run.state == .running && run.finishedAt == nil)
  }

  @Test func onlyWhatTheOwnerAllowsIsTriedAgain() throws {
    var run = Self.run(retry: RetryPolicy(max: 2, on: [.lost], delay: 5))
    for epoch in 1...2 {
      try run.lease(to: "a", epoch: Int64(epoch), now: 0)
      try run.progress(to: .starting, message: nil, now: 1)
      try run.lapse(now: 40)
      #expect(run.state == .queued && run.retries == epoch)
      #expect(run.notBefore == 40 + 5 * Double(epoch))
    }
    try run.lease(to: "a", epoch: 3, now: 60)
    try run.progress(to: .starting, message: nil, now: 61)
    try run.end(.exited(3), now: 62)
    #expect(run.state == .failed && run.exitCode == 3)
  }

  @Test func retriesWaitTwiceAsLongEachTimeUpToABoundAndComeToAnEnd() {
    let policy = RetryPolicy(max: 4, on: [.failed], delay: 10, delayMax: 35)
    let delays = (0...5).map { policy.delay(after: .failed, reason: .exit, retries: $0) }
    #expect(delays == [10, 20, 35, 35, nil, nil])
  }

  @Test func aStopRequestOutweighsRetry() throws {
    var run = Self.run(retry: RetryPolicy(max: 9, on: [.failed, .lost]))
    try run.lease(to: "a", epoch: 1, now: 0)
    try run.progress(to: .starting, message: nil, now: 1)
    try run.requestStop(now: 2)
    #expect(run.state == .starting && run.stopRequested)
    try run.end(.exited(1), now: 3)
    #expect(run.state == .failed)
    var waiting = Self.run()
    try waiting.requestStop(now: 1)
    #expect(waiting.state == .stopped)
  }

  /// Random events never bring a run into a state that the table does not allow, and a settled success never changes.
  @Test(arguments: 0..<50) func randomEventsKeepTheInvariants(seed: Int) {
    var random = SplitMix(UInt64(seed))
    var run = Self.run(retry: RetryPolicy(max: 3, on: Set(RetryPolicy.Cause.allCases)))
    var epoch: Int64 = 0
    for step in 0..<200 {
      let before = run
      let now = Double(step)
      switch Int.random(in: 0..<7, using: &random) {
      case 0:
        epoch += 1
        try? run.lease(to: "a", epoch: epoch, now: now)
      case 1:
        try? run.progress(
          to: [.building, .starting, .running].randomElement(using: &random) ?? .running, message: nil, now: now)
      case 2: try? run.end(.exited(Int.random(in: 0...2, using: &random)), now: now)
      case 3: try? run.lapse(now: now)
      case 4: try? run.requestStop(now: now)
      case 5: try? run.retryByPerson(now: now)
      default: try? run.end(Ending(.lost, .lost), now: now)
      }
      #expect(run.state.isLeased == (run.leaseUntil != nil), "a leased run always has a deadline")
      #expect(run.attempt >= before.attempt && run.epoch >= before.epoch)
      if before.state == .succeeded { #expect(run.state == .succeeded) }
    }
  }
}

/// A small seeded generator, so that a failing case can be run again.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
