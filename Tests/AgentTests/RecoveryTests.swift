import AgentTesting
import Glibc
import Model
import Processes
import Scripting
import Synchronization
import Testing

@testable import Agent

/// A new life of the agent goes on where the last one was cut off, wherever that was.
@Suite(.timeLimit(.minutes(1))) struct RecoveryTests {
  let site: Site

  init() throws { site = try Site() }

  /// What a dead agent leaves: a leased run, and a journal that got so far.
  private func leave(_ script: String, _ change: (inout Progress) -> Void) async throws -> Lease {
    try await site.submit(script)
    _ = try await site.server.register(
      AgentHello(name: "tester", host: "here", queues: ["q"], maxJobs: 1, offer: Offer()))
    let answer = try await site.server.lease("agent-1", LeaseRequest(room: 1, wait: 0, seen: 0))
    let lease = try #require(answer.leases.first)
    try Disk.makeFolder("\(site.data)/agent")
    let journal = try Journal("\(site.data)/agent/journal") { _ in }
    try journal.put([Held(lease: lease)])
    try journal.change(lease.token, change)
    return lease
  }

  private func told(_ state: RunState, _ lease: Lease) async throws {
    _ = try await site.server.report(
      "agent-1", AgentReport(holding: [], updates: [RunUpdate(lease.holding, state: state, at: site.clock.now())]))
  }

  @Test func whatRunsIsFoundAgainAndEndsOnce() async throws {
    try await site.living(site.agent()) {
      try await site.submit("echo up; while [ ! -e gate ]; do sleep 0.02; done; echo down; exit 4")
      await site.server.until { $0.log("aaaaaaaa-1") == "up\n" && $0.runs["aaaaaaaa"]?.state == .running }
    }
    #expect(await site.server.runs["aaaaaaaa"]?.state == .running)
    #expect(site.processes.status(of: "aaaaaaaa-1").isRunning)
    try Disk.write("\(site.data)/agent/work/aaaaaaaa-1/source/gate", [])
    _ = await site.processes.end(of: "aaaaaaaa-1")
    try await site.living(site.agent(processes: try site.reborn())) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.exitCode == 4)
      #expect(run.attempt == 1)
      try await site.cleared("aaaaaaaa-1")
    }
    #expect(await site.server.log("aaaaaaaa-1") == "up\ndown\n")
    #expect(await site.server.states("aaaaaaaa").count { $0 == "failed" } == 1)
    #expect(await site.server.hellos.last?.holding.map(\.run) == ["aaaaaaaa"])
  }

  @Test func whatWasLeasedAndNotStartedIsStartedThen() async throws {
    _ = try await leave("exit 6") { _ in }
    try await site.living(site.agent()) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.exitCode == 6)
    }
    #expect(await site.server.runs["aaaaaaaa"]?.attempt == 1)
  }

  @Test func aStartThatWasNotNotedIsFoundByItsToken() async throws {
    let lease = try await leave("exit 1") { $0.intent = true }
    try await told(.starting, lease)
    let driver = FakeDriver(target: "process")
    driver.set { $0.started[lease.token] = Observation(.succeeded, exitCode: 0) }
    try await site.living(site.agent(drivers: [driver])) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .succeeded)
    }
    #expect(driver.count("start") == 0)
  }

  @Test func aStartThatNeverHappenedIsMadeOnce() async throws {
    let lease = try await leave("exit 1") { $0.intent = true }
    try await told(.starting, lease)
    let driver = FakeDriver(target: "process")
    try await site.living(site.agent(drivers: [driver])) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .succeeded)
    }
    #expect(driver.count("find") == 1)
    #expect(driver.count("start") == 1)
  }

  @Test func whatRunsOnATargetWithoutADriverIsHeldUntilThereIsOneAgain() async throws {
    let lease = try await leave("exit 1") {
      $0.intent = true
      $0.handle = ["token": "aaaaaaaa-1"]
      $0.wasRunning = true
    }
    try await told(.starting, lease)
    try await told(.running, lease)
    try await site.living(site.agent(drivers: [FakeDriver(target: "other")])) {
      await site.server.until { $0.runs["aaaaaaaa"]?.message?.contains("no driver of target `process`") == true }
      #expect(await site.server.runs["aaaaaaaa"]?.state == .running)
    }
    let driver = FakeDriver(target: "process")
    driver.set { $0.started[lease.token] = Observation(.succeeded, exitCode: 0) }
    let run = try await site.living(site.agent(drivers: [driver])) { try await site.server.settled("aaaaaaaa") }
    #expect(run.state == .succeeded && run.attempt == 1)
    #expect(driver.count("start") == 0)
  }

  /// The plugin was put back to an older version: the run goes on untouched, and is taken up again by the newer one.
  @Test func aRunWhoseHandleIsOfANewerPluginIsLeftAlone() async throws {
    let lease = try await leave("exit 1") {
      $0.intent = true
      $0.handle = ["token": "aaaaaaaa-1"]
      $0.handleVersion = 2
    }
    try await told(.starting, lease)
    let old = FakeDriver(target: "process")
    old.set { $0.started[lease.token] = Observation(.running) }
    try await site.living(site.agent(drivers: [old])) {
      await site.server.until { $0.runs["aaaaaaaa"]?.message?.contains("a newer version of plugin `process`") == true }
      try await site.server.stop("aaaaaaaa")
      await site.server.until { $0.runs["aaaaaaaa"]?.message?.hasPrefix("it cannot be stopped: ") == true }
    }
    #expect(site.events("handle_refused").count == 1)
    #expect(old.state.withLock { $0.calls.filter { $0.name != "list" } } == [])
    let new = FakeDriver(target: "process", handleVersion: 2)
    new.set { $0.started[lease.token] = Observation(.running) }
    try await site.living(site.agent(drivers: [new])) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .stopped)
    }
    #expect(new.count("start") == 0 && new.count("stop") == 1)
  }

  @Test func anEndThatWasNotAcknowledgedIsReportedAgain() async throws {
    let lease = try await leave("exit 1") {
      $0.intent = true
      $0.handle = ["token": "aaaaaaaa-1"]
      $0.ending = .exited(9)
      $0.endedAt = 1_700_000_100
    }
    try await told(.starting, lease)
    try await site.living(site.agent(maxJobs: 1)) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.exitCode == 9)
      try await site.cleared("aaaaaaaa-1")
      #expect(try await site.run("true", id: "bbbbbbbb").state == .succeeded, "its place is free")
    }
  }

  @Test func whatIsSomebodyElsesByNowIsEndedAndForgotten() async throws {
    try await site.living(site.agent()) {
      try await site.submit("sleep 1000", retry: RetryPolicy(max: 3, on: [.lost]))
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
    }
    #expect(site.processes.status(of: "aaaaaaaa-1").isRunning)
    try await site.server.lapse("aaaaaaaa")
    // Somebody else takes it meanwhile.
    let taken = try await site.server.lease("agent-2", LeaseRequest(room: 1, wait: 0, seen: 0))
    #expect(taken.leases.map(\.attempt) == [2])
    let processes = try site.reborn()
    try await site.living(site.agent(processes: processes)) {
      while processes.status(of: "aaaaaaaa-1") != .absent { try await site.clock.sleep(0.01) }
      try await site.cleared("aaaaaaaa-1")
    }
    #expect(await site.server.runs["aaaaaaaa"]?.attempt == 2)
    #expect(await site.server.states("aaaaaaaa").contains("lost") == false)
  }

  @Test func aLostRunThatIsFoundAgainIsRunningAgain() async throws {
    try await site.living(site.agent()) {
      try await site.submit("while [ ! -e gate ]; do sleep 0.02; done")
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
    }
    try await site.server.lapse("aaaaaaaa")
    #expect(await site.server.runs["aaaaaaaa"]?.state == .lost)
    try await site.living(site.agent(processes: try site.reborn())) {
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
      try Disk.write("\(site.data)/agent/work/aaaaaaaa-1/source/gate", [])
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .succeeded }
    }
  }

  @Test func whatACutOffFetchLeftIsCleared() async throws {
    let sources = "\(site.data)/agent/sources"
    try Disk.makeFolder("\(sources)/cut.new/deep")
    try Disk.makeFolder("\(sources)/moved")
    for name in ["cut.new/deep/file", "cut.new.key", "cut.list", "cut.notes", "kept.json", "kept.notes"] {
      try Disk.write("\(sources)/\(name)", [123, 125])
    }
    try Disk.makeFolder("\(sources)/kept")
    try await site.living(site.agent()) { await site.server.until { !$0.hellos.isEmpty } }
    #expect(Disk.names(in: sources) == ["kept", "kept.json", "kept.notes"])
  }

  @Test func aTornJournalCostsOnlyItsTornLine() async throws {
    let path = "\(site.root)/journal"
    let journal = try Journal(path) { _ in }
    _ = try await leave("true") { _ in }
    let held = try #require(try Journal("\(site.data)/agent/journal") { _ in }.all.first)
    var other = held
    other.lease.run = "bbbbbbbb"
    try journal.put([held, other])
    try journal.change(held.token) { $0.intent = true }
    try journal.change(held.token) { $0.sent = 77 }
    let whole = try #require(Disk.read(path))
    for cut in Set(stride(from: 1, to: whole.count, by: 13)).union((whole.count - 5)..<whole.count) {
      try Disk.write(path, Array(whole.prefix(cut)) + (cut % 2 == 0 ? [] : [0xFF, 10, 0x7B, 10]))
      let again = try Journal(path) { _ in }
      // What is written after a torn line is not glued to it.
      try again.put([other])
      let third = try Journal(path) { _ in }
      #expect(third[other.token] == other)
      if cut == whole.count - 1 { #expect(third[held.token]?.progress.intent == true) }
    }
  }

  @Test func theJournalStaysSmallHoweverMuchIsWritten() async throws {
    let path = "\(site.root)/journal"
    _ = try await leave("true") { _ in }
    let held = try #require(try Journal("\(site.data)/agent/journal") { _ in }.all.first)
    let journal = try Journal(path, compactFrom: 200_000) { _ in }
    try journal.put([held])
    for size in 0..<20_000 { try journal.change(held.token) { $0.sent = Int64(size) } }
    #expect(try #require(Disk.size(path)) < 300_000)
    let again = try Journal(path) { _ in }
    #expect(again[held.token]?.progress.sent == 19_999)
    try again.remove(held.token)
    #expect(try Journal(path) { _ in }.all.isEmpty)
  }

  @Test func aSecondAgentOnOneFolderIsTurnedAway() async throws {
    let other = site.agent()
    try await site.living(site.agent()) {
      await site.server.until { !$0.hellos.isEmpty }
      guard case .busy(_, let process) = await other.run() else {
        Issue.record("it was let in")
        return
      }
      #expect(process == "\(getpid())")
    }
  }
}

/// Lives of a real agent process, ended by SIGKILL.
@Suite(.timeLimit(.minutes(2)), .serialized) struct KilledAgentTests {
  let site: Site
  let server: FolderServer
  let lives: Lives
  let processes: Processes

  /// Agent processes of one test; none of them, nor what they run, outlives it.
  final class Lives: Sendable {
    private let tasks = Mutex<[Task<Void, Never>]>([])
    private let processes: Processes

    init(_ processes: Processes) { self.processes = processes }

    func add(_ task: Task<Void, Never>) { tasks.withLock { $0.append(task) } }

    deinit {
      for task in tasks.withLock({ $0 }) { task.cancel() }
      for token in processes.tokens() { processes.stop(token, grace: 0) }
    }
  }

  init() throws {
    site = try Site()
    server = FolderServer("\(site.root)/server")
    processes = try Processes(root: "\(site.data)/processes", cgroups: .none)
    try Disk.makeFolder("\(server.folder)/leases")
    try Disk.makeFolder("\(server.folder)/blobs")
    lives = Lives(processes)
  }

  /// Starts an agent. Cancelling the task kills it, and nothing else, with SIGKILL.
  private func life() throws -> Task<Void, Never> {
    let own = try #require(realpath("/proc/self/exe", nil))
    defer { free(own) }
    let path = String(cString: own)
    let fixture = "\(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])/agent-fixture"
    let (data, folder) = (site.data, server.folder)
    let task = Task { _ = try? await Command([fixture, data, folder]).run() }
    lives.add(task)
    return task
  }

  private func submit(_ id: String, _ script: String) async throws {
    let digest = try await site.server.source(["!run.sh": "#!/bin/sh\n\(script)\n"])
    for hash in await site.server.blobNames {
      try Disk.write("\(server.folder)/blobs/\(hash)", await site.server.blob(hash))
    }
    let run = Run(
      id: id, name: "run-\(id)", entity: "team", project: "project", queue: QueueID(entity: "team", name: "q"),
      spec: .code(digest, ["./run.sh"]), author: "ada", createdAt: 0)
    var lease = Lease(run, now: 0)
    lease.attempt = 1
    lease.epoch = 1
    lease.seconds = 30
    try Disk.replace(
      "\(server.folder)/leases/\(id).json", with: Array(try Value(encoding: lease).json().utf8))
  }

  private var updates: [RunUpdate] { server.all(AgentReport.self, in: "reports").flatMap(\.updates) }

  private func until(_ condition: () throws -> Bool) async throws {
    while try !condition() { try await Task.sleep(for: .milliseconds(5)) }
  }

  private func log(_ token: String) -> String { Disk.text("\(server.folder)/logs/\(token)") ?? "" }

  @Test func runsOutliveAKilledAgentAndEndOnce() async throws {
    let count = 20
    let first = try life()
    for number in 0..<count {
      try await submit(
        "run\(10_000 + number)",
        "echo up $$; while [ ! -e \(site.root)/gate ]; do sleep 0.05; done; echo down; exit \(number)")
    }
    try await until { (0..<count).allSatisfy { log("run\(10_000 + $0)-1").hasPrefix("up ") } }
    try await until { Set(updates.filter { $0.state == .running }.map(\.holding.run)).count == count }
    first.cancel()
    await first.value
    #expect(processes.tokens().count == count)
    for token in processes.tokens() { #expect(processes.status(of: token).isRunning) }

    // Half of them end while no agent is there, half when the next one is; the server is away at first.
    try Disk.write("\(server.folder)/down", [])
    let second = try life()
    try Disk.write("\(site.root)/gate", [])
    for token in processes.tokens() { _ = await processes.end(of: token) }
    unlink("\(server.folder)/down")
    try await until { updates.count { $0.ending != nil } >= count }
    try await until { Disk.names(in: "\(site.data)/processes").isEmpty }
    second.cancel()
    await second.value

    let endings = updates.filter { $0.ending != nil }
    #expect(endings.count == count, "each end gets through once")
    for ending in endings {
      #expect(ending.ending?.exitCode == Int(ending.holding.run.dropFirst(3)).map { $0 - 10_000 })
      let text = log("\(ending.holding.run)-1")
      #expect(text.split(separator: "\n").count == 2 && text.hasSuffix("\ndown\n"), "started once: \(text)")
    }
  }

  @Test func killingTheAgentAgainAndAgainStartsNothingTwice() async throws {
    let count = 30
    for number in 0..<count {
      try await submit("run\(10_000 + number)", "echo ran >> \(site.root)/\(number); sleep 0.2")
    }
    // Deaths at moments that fall anywhere in the preparation, the start and the end of runs.
    for delay in [30, 60, 90, 120, 150, 200, 250] {
      let life = try life()
      try await Task.sleep(for: .milliseconds(delay))
      life.cancel()
      await life.value
    }
    let last = try life()
    try await until { Set(updates.filter { $0.ending != nil }.map(\.holding.run)).count == count }
    try await until { Disk.names(in: "\(site.data)/processes").isEmpty }
    last.cancel()
    await last.value
    for number in 0..<count { #expect(Disk.text("\(site.root)/\(number)") == "ran\n", "run \(number)") }
    for ending in updates.compactMap(\.ending) { #expect(ending == .exited(0)) }
  }
}
