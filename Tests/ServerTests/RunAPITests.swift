import Client
import HTTP
import Model
import Testing

@testable import Server

struct RunAPITests {
  @Test func aRunGoesFromSubmissionToItsEnd() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let run = try await api.launch()
      #expect(run.state == .idle)
      #expect(run.author == "admin")
      #expect(run.project == "p")
      #expect(run.job == "default/p/train:v0")
      let agent = try await api.register()
      #expect(try await api.run(run.id).state == .queued)
      let lease = try #require(try await api.lease(agent.id).leases.first)
      #expect(lease.run == run.id)
      #expect(lease.spec.source.entryPoint == ["python3", "train.py"])
      #expect(try await api.run(run.id).state == .pending)
      try await api.end(lease, agent.id)
      let ended = try await api.run(run.id)
      #expect(ended.state == .finished)
      #expect(ended.exitCode == 0)
      #expect(ended.agent == agent.id)
      let steps = try await api.send(.get, "/api/v1/runs/\(run.id)/history").decode([RunEventView].self)
      #expect(steps.map(\.to) == [.queued, .leased, .starting, .running, .succeeded])
    }
  }

  @Test func whatTheSubmitterSetReachesTheAgent() async throws {
    let hole = Hole(name: "memory", schema: Schema(.int(min: 1, max: 8), defaultValue: 2))
    let queue = Queue.test(
      priorities: true, variables: ["memory": hole.schema], override: .only(["memory", "nice"]),
      resource: .table(
        ["memory": .hole(hole, Origin(.queue("q"))), "nice": Node(1, Origin(.queue("q")))], Origin(.queue("q"))))
    try await TestAPI.with([queue]) { api in
      try await api.job()
      var submission = Submission(
        job: "default/p/train:latest", queue: "default/q", project: "other",
        overrides: Overrides(args: ["--fast"], runConfig: ["lr": 0.5], entryPoint: ["./run.sh"]),
        resourceArgs: ["process": ["nice": 5]], priority: .high, variables: ["memory": 4], name: "mine")
      let run = try await api.launch(submission)
      #expect(run.resource == ["memory": 4, "nice": 5])
      #expect((run.name, run.project, run.priority.rawValue) == ("mine", "other", "high"))
      #expect(run.args == ["--fast"])
      #expect(run.runConfig == ["lr": 0.5])
      let agent = try await api.register()
      let lease = try #require(try await api.lease(agent.id).leases.first)
      #expect(lease.spec.command == ["./run.sh", "--fast"])
      #expect(lease.spec.resource == ["memory": 4, "nice": 5])
      // An edit of the queue changes nothing for a run that waits: what it gets was fixed when it was queued.
      submission.variables = nil
      submission.resourceArgs = nil
      let waiting = try await api.launch(submission)
      api.configuration.change { $0.queues[queue.id]?.resource = .table([:], Origin(.queue("q"))) }
      _ = await api.service.reload()
      #expect(try await api.run(waiting.id).resource == ["memory": 2, "nice": 1])
    }
  }

  @Test func theDeepestConfigThatIsTakenIsReadEverywhere() async throws {
    func config(_ depth: Int) -> [String: Value] {
      var value: Value = 1
      for _ in 1..<depth { value = [value] }
      return ["deep": value]
    }
    try await TestAPI.with([.test()]) { api in
      try await api.job()
      let deepest = config(Limits.documentDepth)
      let run = try await api.launch(Submission(job: "p/train", queue: "q", overrides: Overrides(runConfig: deepest)))
      let deeper = Submission(
        job: "p/train", queue: "q", overrides: Overrides(runConfig: config(Limits.documentDepth + 1)))
      let answer = try await api.post("/api/v1/runs", deeper)
      #expect(answer.status == 422)
      #expect(answer.body["error"]?["problems"]?[0]?["code"] == "S0015")
      // What nobody could read again would keep every other run of the queue from its agent.
      let agent = try await api.register()
      #expect(try await api.lease(agent.id).leases.first?.spec.overrides.runConfig == deepest)
      #expect(try await api.run(run.id).runConfig == deepest)
      #expect(try await api.send(.get, "/api/v1/runs").body["items"]?[0]?["run_config"] == .object(deepest))
    }
  }

  @Test func everyProblemOfABulkIsToldAtOnceAndNothingIsQueued() async throws {
    let queue = Queue.test(variables: ["n": Schema(.int(min: 1, max: 8))])
    try await TestAPI.with([queue, .test("big")]) { api in
      try await api.job()
      let answer = try await api.post(
        "/api/v1/runs",
        [
          Submission(job: "p/train", queue: "q"), Submission(job: "p/trian", queue: "q"),
          Submission(job: "p/train", queue: "bgi"),
          Submission(
            job: "p/train", queue: "q", resourceArgs: ["process": ["token": ["$secret": "root"]]], priority: .high,
            variables: ["n": 9, "m": 1]),
        ])
      #expect(answer.status == 422)
      let problems = answer.body["error"]?["problems"]?.arrayValue ?? []
      #expect(
        problems.compactMap { $0["code"]?.stringValue }.sorted() == [
          "S0001", "S0002", "S0003", "S0008", "S0010", "S0013", "S0014",
        ])
      let texts = problems.compactMap { $0["message"]?.stringValue }
      #expect(texts.contains("run 2: there is no queue `bgi`"))
      #expect(problems.contains { $0["help"] == "did you mean `big`?" })
      #expect(try await api.send(.get, "/api/v1/runs").body["items"] == [])
    }
  }

  @Test func aBulkOfTenThousandRunsIsOneRequest() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let bulk = (0..<Limits.bulkRunsMax).map { index in
        Submission(
          job: "p/train", queue: "q",
          overrides: Overrides(args: ["--seed", "\(index)"], runConfig: ["seed": .int(Int64(index))]))
      }
      let answer = try await api.post("/api/v1/runs", bulk)
      #expect(answer.status == 201)
      let runs = try answer.decode([RunView].self)
      #expect(runs.map(\.args) == bulk.map { $0.overrides?.args })
      #expect(Set(runs.map(\.id)).count == Limits.bulkRunsMax)
      let queue = try await api.send(.get, "/api/v1/queues/default/q")
      #expect(queue.body["counts"]?["Idle"] == .int(Int64(Limits.bulkRunsMax)))
      let more = try await api.post("/api/v1/runs", bulk + [bulk[0]])
      #expect(more.status == 422)
    }
  }

  @Test func theSameSubmitKeyIsTheSameRun() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let submission = Submission(job: "p/train", queue: "q", submitKey: "k")
      let first = try await api.launch(submission)
      let again = try await api.post("/api/v1/runs", submission)
      #expect(again.status == 200)
      #expect(try again.decode(RunView.self).id == first.id)
      let other = try await api.key("ann")
      #expect(try await api.launch(submission, as: other).id != first.id)
    }
  }

  @Test func theSubmitterIsWarnedWhereNobodyCanRunIt() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let alone = try await api.post("/api/v1/runs", Submission(job: "p/train", queue: "q"))
      #expect(
        alone.headers.values("Lunaport-Warning") == [
          "no active agent polls queue default/q; start one: lunaport agent -q default/q"
        ])
      _ = try await api.register(.test(offer: .process([.stop])))
      let uncovered = try await api.post("/api/v1/runs", Submission(job: "p/train", queue: "q"))
      #expect(uncovered.headers.values("Lunaport-Warning").count == 1)
      #expect(uncovered.headers["Lunaport-Warning"]?.contains("source.code") ?? false)
      #expect(uncovered.body["state"] == "Idle")
      _ = try await api.register(.test("able"))
      let covered = try await api.post("/api/v1/runs", Submission(job: "p/train", queue: "q"))
      #expect(covered.headers["Lunaport-Warning"] == nil)
      #expect(covered.body["state"] == "Queued")
    }
  }

  @Test func runsAreListedByTheWordsThatPeopleSee() async throws {
    try await TestAPI.with([.test(), .test("unserved")]) { api in
      try await api.job()
      let agent = try await api.register()
      func end(_ ending: Ending) async throws -> String {
        let run = try await api.launch()
        let lease = try #require(try await api.lease(agent.id).leases.first)
        try await api.end(lease, agent.id, ending)
        return run.id
      }
      let finished = try await end(.exited(0))
      let failed = try await end(.exited(3))
      let crashed = try await end(.signalled(9))
      let idle = try await api.launch(Submission(job: "p/train", queue: "unserved"))
      let queued = try await api.launch()
      let killed = try await api.launch()
      #expect(try await api.send(.post, "/api/v1/runs/\(killed.id)/stop").body["state"] == "Killed")
      func list(_ query: String) async throws -> [String] {
        try await api.send(.get, "/api/v1/runs?\(query)").decode(PageView<RunView>.self).items.map(\.id)
      }
      for (word, id) in [
        ("Finished", finished), ("Failed", failed), ("Crashed", crashed), ("Idle", idle.id), ("Queued", queued.id),
        ("Killed", killed.id),
      ] {
        #expect(try await list("state=\(word)") == [id], "\(word)")
      }
      #expect(try await list("state=Failed&state=Crashed") == [crashed, failed])
      #expect(try await list("queue=unserved") == [idle.id])
      #expect(try await list("author=admin&job=train&project=p&entity=default&limit=1") == [killed.id])
      #expect(try await list("author=nobody") == [])
      let errors = try await api.send(.get, "/api/v1/errors").decode(PageView<RunView>.self).items
      #expect(errors.map(\.id) == [crashed, failed])
      let counts = try await api.send(.get, "/api/v1/queues/default/q").body["counts"]
      #expect(
        counts == [
          "Idle": 0, "Queued": 1, "Pending": 0, "Running": 0, "Killed": 1, "Crashed": 1, "Failed": 1, "Finished": 1,
        ])
    }
  }

  @Test func pagesHaveEveryRunOnce() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let bulk = (0..<25).map { _ in Submission(job: "p/train", queue: "q") }
      let made = try await api.post("/api/v1/runs", bulk).decode([RunView].self).map(\.id)
      for filter in ["", "&state=Idle"] {
        var found: [String] = []
        var cursor = ""
        repeat {
          let page = try await api.send(.get, "/api/v1/runs?limit=10\(filter)\(cursor)").decode(PageView<RunView>.self)
          found += page.items.map(\.id)
          cursor = page.next.map { "&cursor=\($0)" } ?? ""
        } while !cursor.isEmpty
        #expect(found == made.reversed())
      }
      #expect(try await api.send(.get, "/api/v1/runs?cursor=nonsense").code == "not_found")
    }
  }

  @Test func aRunThatEndedBadlyIsQueuedAgainOnRequest() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      let run = try await api.launch()
      let lease = try #require(try await api.lease(agent.id).leases.first)
      #expect(try await api.send(.post, "/api/v1/runs/\(run.id)/retry").code == "conflict")
      try await api.end(lease, agent.id, .exited(1))
      #expect(try await api.send(.post, "/api/v1/runs/\(run.id)/retry").body["state"] == "Queued")
      let second = try #require(try await api.lease(agent.id).leases.first)
      #expect(second.attempt == 2)
      try await api.end(second, agent.id)
      #expect(try await api.send(.post, "/api/v1/runs/\(run.id)/retry").status == 409)
      #expect(try await api.send(.post, "/api/v1/runs/\(run.id)/stop").body["state"] == "Finished")
    }
  }

  @Test func anExplanationSaysWhatWouldMoveARun() async throws {
    try await TestAPI.with([.test(concurrency: 1)]) { api in
      try await api.job()
      let run = try await api.launch()
      func explain(_ id: String) async throws -> Explanation {
        try await api.send(.get, "/api/v1/runs/\(id)/explain").decode(Explanation.self)
      }
      #expect(try await explain(run.id).summary.hasSuffix("no active agent polls the queue"))
      let agent = try await api.register()
      #expect(try await explain(run.id).summary.hasSuffix("is next for agent a"))
      _ = try await api.lease(agent.id)
      let second = try await api.launch()
      #expect(try await explain(second.id).summary.hasSuffix("the queue's only place is taken"))
      try await api.send(.post, "/api/v1/queues/default/q/pause")
      #expect(try await explain(second.id).summary.hasSuffix("the queue is paused"))
      api.configuration.change { $0.queues = [:] }
      _ = await api.service.reload()
      #expect(try await explain(second.id).summary.hasSuffix("which is no longer in the configuration"))
    }
  }

  @Test func whatARunUsedIsKept() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register()
      let run = try await api.launch()
      let lease = try #require(try await api.lease(agent.id).leases.first)
      let now = api.service.clock.now()
      let samples = (0..<10).map { Sample(run: run.id, at: now - Double(10 - $0), cpu: 1.5, memory: Int64($0) << 20) }
      _ = try await api.report(agent.id, AgentReport(holding: [lease.holding], samples: samples))
      let all = try await api.send(.get, "/api/v1/runs/\(run.id)/samples").decode([Sample].self)
      #expect(all.count == 10)
      let few = try await api.send(.get, "/api/v1/runs/\(run.id)/samples?points=2").decode([Sample].self)
      #expect(few.count <= 2)
      #expect(few.compactMap(\.memory).max() == 9 << 20)
    }
  }

  @Test(arguments: [
    ("GET", "/api/v1/runs/nothing", 404), ("GET", "/api/v1/runs/abcd1234", 404), ("GET", "/api/v1/runs/ABCD1234", 404),
    ("GET", "/api/v1/runs?limit=0", 400), ("GET", "/api/v1/runs?limit=x", 400), ("GET", "/api/v1/runs?state=Odd", 400),
    ("GET", "/api/v1/runs?sate=Idle", 400), ("GET", "/api/v1/runs?limit=1&limit=2", 400),
    ("GET", "/api/v1/runs?entity=%00", 400), ("GET", "/api/v1/runs?queue=no%2Fsuch", 200),
    ("DELETE", "/api/v1/runs", 405), ("GET", "/api/v1/nothing", 404), ("GET", "/api/v1/runs/", 404),
  ]) func requestsThatMeanNothingAreRefused(method: String, path: String, status: Int) async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let answer = try await api.send(HTTPMethod(rawValue: method), path)
      #expect(answer.status == status, "\(answer.text)")
      if status >= 400 { #expect(JSONSchema.named("Error").fits(answer.body)) }
    }
  }

  @Test func bodiesThatMeanNothingAreRefused() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      func post(_ body: String, type: String? = "application/json") async throws -> TestAPI.Answer {
        try await api.send(
          .post, "/api/v1/runs", bytes: Array(body.utf8), headers: type.map { ["Content-Type": $0] } ?? [:])
      }
      #expect(try await post("{").code == "malformed")
      #expect(try await post("").code == "malformed")
      #expect(try await post(String(repeating: "[", count: 100_000)).code == "malformed")
      #expect(try await post("\"\\ud800\"").status == 400)
      #expect(try await post("{\"job\":\"j\"}").code == "invalid")
      #expect(try await post("{\"job\":\"j\",\"queue\":\"q\"}", type: "text/plain").code == "unsupported_media")
      // No type at all would let a page of another site send it without being asked first.
      #expect(try await post("{\"job\":\"j\",\"queue\":\"q\"}", type: "").status == 415)
      let big = "{\"job\":\"" + String(repeating: "a", count: 9 << 20) + "\"}"
      #expect(
        try await api.send(.post, "/api/v1/keys", bytes: Array(big.utf8), headers: ["Content-Type": "application/json"])
          .status == 413)
    }
  }
}
