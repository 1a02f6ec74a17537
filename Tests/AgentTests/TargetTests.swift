import AgentTesting
import Model
import Scripting
import Synchronization
import Testing

@testable import Agent

/// A target that is not on the agent's machine: what was started there outlives agents, and the way there is not always
/// open.
@Suite(.timeLimit(.minutes(1))) struct TargetTests {
  let site: Site
  let driver = FakeDriver(target: "process", provides: [.codeSource, .stop, .list, .watch])

  init() throws { site = try Site(speed: 10) }

  private func live<T>(_ body: () async throws -> T) async throws -> T {
    try await site.living(site.agent(drivers: [driver]), body)
  }

  /// Looks now and then at what no one tells about.
  private func until(_ condition: () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(2)) }
  }

  // MARK: Watching

  @Test func aTargetIsWatchedForAsLongAsRunsAreOnIt() async throws {
    driver.set { $0.first = Observation(.running) }
    try await live {
      try await site.submit("true")
      try await until { driver.state.withLock { $0.wake != nil } }
      driver.set { $0.started["aaaaaaaa-1"] = Observation(.succeeded, exitCode: 0) }
      _ = try await site.server.settled("aaaaaaaa")
      try await until { driver.state.withLock { $0.wake == nil } }
      #expect(driver.state.withLock { $0.watches } == 1)
    }
  }

  @Test func aWatchThatFailsIsTriedAgainAndToldOnce() async throws {
    let failure = DriverFailure(.bug, "attempt to index a nil value")
    driver.set {
      $0.first = Observation(.running)
      $0.watchFailures = [failure, failure, failure]
    }
    try await live {
      try await site.submit("true")
      try await until { driver.state.withLock { $0.wake != nil } }
      #expect(driver.state.withLock { $0.watches } == 4)
      #expect(site.events("watch_failed").count == 1)
      // Polls go on: a broken watch takes no target out of service.
      driver.set { $0.started["aaaaaaaa-1"] = Observation(.succeeded, exitCode: 0) }
      #expect(try await site.server.settled("aaaaaaaa").state == .succeeded)
    }
  }

  @Test func newsOfTheTargetHaveItsRunsLookedAtAtOnce() async throws {
    // A clock that stands still: nothing is looked at because its time has come.
    let time = Mutex(100.0)
    let clock = AgentClock(
      now: { 0 }, uptime: { time.withLock { $0 } }, sleep: { _ in try await Task.sleep(for: .seconds(3_600)) },
      random: { 0.5 }, machineStart: "test")
    driver.set { $0.started["aaaaaaaa-1"] = Observation(.running) }
    let target = Target(driver, clock: clock, log: { _ in }, samples: { _ in }, suspect: {})
    let run = Run(
      id: "aaaaaaaa", name: "n", entity: "e", project: "p", queue: QueueID(entity: "e", name: "q"),
      spec: .code("", []), author: "a", createdAt: 0)
    var lease = Lease(run, now: 0)
    lease.attempt = 1
    target.poller.add(Charge(lease, leaseEnd: 1_000), ["token": "aaaaaaaa-1"], soon: false)
    let polling = Task { await target.poller.run(target) }
    defer { polling.cancel() }
    #expect(driver.count("poll") == 0)
    target.poller.wakeAll()
    try await until { driver.count("poll") == 1 }
    // Many at once are one look, when a tenth of a second is over.
    for _ in 0..<20 { target.poller.wakeAll() }
    #expect(driver.count("poll") == 1)
    time.withLock { $0 = 100.11 }
    target.poller.wakeAll()
    try await until { driver.count("poll") == 2 }
  }

  @Test func runsThatBeganApartAreLookedAtTogetherInTheEnd() {
    for most in [0.1, 0.25, 1.0, 2.0, 5.0, 30.0] {
      var meetings: Set<Double> = []
      for phase in stride(from: 0.0, to: 3.0, by: 0.07) {
        var (now, interval) = (1_000 + phase, 0.1)
        while now < 1_200 {
          let next = Poller.next(now, interval)
          #expect(next > now && next <= now + max(interval, 0.25) + 0.25, "\(next) after \(now) by \(interval)")
          (now, interval) = (next, min(interval * 1.6, most))
        }
        meetings.insert(now)
      }
      #expect(meetings.count == 1, "\(most): \(meetings)")
    }
  }

  // MARK: Orphans

  @Test func whatNoRunKnowsOfIsClearedAwayAtTheStart() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.started["zzzzzzzz-1"] = Observation(.running)
      $0.started["yyyyyyyy-3"] = Observation(.failed, exitCode: 1)
    }
    try await site.submit("true")
    try await live {
      try await until { site.events("orphan_cleared").count == 2 }
      try await until { driver.count("poll") > 3 && driver.count("start") == 1 }
      #expect(driver.state.withLock { $0.started.keys.sorted() } == ["aaaaaaaa-1"])
      #expect(await site.server.runs["aaaaaaaa"]?.state == .running)
    }
  }

  @Test func whatIsLeftBehindLaterIsClearedAwayLater() async throws {
    // It is looked for every five minutes.
    let site = try Site(speed: 200)
    try await site.living(site.agent(drivers: [driver])) {
      try await until { driver.count("list") == 1 }
      driver.set { $0.started["zzzzzzzz-1"] = Observation(.running) }
      try await until { site.events("orphan_cleared").count == 1 }
    }
    #expect(driver.state.withLock { $0.started.isEmpty })
  }

  @Test func aTargetThatIsNotWellIsNotSwept() async throws {
    driver.set {
      $0.health = Probe(.unhealthy, detail: "no route")
      $0.started["zzzzzzzz-1"] = Observation(.running)
    }
    try await live { try await site.clock.sleep(20) }
    #expect(driver.count("list") == 0)
  }

  @Test func aRunOfAnEarlierLifeIsNoOrphan() async throws {
    driver.set { $0.first = Observation(.running) }
    try await site.submit("true")
    try await live { try await until { driver.count("start") == 1 } }
    try await live {
      try await until { driver.count("list") >= 2 }
      #expect(await site.server.runs["aaaaaaaa"]?.attempt == 1)
      driver.set { $0.started["aaaaaaaa-1"] = Observation(.succeeded, exitCode: 0) }
      #expect(try await site.server.settled("aaaaaaaa").state == .succeeded)
    }
    #expect(site.events("orphan_cleared").isEmpty)
  }

  // MARK: Earlier attempts

  @Test func earlierAttemptsThatAreStillThereEndBeforeTheNextStarts() async throws {
    // Of another agent's data folder: no sweeper of this one sees them.
    let driver = FakeDriver(target: "process", provides: [.codeSource, .stop])
    driver.set {
      $0.started["aaaaaaaa-1"] = Observation(.running)
      $0.started["aaaaaaaa-3"] = Observation(.pending)
      // A cluster takes a stop and carries it out later.
      $0.stopTakes = 3
    }
    try await site.submit("true", attempts: 3)
    let run = try await site.living(site.agent(drivers: [driver])) { try await site.server.settled("aaaaaaaa") }
    #expect(run.state == .succeeded && run.attempt == 4)
    #expect(driver.state.withLock { $0.doubles }.isEmpty)
    let calls = driver.state.withLock { $0.calls }
    for token in ["aaaaaaaa-1", "aaaaaaaa-3"] {
      #expect(calls.contains { $0.name == "forget" && $0.token == token })
    }
    #expect(site.events("earlier_attempt").count == 2)
    #expect(await site.server.taken.contains { $0.message?.contains("ending attempt 3") == true })
  }

  @Test func aLostRunThatIsLeasedAgainByItsOwnAgentNeverLivesTwice() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.stopTakes = 2
    }
    try await live {
      try await site.submit("true", retry: RetryPolicy(max: 5, on: [.lost], delay: 0, delayMax: 0))
      for attempt in 1...4 {
        await site.server.until { $0.runs["aaaaaaaa"]?.attempt == attempt && $0.runs["aaaaaaaa"]?.state == .running }
        try await site.server.lapse("aaaaaaaa")
      }
      await site.server.until { $0.runs["aaaaaaaa"]?.attempt == 5 && $0.runs["aaaaaaaa"]?.state == .running }
      try await until { driver.state.withLock { $0.started.count } == 1 }
    }
    #expect(driver.state.withLock { $0.doubles }.isEmpty)
    #expect(driver.state.withLock { $0.started.keys.sorted() } == ["aaaaaaaa-5"])
  }

  @Test func aStopReachesARunThatWaitsForItsEarlierAttempt() async throws {
    driver.set {
      $0.started["aaaaaaaa-1"] = Observation(.running)
      $0.stopTakes = 1_000_000
    }
    try await site.submit("true", attempts: 1)
    let run = try await live {
      try await until { driver.count("kill") > 0 }
      try await site.server.stop("aaaaaaaa")
      return try await site.server.settled("aaaaaaaa")
    }
    #expect(run.state == .stopped)
    #expect(driver.count("start") == 0)
  }

  // MARK: A target that is away

  @Test func aTargetThatIsAwayForMinutesCostsNoRun() async throws {
    let site = try Site(speed: 50)
    let failure = DriverFailure(.unavailable, "no route to host", retry: .safe)
    driver.set { $0.startFailures = Array(repeating: (failure, false), count: 20) }
    try await site.submit("true")
    let run = try await site.living(site.agent(drivers: [driver])) { try await site.server.settled("aaaaaaaa") }
    #expect(run.state == .succeeded)
    #expect(await site.server.taken.contains { $0.message == "trying again: no route to host" })
  }

  @Test func whyARunCannotBeSeenIsToldAndThatItIsSeenAgain() async throws {
    driver.set { $0.first = Observation(.running) }
    try await live {
      try await site.submit("true")
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
      driver.set { $0.pollFailures = Array(repeating: DriverFailure(.unavailable, "no route to host"), count: 5) }
      await site.server.until { $0.runs["aaaaaaaa"]?.message?.contains("no route to host") == true }
      #expect(await site.server.runs["aaaaaaaa"]?.state == .running)
      await site.server.until { $0.runs["aaaaaaaa"]?.message == nil }
    }
  }

  @Test func anAgentThatComesBackWhileTheTargetIsAwaySaysSoOfARunningRun() async throws {
    driver.set { $0.first = Observation(.running) }
    try await site.submit("true")
    try await live { await site.server.until { $0.runs["aaaaaaaa"]?.state == .running } }
    driver.set { $0.pollFailures = Array(repeating: DriverFailure(.unavailable, "no route to host"), count: 1_000) }
    try await live {
      await site.server.until { $0.runs["aaaaaaaa"]?.message?.contains("no route to host") == true }
      #expect(await site.server.runs["aaaaaaaa"]?.state == .running)
    }
  }

  @Test func theOutputOfATargetThatIsAwayIsWaitedFor() async throws {
    let site = try Site(speed: 50)
    let driver = FakeDriver(target: "process", provides: [.codeSource, .stop, .logs])
    driver.set {
      $0.output = Array("all of it\n".utf8)
      // More than a target that just does not answer is given.
      $0.logFailures = Array(repeating: DriverFailure(.unavailable, "no route to host"), count: 30)
    }
    try await site.submit("true")
    _ = try await site.living(site.agent(drivers: [driver])) { try await site.server.settled("aaaaaaaa") }
    #expect(await site.server.log("aaaaaaaa-1") == "all of it\n")
  }

  @Test func whyARunWaitsOnItsTargetIsTold() async throws {
    driver.set { $0.first = Observation(.pending, message: "no node has 8 GPUs") }
    try await live {
      try await site.submit("true")
      await site.server.until { $0.runs["aaaaaaaa"]?.message == "no node has 8 GPUs" }
      #expect(await site.server.runs["aaaaaaaa"]?.state == .starting)
    }
  }
}
