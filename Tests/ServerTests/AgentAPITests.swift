import Client
import HTTP
import Model
import Storage
import Testing

@testable import Server

struct AgentAPITests {
  let gpu = Need(
    .capability(.gpu, target: "process"), why: "the queue sets `gpus`", place: Place(file: "queues.d/g.lua", line: 4))

  @Test func anAgentThatDoesNotCoverAQueueIsRefusedWithTheWholeReport() async throws {
    try await TestAPI.with([.test(), .test("g", needs: [gpu])]) { api in
      let answer = try await api.post("/api/v1/agents", AgentHello.test(queues: ["q", "g"]))
      #expect(answer.status == 422)
      #expect(answer.code == "refused")
      let report = try #require(try answer.body["error"]?["report"]?.decode(Coverage.Report.self))
      #expect(report.entries.map(\.queue) == ["g"])
      #expect(report.entries.map(\.gap.need) == [gpu])
      let agents = try await api.send(.get, "/api/v1/agents").decode(PageView<AgentView>.self).items
      #expect(agents.map(\.state) == [.refused])
      #expect(agents[0].gaps.count == 1)
      // It gets nothing, not even of the queue that it covers.
      try await api.job()
      _ = try await api.launch()
      #expect(try await api.lease(agents[0].id).leases == [])
    }
  }

  @Test func anAgentThatAllowsItGetsWhatItCovers() async throws {
    try await TestAPI.with([.test(), .test("g", needs: [gpu])]) { api in
      let agent = try await api.register(.test(queues: ["q", "g"], allowPartial: true))
      #expect(agent.queues == ["q"])
      #expect(agent.report.refused == ["g"])
      try await api.job()
      _ = try await api.launch(Submission(job: "p/train", queue: "g"))
      let covered = try await api.launch()
      #expect(try await api.lease(agent.id, room: 9).leases.map(\.run) == [covered.id])
    }
  }

  @Test func anAgentOfAnotherProtocolIsToldSo() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      var hello = AgentHello.test()
      hello.protocolVersion = 9
      let answer = try await api.post("/api/v1/agents", hello)
      #expect(answer.code == "refused")
      #expect(answer.message.contains("version 9"))
    }
  }

  @Test func aQueueThatIsNotThereIsNamedWithWhatIsMeant() async throws {
    try await TestAPI.with([.test("train")]) { api in
      let answer = try await api.post("/api/v1/agents", AgentHello.test(queues: ["trian"]))
      #expect(answer.status == 422)
      #expect(answer.body["error"]?["problems"]?[0]?["help"] == "did you mean `train`?")
      let partial = try await api.register(.test(queues: ["trian"], allowPartial: true))
      #expect(partial.queues == [])
      #expect(try await api.lease(partial.id).notes.count == 1)
    }
  }

  @Test func theSameNameIsTheSameAgentComeBack() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let first = try await api.register()
      #expect(try await api.register().id == first.id)
      #expect(try await api.register(.test("b")).id != first.id)
      let ann = try await api.key("ann")
      let taken = try await api.post("/api/v1/agents", AgentHello.test(), as: ann)
      #expect(taken.code == "exists")
    }
  }

  @Test func whatAnAgentStillHoldsIsRenewedWhenItComesBack() async throws {
    let clock = ManualClock()
    try await TestAPI.with(clock: clock.serverClock) { api in
      try await api.job()
      let agent = try await api.register()
      _ = try await api.launch()
      let lease = try #require(try await api.lease(agent.id).leases.first)
      clock.advance(by: Limits.leaseSeconds - 1)
      var hello = AgentHello.test()
      hello.holding = [lease.holding]
      _ = try await api.register(hello)
      clock.advance(by: Limits.leaseSeconds - 1)
      #expect(try await api.service.store.lapse(now: clock.now).changes == [])
      #expect(try await api.run(lease.run).state == .pending)
    }
  }

  @Test func aWaitIsAnsweredTheMomentARunArrives() async throws {
    // The clock stands still, so that nothing else ends the wait.
    try await TestAPI.with(clock: ManualClock().serverClock) { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      async let waiting = api.lease(agent.id, wait: 40)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      let run = try await api.launch()
      let answer = try await waiting
      #expect(answer.leases.map(\.run) == [run.id])
    }
  }

  @Test func oneRunGoesToOneOfManyThatWait() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let ids = try await (0..<20).asyncMap { try await api.register(.test("a\($0)")).id }
      try await withThrowingTaskGroup(of: [String].self) { group in
        for id in ids { group.addTask { try await api.lease(id, wait: 40).leases.map(\.run) } }
        try await api.eventually("all wait") { api.service.desk.sleepers == 20 }
        var made: [String] = []
        for _ in 0..<20 { made.append(try await api.launch().id) }
        var given: [String] = []
        for try await runs in group { given += runs }
        #expect(given.sorted() == made.sorted())
      }
    }
  }

  @Test func aWaitEndsWithNothingWhenItsTimeIsOver() async throws {
    let clock = ManualClock()
    try await TestAPI.with(clock: clock.serverClock) { api in
      let agent = try await api.register()
      async let waiting = api.lease(agent.id, wait: 30)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      clock.advance(by: 31)
      #expect(try await waiting.leases == [])
    }
  }

  @Test func aStopOrderAnswersAWaitAndIsRepeatedUntilItIsObeyed() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      let run = try await api.launch()
      let first = try await api.lease(agent.id)
      let lease = try #require(first.leases.first)
      async let waiting = api.lease(agent.id, wait: 40, seen: first.seen)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      let stopping = try await api.send(.post, "/api/v1/runs/\(run.id)/stop")
      #expect(stopping.body["stop_requested"] == true)
      let answer = try await waiting
      #expect(answer.stops == [lease.holding])
      #expect(answer.seen > first.seen)
      #expect(try await api.lease(agent.id, seen: answer.seen).stops == [lease.holding])
      try await api.end(lease, agent.id, Ending(.stopped, .stopped))
      #expect(try await api.lease(agent.id, seen: answer.seen).stops == [])
      #expect(try await api.run(run.id).state == .killed)
    }
  }

  @Test func aDrainAnswersAWaitAndNothingMoreIsGiven() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      let before = try await api.lease(agent.id)
      async let waiting = api.lease(agent.id, wait: 40, seen: before.seen)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      #expect(try await api.send(.post, "/api/v1/agents/\(agent.id)/drain").body["state"] == "draining")
      let answer = try await waiting
      #expect(answer.drain)
      _ = try await api.launch()
      #expect(try await api.lease(agent.id, seen: answer.seen).leases == [])
    }
  }

  @Test func newsOfAStaleAttemptIsRefused() async throws {
    let clock = ManualClock()
    try await TestAPI.with([.test(retry: RetryPolicy(max: 3, on: [.lost]))], clock: clock.serverClock) { api in
      try await api.job()
      let (one, two) = (try await api.register(.test("one")), try await api.register(.test("two")))
      let run = try await api.launch()
      let old = try #require(try await api.lease(one.id).leases.first)
      clock.advance(by: Limits.leaseSeconds + 1)
      try await api.eventually("the lease lapses") { try await api.run(run.id).state == .idle }
      _ = try await api.report(two.id, AgentReport(holding: []))
      let new = try #require(try await api.lease(two.id).leases.first)
      #expect(new.attempt == 2)
      #expect(new.epoch > old.epoch)
      let receipt = try await api.report(
        one.id,
        AgentReport(
          holding: [old.holding], updates: [RunUpdate(old.holding, ending: .exited(0), at: clock.now)]))
      #expect(receipt.refusals == [.stale(attempt: 2, epoch: new.epoch)])
      #expect(receipt.gone == [old.holding])
      let log = try await api.send(
        .put, "/api/v1/runs/\(run.id)/log?attempt=\(old.attempt)&epoch=\(old.epoch)&offset=0", bytes: [65])
      #expect(log.code == "stale")
      #expect(try await api.run(run.id).state == .pending)
    }
  }

  /// A queue edited under a running agent: no more leases, and the agent is told why, at once.
  @Test func aQueueThatAsksForMoreStopsBeingHandedOutAndSaysWhy() async throws {
    try await TestAPI.with([.test(), .test("other")]) { api in
      try await api.job()
      let agent = try await api.register(.test(queues: ["q", "other"]))
      let before = try await api.lease(agent.id)
      #expect(before.notes == [])
      async let waiting = api.lease(agent.id, wait: 40)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      let gpu = gpu
      api.configuration.change { $0.queues[QueueID(entity: "default", name: "q")]?.needs.append(gpu) }
      _ = await api.service.reload()
      let told = try await waiting
      #expect(told.leases == [])
      #expect(told.notes.count == 1)
      #expect(told.notes[0].contains("capability gpu of process"))
      #expect(told.notes[0].contains("the queue sets `gpus`"))
      let run = try await api.launch()
      #expect(try await api.run(run.id).state == .idle)
      #expect(try await api.lease(agent.id).leases == [])
      let other = try await api.launch(Submission(job: "p/train", queue: "other"))
      #expect(try await api.lease(agent.id).leases.map(\.run) == [other.id])
      let explained = try await api.send(.get, "/api/v1/runs/\(run.id)/explain").decode(Explanation.self)
      #expect(explained.summary.hasSuffix("no active agent that polls the queue can run it"))
      // And back again.
      async let second = api.lease(agent.id, wait: 40)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      api.configuration.change { $0.queues[QueueID(entity: "default", name: "q")]?.needs.removeLast() }
      _ = await api.service.reload()
      let back = try await second
      #expect(back.leases.map(\.run) == [run.id] || back.notes == [])
    }
  }

  @Test func aProbeThatFailsTakesTheQueueFromTheAgentAndGivesItBack() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      _ = try await api.report(agent.id, AgentReport(holding: [], offer: .process(health: .unhealthy)))
      let run = try await api.launch()
      let without = try await api.lease(agent.id)
      #expect(without.leases == [])
      #expect(without.notes.first?.contains("as the test says") ?? false)
      async let waiting = api.lease(agent.id, wait: 40)
      try await api.eventually("the agent waits") { api.service.desk.sleepers == 1 }
      _ = try await api.report(agent.id, AgentReport(holding: [], offer: .process()))
      var answer = try await waiting
      if answer.leases.isEmpty { answer = try await api.lease(agent.id) }
      #expect(answer.leases.map(\.run) == [run.id])
    }
  }

  @Test func agentsAreKnownOnlyToTheirOwn() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let agent = try await api.register()
      let other = try await api.key("robot", .agent)
      for (method, path) in [
        (HTTPMethod.get, ""), (.delete, ""), (.post, "/drain"),
      ] {
        #expect(try await api.send(method, "/api/v1/agents/\(agent.id)\(path)", as: other).status == 404)
      }
      let lease = try await api.post(
        "/api/v1/agents/\(agent.id)/lease", LeaseRequest(room: 1, wait: 0, seen: 0), as: other)
      #expect(lease.status == 404)
      #expect(
        try await api.post("/api/v1/agents/\(agent.id)/report", AgentReport(holding: []), as: other).status == 404)
      #expect(try await api.send(.get, "/api/v1/agents", as: other).body["items"] == [])
      #expect(try await api.send(.delete, "/api/v1/agents/\(agent.id)").status == 204)
      #expect(try await api.send(.get, "/api/v1/agents/\(agent.id)").status == 404)
    }
  }

  @Test func whoHasLeftATeamIsGivenNothingOfItAnyMore() async throws {
    try await TestAPI.with([.test(entity: "team"), .test("open")]) { (api) async throws -> Void in
      let robot = try await api.key("robot", .agent, entities: ["team", "default"])
      try await api.job(entity: "team")
      var hello = AgentHello.test(queues: ["q", "default/open"])
      hello.entity = "team"
      let agent = try await api.register(hello, as: robot)
      let submission = Submission(job: "team/p/train", queue: "team/q")
      let first = try await api.launch(submission)
      let held = try #require(try await api.lease(agent.id, as: robot).leases.first)
      #expect(held.run == first.id)
      let second = try await api.launch(submission)
      _ = try await api.key("robot", .agent, entities: ["default"])
      let answer = try await api.lease(agent.id, room: 9, as: robot)
      #expect(answer.leases == [])
      #expect(answer.notes.count == 1 && answer.notes[0].contains("no member of entity `team` any more"))
      // What it has it may bring to its end: it is known what became of it.
      let receipt = try await api.report(agent.id, AgentReport(holding: [held.holding]), as: robot)
      #expect(receipt.gone == [])
      _ = try await api.key("robot", .agent, entities: ["team"])
      #expect(try await api.lease(agent.id, as: robot).leases.map(\.run) == [second.id])
    }
  }

  @Test func everyAgentAndQueueIsOnOneOfThePages() async throws {
    // In the order of their names `a` comes before `a-b`, in that of what a page ends with after it.
    let entities = ["a", "a-b", "a.c", "b"]
    try await TestAPI.with(entities.flatMap { [Queue.test("x", entity: $0), .test("z", entity: $0)] }) {
      (api) async throws -> Void in
      for entity in entities {
        var hello = AgentHello.test(queues: ["x"])
        hello.entity = entity
        _ = try await api.register(hello)
      }
      var names: [String] = []
      for path in ["agents", "queues"] {
        var cursor: String?
        repeat {
          let next = cursor.map { "&cursor=" + PercentCoding.encode($0) } ?? ""
          let page = try await api.send(.get, "/api/v1/\(path)?limit=1\(next)")
          names += (page.body["items"]?.arrayValue ?? []).compactMap { item in
            item["entity"]?.stringValue.map { "\(path) \($0)/\(item["name"]?.stringValue ?? "")" }
          }
          cursor = page.body["next"]?.stringValue
        } while cursor != nil && names.count < 20
      }
      let agents = entities.map { "agents \($0)/a" }
      #expect(names.sorted() == (agents + entities.flatMap { ["queues \($0)/x", "queues \($0)/z"] }).sorted())
    }
  }

  @Test func anAgentThatIsGoneIsToldToRegisterAgain() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let lease = try await api.post("/api/v1/agents/abcd1234/lease", LeaseRequest(room: 1, wait: 0, seen: 0))
      #expect(lease.status == 404)
      #expect(lease.body["error"]?["hint"] == "register it again")
    }
  }

  /// The client goes away in the moment in which a run is leased to it: the run is not lost for a lease's length.
  @Test func aLeaseThatNobodyHeardOfIsGivenBack() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let (gone, there) = (try await api.register(.test("gone")), try await api.register(.test("there")))
      let account = Account(name: "admin", role: .admin)
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        return try await api.service.lease(
          LeaseRequest(room: 1, wait: 40, seen: .max >> 11), agent: gone.id, by: account)
      }
      let run = try await api.launch()
      #expect(try await task.value.leases == [])
      #expect(try await api.lease(there.id, wait: 5).leases.map(\.run) == [run.id])
    }
  }
}

extension Sequence {
  func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await transform(element)) }
    return results
  }
}
