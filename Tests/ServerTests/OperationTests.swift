import Client
import HTTP
import Model
import Scripting
import Storage
import Synchronization
import Testing

@testable import Server

/// What the server does by itself: lapses, retries, hooks, metrics, and its end.
struct OperationTests {
  @Test func aLeaseThatRunsOutIsNoticedWhenItDoesAndTheRunGivenToAnother() async throws {
    let clock = ManualClock()
    try await TestAPI.with(clock: clock.serverClock) { (api) async throws -> Void in
      try await api.job()
      let (one, two) = (try await api.register(.test("one")), try await api.register(.test("two")))
      let run = try await api.launch()
      _ = try await api.lease(one.id)
      clock.advance(by: 20)
      _ = try await api.report(two.id, AgentReport(holding: []))
      async let waiting = api.lease(two.id, wait: 50)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      #expect(try await api.run(run.id).agent == one.id)
      clock.advance(by: Limits.leaseSeconds - 19)
      let leases = try await waiting.leases
      #expect(leases.map(\.run) == [run.id])
      #expect(leases.map(\.attempt) == [2])
    }
  }

  /// A laptop that is closed for an hour, with the server and its agent on it.
  @Test func noRunIsTakenForLostBecauseTheServerItselfSlept() async throws {
    let clock = ManualClock()
    let awake = Mutex(0.0)
    let serverClock = ServerClock(
      now: clock.serverClock.now, sleep: clock.serverClock.sleep, awake: { awake.withLock { $0 } })
    try await TestAPI.with(clock: serverClock) { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      let run = try await api.launch()
      let lease = try #require(try await api.lease(agent.id).leases.first)
      let news = [RunState.starting, .running].map { RunUpdate(lease.holding, state: $0, at: clock.now) }
      _ = try await api.report(agent.id, AgentReport(holding: [], updates: news))
      try await api.eventually("the sweeper sleeps") { clock.next.map { $0 <= clock.now + 30 } ?? false }
      clock.advance(by: 3_600)
      try await api.eventually("the sweeper has looked") { clock.next.map { $0 > clock.now } ?? false }
      #expect(try await api.run(run.id).state == .running)
      // Whoever says nothing then is lost, as after a start.
      awake.withLock { $0 += Limits.leaseSeconds + 1 }
      clock.advance(by: Limits.leaseSeconds + 1)
      try await api.eventually("the run is lost") { try await api.run(run.id).state == .crashed }
    }
  }

  /// A disk that is full for longer than leases last: agents speak, and nothing of it can be kept.
  @Test func noRunIsTakenForLostBecauseTheStoreHadNoRoom() async {
    let clock = ManualClock()
    let calls = Mutex<[String]>([])
    let isFull = Mutex(true)
    let sweeper = LapseSweeper(
      lapse: { (now) throws(StoreError) in
        if isFull.withLock({ $0 }) { throw StoreError(.io, "no space is left") }
        calls.withLock { $0.append("lapse at \(now)") }
        return Lapse(changes: [], next: nil)
      },
      extend: { (time) throws(StoreError) in
        if isFull.withLock({ $0 }) { throw StoreError(.io, "no space is left") }
        calls.withLock { $0.append("extend to \(time)") }
      }, clock: clock.serverClock, report: { _ in })
    await sweeper.sweep()
    isFull.withLock { $0 = false }
    await sweeper.sweep()
    let now = clock.now
    #expect(calls.withLock { $0 } == ["extend to \(now + Limits.leaseSeconds)", "lapse at \(now)"])
    await sweeper.sweep()
    #expect(calls.withLock { $0.last } == "lapse at \(now)" && calls.withLock { $0.count } == 3)
    await sweeper.stop()
  }

  @Test func aDelayedRetryWakesAnAgentWhenItIsDue() async throws {
    let clock = ManualClock()
    let queue = Queue.test(retry: RetryPolicy(max: 1, on: [.failed], delay: 20))
    try await TestAPI.with([queue], clock: clock.serverClock) { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      let run = try await api.launch()
      let lease = try #require(try await api.lease(agent.id).leases.first)
      try await api.end(lease, agent.id, .exited(1))
      #expect(try await api.lease(agent.id).leases == [])
      async let waiting = api.lease(agent.id, wait: 50)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      clock.advance(by: 21)
      #expect(try await waiting.leases.map(\.run) == [run.id])
    }
  }

  @Test func aRunThatWaitedTooLongIsGivenUp() async throws {
    let clock = ManualClock()
    try await TestAPI.with([.test(queueTimeout: 60)], clock: clock.serverClock) { (api) async throws -> Void in
      try await api.job()
      let run = try await api.launch()
      try await api.eventually("the sweeper sleeps") { clock.next.map { $0 <= clock.now + 60 } ?? false }
      clock.advance(by: 61)
      try await api.eventually("the run is given up") { try await api.run(run.id).reason == .queueTimeout }
    }
  }

  @Test func aPlaceThatBecomesFreeIsTakenAtOnce() async throws {
    try await TestAPI.with([.test(concurrency: 1)]) { (api) async throws -> Void in
      try await api.job()
      let (one, two) = (try await api.register(.test("one")), try await api.register(.test("two")))
      _ = try await api.launch()
      let second = try await api.launch()
      let lease = try #require(try await api.lease(one.id).leases.first)
      async let waiting = api.lease(two.id, wait: 40)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      try await api.end(lease, one.id)
      #expect(try await waiting.leases.map(\.run) == [second.id])
    }
  }

  private final class Recorder: HookCaller {
    let calls = Mutex<[String]>([])
    func call(_ hook: String, event: HookEvent, run: RunView) async throws {
      calls.withLock { $0.append("\(hook) \(event.rawValue)") }
      if hook == "broken" { throw CancellationError() }
    }
  }

  @Test func hooksAreCalledOnEventsAfterTheyHappenedAndTheirFailureHurtsNobody() async throws {
    let recorder = Recorder()
    let queue = Queue.test(retry: RetryPolicy(max: 1, on: [.failed]), hooks: ["broken", "tell"])
    try await TestAPI.with([queue], hooks: recorder) { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      _ = try await api.launch()
      for ending in [Ending.exited(1), .exited(0)] {
        try await api.end(try #require(try await api.lease(agent.id).leases.first), agent.id, ending)
      }
      try await api.eventually("the last hook is called") {
        recorder.calls.withLock { $0.last == "tell finished" }
      }
      #expect(
        recorder.calls.withLock { $0.filter { $0.hasPrefix("tell") } } == [
          "tell queued", "tell started", "tell failed", "tell retried", "tell started", "tell finished",
        ])
      #expect(try await api.send(.get, "/metrics").text.contains("lunaport_hook_calls_total{outcome=\"failed\"} 6\n"))
    }
  }

  @Test func metricsSayWhatHappens() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      _ = try await api.launch()
      _ = try await api.launch()
      _ = try await api.lease(agent.id)
      let answer = try await api.send(.get, "/metrics", as: "")
      #expect(answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
      let lines = answer.text.split(separator: "\n")
      for line in [
        "lunaport_runs{queue=\"default/q\",state=\"Pending\"} 1",
        "lunaport_runs{queue=\"default/q\",state=\"Queued\"} 1",
        "lunaport_leases_total 1", "lunaport_agents{state=\"polling\"} 1", "lunaport_agents_waiting 0",
        "lunaport_configuration_generation 1", "lunaport_configuration_stale 0",
        "lunaport_operation_seconds_count{operation=\"enqueue\"} 2",
        "lunaport_http_requests_total{route=\"createRuns\",status=\"201\"} 2",
      ] {
        #expect(lines.contains(Substring(line)), "\(line)")
      }
      // Every family says what it is, once.
      let helps = lines.filter { $0.hasPrefix("# HELP") }.compactMap { $0.split(separator: " ").dropFirst(2).first }
      #expect(Set(helps).count == helps.count)
    }
  }

  @Test func aShutdownAnswersEveryWaitCleanly() async throws {
    var answer: LeaseAnswer?
    var body: [UInt8] = []
    try await TestAPI.with { (api) async throws -> Void in
      let agent = try await api.register()
      async let waiting = api.lease(agent.id, wait: 50)
      async let stream = api.send(.get, "/api/v1/events")
      try await api.eventually("both wait") { api.service.desk.sleepers == 1 && api.service.feed.watchers == 1 }
      await api.service.stopLeasing()
      await api.server.shutdown(grace: .seconds(5))
      answer = try await waiting
      body = try await stream.bytes
    }
    #expect(answer?.leases == [])
    #expect(body == ServerSentEvent.comment(""))
  }

  @Test func aServerStartsServesAndStopsAndIsThereAgain() async throws {
    let folder = try TestAPI.temporaryFolder()
    let options = Server.Options(data: "\(folder)/data", listen: HTTPAddress(host: "127.0.0.1", port: 0))
    let configuration = TestConfiguration([.test()])
    let client = HTTPClient()
    let server = try await Server.start(options, source: configuration.source, log: { _ in })
    let url = "http://\(server.address)"
    #expect(try await client.send(.init(.get, "\(url)/healthz")).status == 200)
    await #expect(throws: StoreError.self) {
      _ = try await Server.start(options, source: configuration.source, log: { _ in })
    }
    #expect(try await client.send(.init(.get, "\(url)/healthz")).status == 200)
    await server.shutdown()
    await #expect(throws: HTTPClientError.self) { try await client.send(.init(.get, "\(url)/healthz")) }
    configuration.change { $0.diagnostics = [Diagnostic("C0001", "bad")] }
    await #expect(throws: ConfigurationKeeper.Rejected.self) {
      _ = try await Server.start(options, source: configuration.source, log: { _ in })
    }
    configuration.change { $0.diagnostics = [] }
    let again = try await Server.start(options, source: configuration.source, log: { _ in })
    #expect(try await client.send(.init(.get, "http://\(again.address)/healthz")).status == 200)
    await again.shutdown()
    await again.shutdown()
  }
}
