import Agent
import AgentTesting
import Glibc
import Model
import Processes
import Scripting
import Testing

/// The agent and a server that refuses, goes away, forgets, or gives its runs to others.
@Suite(.timeLimit(.minutes(1))) struct ServerLossTests {
  let site: Site

  init() throws { site = try Site(speed: 10) }

  @Test func anAgentThatDoesNotCoverItsQueuesIsRefusedWithTheReport() async throws {
    let gap = Coverage.Gap(need: Need(.driver(target: "slurm"), why: "the queue's target"), fact: "none installed")
    let report = Coverage.Report(agent: "tester", entries: [.init(queue: "q", gap: gap)])
    await site.server.refuse(.uncovered(report))
    guard case .refused(let got) = await site.agent().run() else {
      Issue.record("it was not refused")
      return
    }
    #expect(got == report)
  }

  @Test func anAgentThatHoldsRunsIsNotTurnedAwayForATargetThatIsDown() async throws {
    let gap = Coverage.Gap(need: Need(.driver(target: "slurm"), why: "the queue's target"), fact: "its probe says: no")
    try await site.submit("while [ ! -e \(site.root)/gate ]; do sleep 0.02; done; exit 3")
    try await site.living(site.agent()) { await site.server.until { $0.runs["aaaaaaaa"]?.state == .running } }
    await site.server.refuse(.uncovered(Coverage.Report(agent: "tester", entries: [.init(queue: "q", gap: gap)])))
    let run = try await site.living(site.agent()) {
      await site.server.until { $0.hellos.count == 2 }
      try Disk.write("\(site.root)/gate", [])
      return try await site.server.settled("aaaaaaaa")
    }
    #expect(run.state == .failed && run.exitCode == 3 && run.attempt == 1, "\(run)")
    #expect(await site.server.hellos.map(\.allowPartial) == [false, true])
  }

  @Test func aKeyThatIsNotAcceptedEndsTheAgent() async throws {
    await site.server.refuse(.denied("no such key"))
    guard case .denied("no such key") = await site.agent().run() else {
      Issue.record("it goes on")
      return
    }
  }

  @Test func aServerThatIsAwayAtFirstIsWaitedFor() async throws {
    await site.server.setDown(true)
    try await site.living(site.agent()) {
      while site.events("server_lost").isEmpty { try await site.clock.sleep(0.05) }
      await site.server.setDown(false)
      #expect(try await site.run("true").state == .succeeded)
    }
    #expect(site.events("server_lost").count == 1, "said once, not at every try")
  }

  @Test func anEndWhileTheServerIsAwayGetsThroughOnceItIsBack() async throws {
    try await site.living(site.agent()) {
      try await site.submit("echo up; while [ ! -e gate ]; do sleep 0.02; done; echo down; exit 3")
      await site.server.until { $0.log("aaaaaaaa-1") == "up\n" && $0.runs["aaaaaaaa"]?.state == .running }
      await site.server.setDown(true)
      try Disk.write("\(site.data)/agent/work/aaaaaaaa-1/source/gate", [])
      _ = await site.processes.end(of: "aaaaaaaa-1")
      while site.events("server_lost").isEmpty { try await site.clock.sleep(0.05) }
      await site.server.setDown(false)
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.exitCode == 3)
      #expect(await site.server.log("aaaaaaaa-1") == "up\ndown\n")
    }
    #expect(site.events("server_found").count == 1)
  }

  @Test func newsWhoseAnswerIsLostIsSentAgainAndCountsOnce() async throws {
    await site.server.loseAnswers(6)
    try await site.living(site.agent()) {
      let run = try await site.run("exit 2")
      #expect(run.exitCode == 2)
      try await site.cleared("aaaaaaaa-1")
    }
    #expect(await site.server.runs["aaaaaaaa"]?.attempt == 1)
  }

  @Test func whatTheServerCannotReadCostsNoLease() async throws {
    await site.server.cannotRead { !$0.samples.isEmpty }
    try await site.living(site.agent()) {
      try await site.submit("sleep 1000")
      await site.server.until { $0.unread > 1 }
      let before = await site.server.reports.count
      await site.server.until { server in
        server.reports.dropFirst(before).contains { $0.holding.map(\.run) == ["aaaaaaaa"] }
      }
      try await site.server.stop("aaaaaaaa")
      #expect(try await site.server.settled("aaaaaaaa").state == .stopped)
    }
    #expect(!site.events("report_refused").isEmpty)
  }

  @Test func anEndThatTheServerCannotReadGetsThroughWithoutItsWords() async throws {
    await site.server.cannotRead { $0.updates.contains { $0.ending?.exitCode == 7 } }
    try await site.living(site.agent()) {
      for (id, code) in [("aaaaaaaa", 7), ("bbbbbbbb", 3)] {
        try await site.submit("while [ ! -e \(site.root)/gate ]; do sleep 0.02; done; exit \(code)", id: id)
      }
      await site.server.until { $0.runs.values.allSatisfy { $0.state == .running } }
      try Disk.write("\(site.root)/gate", [])
      let odd = try await site.server.settled("aaaaaaaa")
      #expect(odd.state == .failed && odd.reason == .exit && odd.exitCode == nil)
      #expect(odd.message?.contains("a number is out of its range") == true, "\(odd.message ?? "")")
      #expect(try await site.server.settled("bbbbbbbb").exitCode == 3)
      try await site.cleared("aaaaaaaa-1")
    }
    #expect(await site.server.unread == 2, "once with the others, once alone")
  }

  @Test func aMessageIsAsLongAsTheServerTakesIt() async throws {
    let driver = FakeDriver(target: "process")
    driver.set { $0.first = Observation(.failed, exitCode: 1, message: String(repeating: "é", count: 20_000)) }
    try await site.living(site.agent(drivers: [driver])) {
      let message = try await site.run("true").message ?? ""
      #expect(message.unicodeScalars.count == AgentProtocol.messageMax && message.hasSuffix("é..."))
    }
  }

  @Test func requestsThatAreCutShortAreNotMadeWithoutEnd() async throws {
    await site.server.cutRequests()
    try await site.living(site.agent()) {
      while site.events("pushed_out").isEmpty { try await site.clock.sleep(0.1) }
      #expect(await site.server.requests.count < 10)
    }
  }

  @Test func nothingIsStartedBeforeTheServerKnowsThatItStarts() async throws {
    let driver = FakeDriver(target: "process")
    let builder = FakeBuilder(prefix: "/usr")
    builder.close()
    try await site.living(site.agent(drivers: [driver], builders: [builder])) {
      try await site.submit("true") { $0.source.python = "3" }
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .building }
      await site.server.setDown(true)
      builder.open()
      while site.events("server_lost").isEmpty { try await site.clock.sleep(0.05) }
      #expect(driver.count("start") == 0)
      // The lease ends meanwhile, and the run is queued again; nobody has started it.
      try await site.server.lapse("aaaaaaaa")
      await site.server.setDown(false)
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.attempt == 2)
      #expect(driver.state.withLock { $0.calls.filter { $0.name == "start" }.map(\.token) } == ["aaaaaaaa-2"])
    }
  }

  @Test func aLeaseThatIsNotOursAnyMoreEndsItsWork() async throws {
    try await site.living(site.agent()) {
      try await site.submit("sleep 1000", retry: RetryPolicy(max: 1, on: [.lost], delay: 1_000))
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
      try await site.server.lapse("aaaaaaaa")
      // The next heartbeat says so.
      try await site.cleared("aaaaaaaa-1")
    }
    #expect(await site.server.runs["aaaaaaaa"]?.state == .queued)
    #expect(await site.server.states("aaaaaaaa").allSatisfy { $0 != "stopped" && $0 != "failed" })
  }

  @Test func workThatMayBeStartedElsewhereEndsBeforeItsLease() async throws {
    // Not so fast that a busy machine takes the margin away.
    let site = try Site(speed: 4)
    try await site.living(site.agent()) {
      try await site.submit("sleep 1000") { $0.retriesLost = true }
      try await site.submit("sleep 1000", id: "bbbbbbbb")
      await site.server.until { $0.runs.values.allSatisfy { $0.state == .running } }
      await site.server.setDown(true)
      let begin = site.clock.uptime()
      _ = await site.processes.end(of: "aaaaaaaa-1")
      // A heartbeat may have been answered up to a moment ago; the lease is counted from its sending.
      #expect(site.clock.uptime() - begin <= Limits.leaseSeconds)
      #expect(site.processes.status(of: "bbbbbbbb-1").isRunning, "what nobody else may start goes on")
      await site.server.setDown(false)
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .lost)
      #expect(run.message?.contains("lost contact") == true)
      try await site.server.stop("bbbbbbbb")
      _ = try await site.server.settled("bbbbbbbb")
    }
  }

  @Test func heartbeatsNameEverythingThatIsHeld() async throws {
    try await site.living(site.agent()) {
      for id in ["aaaaaaaa", "bbbbbbbb"] { try await site.submit("sleep 1000", id: id) }
      await site.server.until { $0.runs.values.allSatisfy { $0.state == .running } }
      let before = await site.server.reports.count
      await site.server.until { server in
        server.reports.dropFirst(before).contains { Set($0.holding.map(\.run)) == ["aaaaaaaa", "bbbbbbbb"] }
      }
      for id in ["aaaaaaaa", "bbbbbbbb"] { try await site.server.stop(id) }
      await site.server.until { $0.runs.values.allSatisfy { $0.state.isSettled } }
    }
  }

  @Test func aServerThatHasForgottenTheAgentIsToldAgain() async throws {
    try await site.living(site.agent()) {
      try await site.submit("sleep 1000")
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
      await site.server.forgetAgent()
      await site.server.until { $0.hellos.count == 2 }
      #expect(await site.server.hellos.last?.holding.map(\.run) == ["aaaaaaaa"])
      #expect(try await site.run("true", id: "bbbbbbbb").state == .succeeded)
      try await site.server.stop("aaaaaaaa")
      _ = try await site.server.settled("aaaaaaaa")
    }
  }

  @Test func outputThatTheServerLostIsSentAgain() async throws {
    try await site.living(site.agent()) {
      try await site.submit("echo one; while [ ! -e gate ]; do sleep 0.02; done; echo two")
      await site.server.until { $0.log("aaaaaaaa-1") == "one\n" }
      await site.server.cutLog("aaaaaaaa-1", to: 2)
      try Disk.write("\(site.data)/agent/work/aaaaaaaa-1/source/gate", [])
      _ = try await site.server.settled("aaaaaaaa")
      #expect(await site.server.log("aaaaaaaa-1") == "one\ntwo\n")
    }
  }

  @Test func outputWhoseGapIsFoundOnlyWithItsLastPieceIsSentAgain() async throws {
    // All of it comes in one piece, with its end: nothing more would be sent after a gap that was taken for success.
    let driver = FakeDriver(target: "process", provides: [.codeSource, .stop, .logs])
    driver.set {
      $0.first = Observation(.running)
      $0.output = Array("abc".utf8)
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await site.submit("true")
      await site.server.until { $0.log("aaaaaaaa-1") == "abc" }
      await site.server.cutLog("aaaaaaaa-1", to: 1)
      driver.set {
        $0.output += Array("def".utf8)
        $0.started["aaaaaaaa-1"] = Observation(.succeeded, exitCode: 0)
      }
      _ = try await site.server.settled("aaaaaaaa")
      #expect(await site.server.log("aaaaaaaa-1") == "abcdef")
    }
  }

  @Test func aDrainedAgentFinishesWhatItHasAndLeaves() async throws {
    let agent = site.agent()
    let life = Task { await agent.run() }
    try await site.submit("while [ ! -e gate ]; do sleep 0.02; done")
    await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
    agent.drain()
    await site.server.until { $0.reports.contains { $0.draining } }
    try await site.submit("true", id: "bbbbbbbb")
    try Disk.write("\(site.data)/agent/work/aaaaaaaa-1/source/gate", [])
    guard case .drained = await life.value else {
      Issue.record("it did not drain")
      return
    }
    #expect(await site.server.runs["aaaaaaaa"]?.state == .succeeded)
    #expect(await site.server.runs["bbbbbbbb"]?.state == .queued)
  }

  @Test func theServerDrainsAnAgent() async throws {
    let agent = site.agent()
    let life = Task { await agent.run() }
    await site.server.until { !$0.requests.isEmpty }
    await site.server.drain()
    guard case .drained = await life.value else {
      Issue.record("it did not drain")
      return
    }
  }

  @Test func stoppingTheAgentLeavesItsRunsAlive() async throws {
    try await site.living(site.agent()) {
      try await site.submit("sleep 1000")
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
    }
    #expect(site.processes.status(of: "aaaaaaaa-1").isRunning)
    #expect(await site.server.runs["aaaaaaaa"]?.state == .running)
  }
}
