import Agent
import AgentTesting
import Model
import Processes
import Scripting
import Testing

/// What the agent does about each kind of failure of a driver.
@Suite(.timeLimit(.minutes(1))) struct DriverFailureTests {
  let site: Site
  let driver = FakeDriver(target: "process", provides: [.codeSource, .stop, .logs])

  init() throws { site = try Site(speed: 10) }

  private func run(_ failures: [(DriverFailure, effect: Bool)]) async throws -> Run {
    driver.set { $0.startFailures = failures.map { (failure: $0.0, effect: $0.effect) } }
    return try await site.living(site.agent(drivers: [driver])) { try await site.run("true") }
  }

  @Test func whatIsSafeToRepeatIsRepeated() async throws {
    let failure = DriverFailure(.unavailable, "busy", retry: .safe)
    let run = try await run([(failure, false), (failure, false)])
    #expect(run.state == .succeeded)
    #expect(driver.count("start") == 3)
    #expect(driver.count("find") == 0)
  }

  @Test func aTargetThatAsksForPatienceGetsIt() async throws {
    let begin = site.clock.uptime()
    let run = try await run([(DriverFailure(.quota, "slow down", retry: .after(3)), false)])
    #expect(run.state == .succeeded)
    #expect(site.clock.uptime() - begin >= 3)
    #expect(await site.server.taken.contains { $0.message == "trying again: slow down" })
  }

  @Test func anUnknownEffectIsLookedForBeforeAnythingIsStartedAgain() async throws {
    let failure = DriverFailure(.timeout, "no answer", retry: .unknownEffect)
    let run = try await run([(failure, true)])
    #expect(run.state == .succeeded)
    #expect(driver.count("start") == 1)
    #expect(driver.count("find") == 1)
  }

  @Test func anUnknownEffectThatWasNoneIsStartedAgain() async throws {
    let failure = DriverFailure(.timeout, "no answer", retry: .unknownEffect)
    driver.set { $0.findFailures = [DriverFailure(.unavailable, "later", retry: .safe)] }
    let run = try await run([(failure, false)])
    #expect(run.state == .succeeded)
    #expect(driver.count("start") == 2)
    #expect(driver.count("find") == 2)
  }

  @Test func aFinalFailureFailsTheRunWithMessageAndHint() async throws {
    let run = try await run([(DriverFailure(.configInvalid, "no such partition", hint: "ask sinfo"), false)])
    #expect(run.state == .failed)
    #expect(run.reason == .start)
    #expect(run.message == "no such partition; ask sinfo")
    #expect(driver.count("start") == 1)
  }

  @Test func aFailureThatNeverPassesIsGivenUpInTheEnd() async throws {
    let failure = DriverFailure(.targetError, "away", retry: .safe)
    let run = try await run(Array(repeating: (failure, false), count: 100))
    #expect(run.state == .failed)
    #expect(run.message == "away")
    #expect(driver.count("start") > 3)
  }

  @Test func aPlanThatFailsIsAFailedStart() async throws {
    driver.set { $0.planFailure = DriverFailure(.configInvalid, "the resource has no image") }
    let run = try await run([])
    #expect(run.reason == .start)
    #expect(run.message == "the resource has no image")
    #expect(driver.count("start") == 0)
  }

  @Test func aPluginThatBreaksMayHaveStartedItAllTheSame() async throws {
    let run = try await run([(DriverFailure(.bug, "attempt to index a nil value"), true)])
    #expect(run.state == .succeeded)
    #expect(driver.count("start") == 1)
    #expect(driver.count("find") == 1)
  }

  @Test func aPluginThatBreaksAgainAndAgainGetsNoMoreRuns() async throws {
    let bug = DriverFailure(.bug, "attempt to index a nil value")
    driver.set { $0.startFailures = Array(repeating: (failure: bug, effect: false), count: 5) }
    try await site.living(site.agent(drivers: [driver], maxJobs: 1)) {
      // A find in between that works does not make a plugin whole.
      driver.set { $0.findFailures = Array(repeating: bug, count: 5) }
      for number in 0..<5 {
        let run = try await site.run("true", id: "run0000\(number)")
        #expect(run.reason == .start)
      }
      await site.server.until { server in
        server.reports.contains { $0.offer?.driver(for: "process")?.probe.health == .unhealthy }
      }
      let offer = await site.server.reports.compactMap(\.offer).last
      #expect(offer?.driver(for: "process")?.probe.detail.contains("5 times in a row") == true)
      // After a rest it is tried again.
      await site.server.until { server in
        server.reports.compactMap(\.offer).last?.driver(for: "process")?.probe.health == .healthy
      }
    }
    #expect(site.events("driver_out").count == 1)
  }

  @Test func aPluginThatAnswersNothingIsABrokenOneAndGetsNoMoreRuns() async throws {
    let folder = "\(site.root)/plugins/process"
    try Disk.makeFolder(folder)
    for (file, text) in [
      (
        "plugin.lua",
        """
        return driver {
          name = "process", version = "1.0.0", api = { 1 }, provides = { "source.code", "stop", "logs.tail" },
          resource = table {}, handle = { version = 1, shape = table {} },
        }
        """
      ),
      (
        "driver.lua",
        """
        local driver = {
          probe = function() return { health = "healthy" } end,
          plan = function() return {} end,
          poll = function() return { { state = "running" } } end,
          logs = function() return { bytes = "", done = true } end,
        }
        for _, name in ipairs { "start", "find", "stop", "forget" } do driver[name] = function() return nil, nil end end
        return driver
        """
      ),
    ] { try Disk.write("\(folder)/\(file)", Array(text.utf8)) }
    let plugins = "\(site.root)/plugins"
    let host = PluginHost(
      plugins: plugins, data: "\(site.root)/plugin-data", owner: "tester00", processes: site.processes,
      environment: [:], now: { 0 }, log: { _ in })
    let drivers = try await host.drivers(of: ConfigurationLoader(queues: nil, plugins: plugins).load())
    try await site.living(site.agent(drivers: drivers, maxJobs: 1)) {
      for number in 0..<5 {
        let run = try await site.run("true", id: "run0000\(number)")
        #expect(
          run.message == "driver.start of plugin `process` returned nothing, where it must return a handle; where it "
            + "cannot, write `return nil, fail { code = ..., message = ... }`")
      }
      await site.server.until { server in
        server.reports.contains { $0.offer?.driver(for: "process")?.probe.health == .unhealthy }
      }
    }
    #expect(site.events("driver_out").count == 1)
    #expect(site.events("driver_bug").first?.message.contains("return nil, fail") == true)
  }

  @Test func aStopThatFailsIsRepeatedUntilItIsObeyed() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.stopFailures = Array(repeating: DriverFailure(.unavailable, "away", retry: .safe), count: 3)
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await site.submit("true")
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
      try await site.server.stop("aaaaaaaa")
      #expect(try await site.server.settled("aaaaaaaa").state == .stopped)
      #expect(driver.count("stop") >= 4)
    }
  }

  @Test func aTargetThatCannotBeAskedIsNotTakenForLost() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.pollFailures = Array(repeating: DriverFailure(.unavailable, "no route"), count: 6)
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await site.submit("true")
      await site.server.until { $0.runs["aaaaaaaa"]?.message?.contains("no route") == true }
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
      driver.set { $0.started["aaaaaaaa-1"] = Observation(.failed, exitCode: 2, message: "the node says no") }
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.exitCode == 2)
      #expect(run.message == "the node says no")
    }
  }

  @Test func everyEndOfATargetHasItsWord() async throws {
    let rows: [(Observation, RunState, Reason, Int?)] = [
      (Observation(.succeeded, exitCode: 0), .succeeded, .exit, 0),
      (Observation(.failed, exitCode: 7), .failed, .exit, 7),
      (Observation(.failed, signal: 11), .failed, .signal, 139),
      (Observation(.failed, signal: 9, outOfMemory: true), .failed, .outOfMemory, 137),
      (Observation(.failed, exitCode: 137, outOfMemory: true), .failed, .outOfMemory, 137),
      (Observation(.preempted), .failed, .preempted, nil), (Observation(.lost), .lost, .lost, nil),
    ]
    try await site.living(site.agent(drivers: [driver])) {
      for (index, row) in rows.enumerated() {
        driver.set { $0.first = row.0 }
        let run = try await site.run("true", id: "run0000\(index)")
        #expect(run.state == row.1)
        #expect(run.reason == row.2)
        #expect(run.exitCode == row.3)
      }
    }
  }

  @Test func outputIsCarriedOnByTheDriversOwnCursor() async throws {
    driver.set { $0.output = Array("0123456789".utf8) }
    let run = try await run([])
    #expect(run.state == .succeeded)
    #expect(await site.server.log("aaaaaaaa-1") == "0123456789")
  }

  /// A heartbeat that still named it would have the server take it for alive again.
  @Test func aRunThatEndedAsLostIsNotNamedAsHeld() async throws {
    driver.set { $0.first = Observation(.running) }
    try await site.living(site.agent(drivers: [driver])) {
      try await site.submit("true", id: "aaaaaaaa")
      try await site.submit("true", id: "bbbbbbbb")
      await site.server.until { $0.runs.values.allSatisfy { $0.state == .running } }
      driver.set { $0.started["aaaaaaaa-1"] = Observation(.lost) }
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .lost }
      let before = await site.server.reports.count
      await site.server.until { server in
        server.reports.dropFirst(before).count { !$0.holding.isEmpty } >= 2
      }
      let later = await site.server.reports.dropFirst(before).flatMap(\.holding).map(\.run)
      #expect(Set(later) == ["bbbbbbbb"])
    }
  }

  @Test func manyRunsAreLookedAtInOneCall() async throws {
    driver.set { $0.first = Observation(.running) }
    try await site.living(site.agent(drivers: [driver], maxJobs: 50)) {
      for number in 0..<50 { try await site.submit("true", id: "run\(10_000 + number)") }
      await site.server.until { $0.runs.values.allSatisfy { $0.state == .running } }
      while driver.state.withLock({ $0.batches.max() ?? 0 }) < 40 { try await site.clock.sleep(0.5) }
    }
  }

  @Test func whatAMachineLacksIsLeftOutOfItsOffer() async throws {
    driver.set { $0.health = Probe(.healthy, lacks: [.stop]) }
    try await site.living(site.agent(drivers: [driver])) {
      await site.server.until { !$0.hellos.isEmpty }
      #expect(await site.server.hellos.first?.offer.driver(for: "process")?.provides == [.codeSource, .logs])
      driver.set { $0.health = Probe(.unhealthy, detail: "gone") }
      await site.server.until { $0.reports.contains { $0.offer?.driver(for: "process")?.probe.detail == "gone" } }
    }
  }
}
