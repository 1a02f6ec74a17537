import Model
import Testing

@testable import Scripting

extension EngineTests {
  /// What the drivers of clouds do with lost answers, keys that end and output that comes late, on the double.
  @Suite(.serialized, .enabled(if: Engine.areWanted, Engine.wish)) struct CloudTests {
    static let all = Engine.all.filter { $0.script == "cloud" }
    static let sageMaker = all.filter { $0.plugin == "sagemaker" }
    static let vertex = all.filter { $0.plugin == "vertex" }

    private func on(
      _ engine: Engine, _ settings: [String: Value] = [:], _ variables: [String: String] = [:],
      _ body: (Cloud) async throws -> Void
    ) async throws {
      try await engine.running { place in try await body(try await Cloud(engine, place, settings, variables)) }
    }

    // MARK: Answers that do not arrive

    enum Fault: String, CaseIterable, CustomTestStringConvertible {
      case throttled, refusedForNow, brokenBefore, brokenAfter, droppedBefore, droppedAfter

      var testDescription: String { rawValue }
      var body: Value {
        switch self {
        case .throttled: ["count": 1, "status": 400, "code": "ThrottlingException"]
        case .refusedForNow: ["count": 1, "status": 429]
        case .brokenBefore: ["count": 1, "status": 500]
        case .brokenAfter: ["count": 1, "status": 500, "when": "after"]
        case .droppedBefore: ["count": 1, "status": "drop"]
        case .droppedAfter: ["count": 1, "status": "drop", "when": "after"]
        }
      }
    }

    @Test(arguments: all, Fault.allCases) func aLostAnswerStartsOneJobAndNotTwo(engine: Engine, fault: Fault)
      async throws
    {
      // Google says it with the status alone.
      if engine.plugin == "vertex", fault == .throttled { return }
      try await on(engine) { cloud in
        let token = cloud.token("lost")
        try await cloud.fault(fault.body, match: cloud.creates)
        let (handle, failures) = try await cloud.started(token, "echo once")
        #expect(failures.count == 1, "\(failures)")
        #expect(try await cloud.jobs(token) == 1)
        #expect(try await cloud.ended(handle).state == .succeeded)
        #expect(try await cloud.log(handle) == "once\n")
        try await cloud.driver.forget(handle)
        #expect(try await cloud.jobs(token) == 0)
      }
    }

    /// Each answer of the conversation that starts a job is lost, one after the other.
    @Test(arguments: all) func anyAnswerMayBeLost(engine: Engine) async throws {
      try await on(engine) { cloud in
        for index in 0..<4 {
          let token = cloud.token("any\(index)")
          let fault: Value = ["count": 1, "status": "drop", "when": "after", "skip": .int(Int64(index))]
          try await cloud.fault(fault, match: "")
          let (handle, _) = try await cloud.started(token, "true")
          #expect(try await cloud.jobs(token) == 1, "the answer to request \(index)")
          #expect(try await cloud.ended(handle).state == .succeeded)
          try await cloud.driver.forget(handle)
        }
      }
    }

    @Test(arguments: all) func whatIsForbiddenSaysWhatToDo(engine: Engine) async throws {
      try await on(engine) { cloud in
        try await cloud.fault(["count": 1, "status": 403, "code": "AccessDeniedException"], match: cloud.creates)
        let spec = try await cloud.plan("true")
        let failure = try await #require(throws: DriverFailure.self) {
          try await cloud.driver.start(spec, token: cloud.token("no"), secrets: [:])
        }
        #expect(failure.code == .auth && failure.retry == .never && failure.hint?.isEmpty == false, "\(failure)")
      }
    }

    /// Whatever a token looks like, its job is found by it, and by no other.
    @Test(arguments: all) func tokensOfAnyShapeAreFoundAgain(engine: Engine) async throws {
      try await on(engine) { cloud in
        let long = String(repeating: "aB3-", count: 12)
        let tokens = ["short", "Short", long, long + "x", "ends-with-", "a--b"].map(cloud.token)
        let spec = try await cloud.plan("true")
        var handles: [String: Value] = [:]
        for token in tokens {
          #expect(try await cloud.driver.find(token: token) == nil, "\(token)")
          handles[token] = try await cloud.driver.start(spec, token: token, secrets: [:])
        }
        #expect(Set(handles.values).count == tokens.count)
        for token in tokens { #expect(try await cloud.driver.find(token: token) == handles[token], "\(token)") }
        let listed = try await cloud.driver.list()
        #expect(Set(listed.map(\.token)) == Set(tokens))
        for handle in handles.values {
          _ = try await cloud.ended(handle)
          try await cloud.driver.forget(handle)
        }
      }
    }

    @Test(arguments: sageMaker) func aJobIsFoundInItsRegionWhateverTheSettingsSayNow(engine: Engine) async throws {
      try await engine.running { place in
        let before = try await Cloud(engine, place)
        let spec = try await before.plan("echo here; exit 3")
        let handle = try await before.driver.start(spec, token: before.token("region"), secrets: [:])
        let moved = try await Cloud(engine, place, ["region": "eu-west-1"])
        #expect(await moved.driver.probe().health == .unhealthy, "the double has one region")
        #expect(try await moved.ended(handle).exitCode == 3)
        #expect(try await moved.log(handle) == "here\n")
        try await moved.driver.forget(handle)
        #expect(try await before.driver.find(token: before.token("region")) == nil)
      }
    }

    // MARK: Keys

    @Test(arguments: sageMaker) func keysOfTheMachineAreRenewedBeforeTheyEnd(engine: Engine) async throws {
      try await on(engine, ["credentials": "instance"]) { cloud in
        try await cloud.post("lifetime", ["seconds": 2])
        _ = try await cloud.requests()
        for _ in 0..<4 {
          #expect(await cloud.driver.probe().health == .healthy)
          try await Task.sleep(for: .milliseconds(700))
        }
        let (fetched, asked) = try await cloud.fetchesAndQuestions()
        #expect((2...4).contains(fetched), "\(fetched) times")
        #expect(asked == 4, "a key that had ended was used")
      }
    }

    @Test(arguments: sageMaker) func keysThatEndEarlyAreFetchedAnewOnce(engine: Engine) async throws {
      try await on(engine, ["credentials": "instance"]) { cloud in
        try await cloud.fault(["count": 1, "status": "expired"], match: "ListTrainingJobs")
        #expect(await cloud.driver.probe().health == .healthy)
        let (fetched, asked) = try await cloud.fetchesAndQuestions()
        #expect(fetched == 2 && asked == 2)
        try await cloud.fault(["count": 2, "status": "expired"], match: "ListTrainingJobs")
        let probe = await cloud.driver.probe()
        #expect(probe.health == .unhealthy && probe.detail.contains("renew"), "\(probe)")
      }
    }

    @Test(arguments: vertex) func aTokenThatIsRefusedIsFetchedAnew(engine: Engine) async throws {
      try await on(engine) { cloud in
        #expect(await cloud.driver.probe().health == .healthy)
        try await cloud.post("forget_tokens", [:])
        #expect(await cloud.driver.probe().health == .healthy)
        #expect(try await cloud.requests(to: "/token") == 2)
      }
      // Without a key file the machine has one.
      try await on(engine, ["key_file": .null]) { cloud in
        #expect(await cloud.driver.probe().health == .healthy)
        let exchanged = try await cloud.requests(to: "/token")
        #expect(exchanged == 0)
      }
    }

    /// moto verifies signatures too, and other people have written it.
    @Test(arguments: sageMaker, ["cloud", "moto"]) func aWrongSecretIsRefused(engine: Engine, script: String)
      async throws
    {
      var engine = engine
      engine.script = script
      try await on(engine) { cloud in
        let probe = await cloud.driver.probe()
        #expect(probe.health == .healthy, "\(probe)")
      }
      try await on(engine, [:], ["AWS_SECRET_ACCESS_KEY": "it-is-another"]) { cloud in
        let probe = await cloud.driver.probe()
        #expect(probe.health == .unhealthy && probe.detail.contains("secret key"), "\(probe)")
        #expect(!probe.detail.contains("it-is-another"))
      }
    }

    // MARK: Many

    @Test(arguments: all) func manyRunsTakeFewRequests(engine: Engine) async throws {
      try await on(engine) { cloud in
        let broken = engine.plugin == "vertex" ? "oom" : "user"
        let waits = try await cloud.plan("true", over: cloud.steered("DOUBLE_PENDING", "600"))
        let breaks = try await cloud.plan("true", over: cloud.steered("DOUBLE_END", broken))
        var handles: [Value] = []
        for index in 0..<60 {
          let token = cloud.token("many\(index)")
          handles.append(try await cloud.driver.start(index < 30 ? waits : breaks, token: token, secrets: [:]))
        }
        for handle in handles[30...] { _ = try await cloud.ended(handle) }
        let driver = try await cloud.reborn()
        _ = try await cloud.requests()
        let rows = try await driver.poll((0..<200).map { handles[$0 % 60] })
        let count = try await cloud.requests().count
        #expect(count <= 45, "\(count) requests")
        #expect(rows.enumerated().allSatisfy { ($0.element.state == .pending) == ($0.offset % 60 < 30) })
        for handle in handles[..<30] { try await driver.stop(handle, StopOrder(grace: 0)) }
        for handle in handles {
          _ = try await cloud.ended(handle)
          try await driver.forget(handle)
        }
        #expect(try await driver.list().isEmpty)
      }
    }

    // MARK: Output

    @Test(arguments: sageMaker) func tokensOfTheLogThatEndLoseNothing(engine: Engine) async throws {
      try await on(engine) { cloud in
        let spec = try await cloud.plan("for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.2; done")
        let handle = try await cloud.driver.start(spec, token: cloud.token("tokens"), secrets: [:])
        let log = try await cloud.log(handle) { try await cloud.post("expire_log_tokens", [:]) }
        #expect(log == (1...8).map { "line \($0)\n" }.joined())
      }
    }

    /// Later than the settings say that output is: they come out of order, and each once.
    @Test(arguments: vertex) func linesThatArriveLateAreThere(engine: Engine) async throws {
      try await on(engine, ["log_settle": "0.3s"]) { cloud in
        let script = "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.2; done; sleep 2"
        let spec = try await cloud.plan(script, over: cloud.steered("DOUBLE_LOG_LATE", "1"))
        let handle = try await cloud.driver.start(spec, token: cloud.token("late"), secrets: [:])
        let lines = try await cloud.log(handle).split(separator: "\n")
        #expect(lines.sorted() == (1...9).map { "line \($0)" }, "\(lines)")
        #expect(lines != lines.sorted(), "none was late")
      }
    }

    @Test(arguments: all) func severalMachinesWriteOneLog(engine: Engine) async throws {
      let isVertex = engine.plugin == "vertex"
      let resource: Value =
        isVertex
        ? ["workerPoolSpecs": [["machineSpec": ["machineType": "n1-standard-4"], "replicaCount": 3]]]
        : ["ResourceConfig": ["InstanceCount": 3]]
      try await on(engine) { cloud in
        let spec = try await cloud.plan("echo a; sleep 0.3; echo b", over: resource)
        let handle = try await cloud.driver.start(spec, token: cloud.token("nodes"), secrets: [:])
        #expect(try await cloud.ended(handle).state == .succeeded)
        let names = isVertex ? ["workerpool0-1", "workerpool0-2"] : ["algo-2", "algo-3"]
        let wanted = ["a", "b"] + names.flatMap { ["[\($0)] a", "[\($0)] b"] }
        #expect(try await cloud.log(handle).split(separator: "\n").map(String.init).sorted() == wanted.sorted())
      }
    }
  }
}
