import HTTP
import Hashing
import Model
import Testing

@testable import Server

struct PermissionTests {
  /// Every route against every role: who is refused for the role alone, and that nobody gets in without a key.
  @Test func theMatrixOfRolesAndRoutes() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let keys: [(Account.Role, String)] = [
        (.admin, api.admin), (.member, try await api.key("ann")), (.agent, try await api.key("robot", .agent)),
      ]
      for route in Routes.all where route.name != "watchEvents" {
        let path = route.path.replacing("{sha256}", with: String(repeating: "0", count: 64))
          .replacing("{entity}", with: "none").replacing("{project}", with: "none").replacing("{name}", with: "none")
          .replacing("/keys/{id}", with: "/keys/999").replacing("{id}", with: "zzzzzzzz")
        let answer = try await api.send(route.method, path, as: "")
        guard case .open = route.access else {
          #expect(answer.status == 401, "\(route.name)")
          #expect(answer.headers["WWW-Authenticate"] != nil)
          for (role, key) in keys {
            let status = try await api.send(route.method, path, as: key).status
            #expect((status == 403) == !route.access.allows(role), "\(role) \(route.name) \(status)")
            #expect(status < 500, "\(route.name)")
          }
          continue
        }
        #expect(answer.status == 200, "\(route.name)")
      }
    }
  }

  @Test func agentsSubmitNothingAndSeeNoRuns() {
    for name in [
      "createRuns", "listRuns", "getRun", "getRunLog", "createJob", "putBlob", "stopRun", "createQueue", "pauseQueue",
      "watchEvents",
    ] {
      #expect(Routes.all.first { $0.name == name }.map { !$0.access.allows(.agent) } ?? false, "\(name)")
    }
    for name in ["listKeys", "createKey", "revokeKey", "reloadConfiguration"] {
      #expect(Routes.all.first { $0.name == name }.map { !$0.access.allows(.member) } ?? false, "\(name)")
    }
  }

  /// Other people's things are not there.
  @Test func aMemberSeesOnlyItsEntities() async throws {
    try await TestAPI.with([.test(), .test("secret", entity: "other")]) { (api) async throws -> Void in
      try await api.job(entity: "other")
      let run = try await api.launch(Submission(job: "p/train", queue: "secret", entity: "other"))
      let ann = try await api.key("ann")
      for path in ["", "/explain", "/history", "/samples", "/log"] {
        #expect(try await api.send(.get, "/api/v1/runs/\(run.id)\(path)", as: ann).status == 404, "\(path)")
      }
      for word in ["stop", "retry"] {
        #expect(try await api.send(.post, "/api/v1/runs/\(run.id)/\(word)", as: ann).status == 404)
      }
      #expect(try await api.send(.get, "/api/v1/runs", as: ann).body["items"] == [])
      #expect(try await api.send(.get, "/api/v1/runs?entity=other", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/runs?queue=other/secret", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/errors?entity=other", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/queues", as: ann).body["items"]?.arrayValue?.count == 1)
      #expect(try await api.send(.get, "/api/v1/queues/other/secret", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/queues/other/secret/export", as: ann).status == 404)
      #expect(try await api.send(.post, "/api/v1/queues/other/secret/pause", as: ann).status == 404)
      #expect(try await api.send(.delete, "/api/v1/queues/other/secret", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/jobs/other/p/train", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/jobs/other/p/train/versions", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/jobs?entity=other", as: ann).status == 404)
      #expect(try await api.send(.get, "/api/v1/agents?entity=other", as: ann).status == 404)
      try await api.job(as: ann)
      for submission in [
        Submission(job: "p/train", queue: "secret", entity: "other"), Submission(job: "p/train", queue: "secret"),
        Submission(job: "p/train", queue: "other/secret"), Submission(job: "other/p/train", queue: "q"),
      ] {
        #expect(try await api.post("/api/v1/runs", submission, as: ann).status == 422)
      }
      let queue = try await api.send(
        .post, "/api/v1/queues", ["name": "x", "entity": "other", "target": "process"], as: ann)
      #expect(queue.status == 404)
      let agent = try await api.post("/api/v1/agents", AgentHello.test(queues: ["other/secret"]), as: ann)
      #expect(agent.status == 422)
      // And with the team it is all there.
      let bob = try await api.key("bob", entities: ["other"])
      #expect(try await api.send(.get, "/api/v1/runs/\(run.id)", as: bob).status == 200)
      #expect(try await api.send(.get, "/api/v1/runs", as: bob).body["items"]?.arrayValue?.count == 1)
    }
  }

  @Test func theAuthorIsWhoSubmittedAndNeverTheAgent() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let ann = try await api.key("ann")
      let robot = try await api.key("robot", .agent)
      try await api.job(as: ann)
      let run = try await api.launch(as: ann)
      let agent = try await api.register(as: robot)
      let lease = try #require(try await api.lease(agent.id, as: robot).leases.first)
      #expect((run.author, lease.author) == ("ann", "ann"))
      #expect(try await api.run(run.id).author == "ann")
    }
  }

  @Test func anAgentReadsWhatItHoldsAndNothingElse() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let job = try await api.job()
      let file = try Hash.of("print(1)").hex
      let other = try await api.upload("other", "other text").sha256
      let manifest = try #require(job.source.manifest)
      let robot = try await api.key("robot", .agent)
      let agent = try await api.register(as: robot)
      func status(_ sha256: String) async throws -> Int {
        try await api.send(.get, "/api/v1/blobs/\(sha256)", as: robot).status
      }
      #expect(try await status(manifest) == 404)
      let run = try await api.launch()
      let lease = try #require(try await api.lease(agent.id, as: robot).leases.first)
      #expect(lease.run == run.id)
      #expect(try await status(manifest) == 200)
      #expect(try await status(file) == 200)
      #expect(try await status(other) == 404)
      _ = try await api.report(
        agent.id, AgentReport(holding: [], updates: [RunUpdate(lease.holding, at: api.service.clock.now())]), as: robot)
      #expect(try await status(file) == 404)
    }
  }

  @Test func aRevokedKeyOpensNothing() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let answer = try await api.post("/api/v1/keys", KeyRequest(account: "ann", label: "laptop"))
      let made = try answer.decode(KeyView.self)
      #expect((made.role, made.entities, made.label) == (.member, ["default"], "laptop"))
      let key = try #require(made.key)
      #expect(try await api.send(.get, "/api/v1/viewer", as: key).body["name"] == "ann")
      let listed = try await api.send(.get, "/api/v1/keys").decode(PageView<KeyView>.self)
      #expect(listed.items.map(\.key) == [nil, nil])
      #expect(listed.items.first?.id == made.id)
      #expect(try await api.send(.delete, "/api/v1/keys/\(made.id)").status == 204)
      #expect(try await api.send(.get, "/api/v1/viewer", as: key).status == 401)
      #expect(try await api.send(.delete, "/api/v1/keys/999").status == 404)
      let again = try await api.send(.get, "/api/v1/keys").decode(PageView<KeyView>.self)
      #expect(again.items.first?.revokedAt != nil)
    }
  }

  @Test func theServersOwnAdminStaysOne() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let answer = try await api.post("/api/v1/keys", KeyRequest(account: "admin", role: .member))
      #expect(answer.status == 409)
      #expect(try await api.send(.get, "/api/v1/viewer").body["role"] == "admin")
    }
  }

  @Test func keysStandInNoAnswerButTheFirstAndInNoLog() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let key = try await api.key("ann")
      let secret = key.dropFirst(3)
      for (method, path) in [
        (HTTPMethod.get, "/api/v1/keys"), (.get, "/api/v1/viewer"), (.get, "/metrics"),
        (.get, "/api/v1/runs/\(secret)"),
        (.get, "/api/v1/runs?author=ann"),
      ] {
        let answer = try await api.send(method, path, as: key)
        #expect(!answer.text.contains(secret) || path.contains(secret), "\(path)")
      }
      let wrong = try await api.send(.get, "/api/v1/viewer", as: "lp-\(secret.reversed())")
      #expect(!wrong.text.contains(String(secret.reversed())))
    }
  }

  @Test func tooManyFailedLoginsAreSlowedDownAndARightKeyIsStillTaken() async throws {
    // The clock stands still: on a busy machine failures may come slower than they are forgiven.
    try await TestAPI.with(clock: ManualClock().serverClock) { (api) async throws -> Void in
      var statuses: Set<Int> = []
      for _ in 0..<Int(FailureLimit.burst) + 40 {
        let answer = try await api.send(.get, "/api/v1/viewer", as: "wrong")
        statuses.insert(answer.status)
        if answer.status == 429 { #expect(answer.headers["Retry-After"] != nil) }
      }
      #expect(statuses == [401, 429])
      #expect(try await api.send(.get, "/api/v1/viewer").status == 200)
    }
  }

  @Test func basicAuthenticationWorksToo() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let pair = Array("api:\(api.admin)".utf8).base64
      let answer = try await api.send(.get, "/api/v1/viewer", as: "", headers: ["Authorization": "Basic \(pair)"])
      #expect(answer.body["name"] == "admin")
    }
  }

  @Test func answersAreNotToBeKeptGuessedAtOrFramed() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      for path in ["/healthz", "/api/v1/viewer", "/nothing"] {
        let headers = try await api.send(.get, path).headers
        #expect(headers["X-Content-Type-Options"] == "nosniff")
        #expect(headers["Cache-Control"] == "no-store")
        #expect(headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'")
      }
    }
  }
}
