import ClientTesting
import FoundationEssentials
import Model
import Processes
import Testing

@testable import Scripting

/// The slurm plugin with commands and a slurmrestd that say what a real one says only now and then.
@Suite(.timeLimit(.minutes(1))) struct SlurmTests {
  /// Slurm's commands as scripts: each notes how it was called, and answers what the test wants.
  final class Commands: Sendable {
    let bench: PluginHostTests.Bench
    let folder: String

    init(_ settings: [String: Value] = [:]) throws {
      let folder = FileManager.default.temporaryDirectory.appending(path: "slurm-\(UUID().uuidString)").path
      self.folder = folder
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      var own = settings
      own["bin"] = .string(folder)
      bench = try PluginHostTests.Bench(settings: ["slurm": .object(own)])
      for name in ["sbatch", "squeue", "scancel", "sacct", "scontrol"] { try says(name) }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func says(_ name: String, _ output: String = "", error: String = "", code: Int = 0) throws {
      try Disk.write("\(folder)/\(name).out", Array(output.utf8))
      try Disk.write("\(folder)/\(name).err", Array(error.utf8))
      let script = """
        #!/bin/sh
        echo "\(name) $*" >>'\(folder)/calls'
        cat >>'\(folder)/\(name).in'
        cat '\(folder)/\(name).out'
        cat '\(folder)/\(name).err' >&2
        exit \(code)

        """
      // Written anew, not changed: one that is being run cannot be.
      try Disk.replace("\(folder)/\(name)", with: Array(script.utf8), mode: 0o755)
    }

    /// Slurm knows none of the jobs that it is asked for.
    func forgets() throws {
      try says("squeue", error: "slurm_load_jobs error: Invalid job id specified\n", code: 1)
    }

    func calls() -> [String] {
      (Disk.text("\(folder)/calls") ?? "").split(separator: "\n").map(String.init)
    }

    func given(_ name: String) -> String { Disk.text("\(folder)/\(name).in") ?? "" }

    func driver() async throws -> LuaDriver { try await bench.driver("slurm") }

    func plan(_ resource: [String: Value] = [:], environment: [String: String] = [:]) async throws -> Value {
      let driver = try await driver()
      let node = Node(.object(resource), Origin(.run)).withDefaults(of: driver.declaration.resource, driver: "slurm")
      return try await driver.plan(
        PlanRequest(
          run: "abcdefgh", name: "calm-sea-1", attempt: 1, entity: "e", project: "p", queue: "q", author: "a", job: nil,
          entryPoint: ["./train"], args: ["it's", "$(reboot)\n#SBATCH --uid=0"], environment: environment,
          folder: bench.root.path, resource: node.value, timeout: 600))
    }

    /// A started run, as job 7 with the token `t-1`.
    func started(_ resource: [String: Value] = [:]) async throws -> Value {
      try says("sbatch", "7;cluster\n")
      return try await driver().start(try await plan(resource), token: "t-1", secrets: [:])
    }

    /// What the job on the node leaves in the run's folder.
    func leaves(_ name: String, _ text: String) throws {
      try Disk.write("\(bench.root.path)/data/slurm/runs/t-1/\(name)", Array(text.utf8))
    }

    func row(
      _ state: String, _ status: String = "0", id: String = "7", index: String = "N/A", reason: String = "None",
      restarts: Int = 0, name: String = "t-1"
    ) -> String {
      "\(id)|7|\(index)|\(state)|\(reason)|\(status)|\(restarts)|\(name)|lunaport:tester00 run|\n"
    }
  }

  private static func poll(_ slurm: Commands, _ handle: Value) async throws -> Observation {
    try #require(try await slurm.driver().poll([handle]).first)
  }

  // MARK: The command line

  @Test func slurmSeesNeitherCommandNorVariables() async throws {
    let slurm = try Commands()
    try slurm.says("sbatch", "7\n")
    let spec = try await slurm.plan(
      ["env": ["TOKEN": ["$secret": "hf"]], "mem": "1500Mi", "gpus": 2], environment: ["PLAIN": "plain text"])
    let handle = try await slurm.driver().start(
      spec, token: "t-1", secrets: ["hf": Secret(name: "hf", text: "hunter2")])
    #expect(handle == ["token": "t-1", "job_id": "7"])
    let call = try #require(slurm.calls().first { $0.hasPrefix("sbatch") })
    for option in ["--job-name=t-1", "--mem=1500M", "--gpus=2", "--time=11", "--no-requeue", "--parsable"] {
      #expect(call.contains(option), "\(call)")
    }
    let shown = slurm.given("sbatch") + slurm.calls().joined()
    for hidden in ["train", "reboot", "PLAIN", "plain text", "hunter2"] { #expect(!shown.contains(hidden)) }
    let runs = "\(slurm.bench.root.path)/data/slurm/runs/t-1"
    #expect(Disk.text("\(runs)/script")?.contains("hunter2") == false)
    #expect(Disk.text("\(runs)/secrets/TOKEN") == "hunter2")
  }

  @Test(arguments: [
    ("Unable to contact slurm controller (connect failure)", DriverFailure.Code.unavailable, DriverFailure.Retry.safe),
    ("Socket timed out on send/recv operation", .unavailable, .unknownEffect),
    ("Invalid partition name specified", .configInvalid, .never),
    ("Job violates accounting/QOS policy (job submit limit)", .quota, .after(15)),
    ("Access/permission denied", .auth, .never),
  ])
  func aSubmissionThatFailsSaysWhatIsToBeDone(_ text: String, code: DriverFailure.Code, retry: DriverFailure.Retry)
    async throws
  {
    let slurm = try Commands()
    try slurm.says("sbatch", error: "sbatch: error: Batch job submission failed: \(text)\n", code: 1)
    let spec = try await slurm.plan()
    let failure = await #expect(throws: DriverFailure.self) {
      try await slurm.driver().start(spec, token: "t-1", secrets: [:])
    }
    #expect(failure?.code == code && failure?.retry == retry)
    #expect(failure?.message.hasSuffix(text) == true, "\(failure?.message ?? "")")
    // What may have been submitted keeps its folder, by which it is found.
    #expect(Disk.exists("\(slurm.bench.root.path)/data/slurm/runs/t-1") == (retry == .unknownEffect))
  }

  /// Runs what a job runs on its node.
  private static func node(_ folder: String, job: String) async throws -> Int? {
    let line = #"exec /bin/sh "$0/script" "$0" >>"$0/output" 2>&1"#
    var environment = BaseEnvironment.current()
    environment["SLURM_JOB_ID"] = job
    return try await Command(["/bin/sh", "-c", line, folder], environment: environment).run().exitCode
  }

  @Test func onItsNodeTheProgramRunsOnceAndTheScriptSaysHowItEnded() async throws {
    let slurm = try Commands()
    try slurm.says("sbatch", "7\n")
    let program = "\(slurm.bench.root.path)/train"
    try Disk.write(program, Array("#!/bin/sh\necho \"$1 $task ${#TOKEN} $PATH\"; exit 5\n".utf8), mode: 0o755)
    // Names that the script might have for itself, and a PATH without the tools that it needs.
    let spec = try await slurm.plan(
      ["env": ["TOKEN": ["$secret": "hf"], "PATH": "/nowhere", "task": "mine"]], environment: ["R": "r", "me": "m"])
    _ = try await slurm.driver().start(spec, token: "t-1", secrets: ["hf": Secret(name: "hf", text: "hun\nter'2\n")])
    let run = "\(slurm.bench.root.path)/data/slurm/runs/t-1"
    #expect(try await Self.node(run, job: "7") == 5)
    #expect(Disk.text("\(run)/output") == "it's mine 10 /nowhere\n")
    #expect(Disk.text("\(run)/end")?.hasPrefix("5 22 ") == true)
    #expect(!Disk.exists("\(run)/secrets"))
    // A second submission of the run, whose answer was lost.
    #expect(try await Self.node(run, job: "8") == 75)
    #expect(Disk.text("\(run)/output") == "it's mine 10 /nowhere\n")
    #expect(try await slurm.driver().find(token: "t-1") == ["token": "t-1", "job_id": "7"])
  }

  // MARK: How runs end

  @Test(arguments: [
    ("COMPLETED", "0", Observation(.succeeded, exitCode: 0)),
    ("FAILED", "1792", Observation(.failed, exitCode: 7)),
    ("FAILED", "7:0", Observation(.failed, exitCode: 7)),
    ("FAILED", "35072", Observation(.failed, exitCode: 137, signal: 9)),
    ("CANCELLED by 0", "0:15", Observation(.failed, signal: 15, message: "cancelled in Slurm")),
    ("TIMEOUT", "0:15", Observation(.failed, message: "its time limit in Slurm was over")),
    (
      "OUT_OF_MEMORY", "253",
      Observation(
        .failed, exitCode: 137, signal: 9, outOfMemory: true, message: "Slurm ended it at its memory limit")
    ),
    ("PREEMPTED", "15", Observation(.preempted, message: "Slurm gave its place to another job")),
    ("NODE_FAIL", "0", Observation(.lost, message: "a node that it ran on failed")),
    ("COMPLETING", "0", Observation(.running)),
    ("SUSPENDED", "0", Observation(.running, message: "suspended by Slurm")),
    ("NEWSTATE", "0", Observation(.unknown, message: "Slurm says a state that this driver does not know")),
  ])
  func eachStateOfSlurmMeansWhatPeopleExpect(_ word: String, status: String, wanted: Observation) async throws {
    let slurm = try Commands()
    let handle = try await slurm.started()
    try slurm.says("squeue", slurm.row(word, status))
    var seen = try await Self.poll(slurm, handle)
    #expect(seen.native == word.split(separator: " ").first.map(String.init))
    seen.native = nil
    #expect(seen == wanted)
  }

  @Test func aRunThatWaitsSaysWhyInWords() async throws {
    let slurm = try Commands()
    let handle = try await slurm.started()
    for (reason, text) in [
      ("Resources", "waiting for free resources (Resources)"),
      ("QOSMaxJobsPerUserLimit", "a limit of its QOS is reached (QOSMaxJobsPerUserLimit)"),
      ("SomethingNew", "Slurm says: SomethingNew"),
    ] {
      try slurm.says("squeue", slurm.row("PENDING", reason: reason))
      let seen = try await Self.poll(slurm, handle)
      #expect(seen.state == .pending && seen.message == text)
    }
    try slurm.says("squeue", slurm.row("PENDING", reason: "BeginTime", restarts: 1))
    #expect(try await Self.poll(slurm, handle).message?.hasPrefix("put back into Slurm's queue") == true)
  }

  @Test func aJobThatSlurmForgotIsToldByAccountingThenByItsOwnNoteElseLost() async throws {
    let slurm = try Commands()
    let handle = try await slurm.started()
    try slurm.forgets()
    try slurm.says("sacct", error: "Slurm accounting storage is disabled\n", code: 1)
    #expect(try await Self.poll(slurm, handle).state == .lost)
    try slurm.leaves("end", "3 120 1700000000\n")
    let noted = try await Self.poll(slurm, handle)
    #expect(noted.state == .failed && noted.exitCode == 3)
    try slurm.says("sacct", "7|7|TIMEOUT|0:15|t-1\n")
    #expect(try await Self.poll(slurm, handle).message == "its time limit in Slurm was over")
    // Of accounting's other jobs with that id none is ours.
    try slurm.says("sacct", "7|7|COMPLETED|0:0|someone-else\n")
    #expect(try await Self.poll(slurm, handle).exitCode == 3)
  }

  @Test func whatCannotBeReadOrAskedIsNotLost() async throws {
    let slurm = try Commands()
    let handle = try await slurm.started()
    try slurm.says("squeue", "7 RUNNING\n")
    var failure = await #expect(throws: DriverFailure.self) { try await Self.poll(slurm, handle) }
    #expect(failure?.code == .targetError && failure?.retry == .safe)
    try slurm.says("squeue", error: "slurm_load_jobs error: Unable to contact slurm controller\n", code: 1)
    failure = await #expect(throws: DriverFailure.self) { try await Self.poll(slurm, handle) }
    #expect(failure?.code == .unavailable && failure?.retry == .safe)
    // The controller has forgotten it, and accounting, which knows how it ended, is away.
    try slurm.forgets()
    try slurm.says("sacct", error: "sacct: error: Problem talking to the database: Connection refused\n", code: 1)
    failure = await #expect(throws: DriverFailure.self) { try await Self.poll(slurm, handle) }
    #expect(failure?.code == .unavailable && failure?.retry == .safe)
  }

  @Test func anIdThatSlurmGaveToAnotherJobIsLeftAlone() async throws {
    let slurm = try Commands()
    let handle = try await slurm.started()
    try slurm.says("squeue", slurm.row("RUNNING", name: "someone-else"))
    #expect(try await Self.poll(slurm, handle).state == .lost)
    try await slurm.driver().stop(handle, StopOrder(grace: 0))
    #expect(!slurm.calls().contains { $0.hasPrefix("scancel") })
  }

  @Test func theFirstOfTwoSubmissionsHasTheRun() async throws {
    let slurm = try Commands()
    let handle = try await slurm.started()
    // Job 7 came second and ended at once; job 6, whose answer was lost, has the run.
    try slurm.leaves("job", "6\n")
    try slurm.says("squeue", "6|6|N/A|RUNNING|None|0|0|t-1|c|\n" + slurm.row("FAILED", "19200"))
    #expect(try await Self.poll(slurm, handle).state == .running)
    #expect(try await slurm.driver().find(token: "t-1") == ["token": "t-1", "job_id": "6"])
  }

  // MARK: Arrays

  @Test func anArrayEndsAsItsFirstFailedTaskThoughSlurmForgotIt() async throws {
    let slurm = try Commands()
    let handle = try await slurm.started(["array": "0-3%2"])
    #expect(handle["array"] == "0-3%2")
    try slurm.says(
      "squeue",
      slurm.row("COMPLETED", id: "8", index: "0") + slurm.row("FAILED", "512", id: "9", index: "1")
        + slurm.row("PENDING", index: "2-3%2", reason: "JobArrayTaskLimit"))
    let running = try await Self.poll(slurm, handle)
    #expect(running.state == .running && running.message?.hasPrefix("2 tasks are over, 0 run, 2 wait: ") == true)
    // The first ones are forgotten before the last have ended, and another life of the agent asks.
    try slurm.says(
      "squeue", slurm.row("FAILED", "768", id: "10", index: "2") + slurm.row("COMPLETED", index: "3"))
    let ended = try await Self.poll(slurm, handle)
    #expect(ended.state == .failed && ended.exitCode == 2)
    #expect(ended.message == "task 1 failed with exit code 2; 2 of 4 tasks failed")
  }

  @Test(arguments: ["", "3-1", "1-5:0", "a", "0-99999999", "1;2"])
  func indexesThatAreNoneAreRefused(_ array: String) async throws {
    let slurm = try Commands()
    let failure = await #expect(throws: DriverFailure.self) { try await slurm.plan(["array": .string(array)]) }
    #expect(failure?.code == .configInvalid)
  }

  // MARK: slurmrestd

  /// It may have been submitted, or wants another token: neither ends the run.
  @Test func aSubmissionWithoutAClearAnswerIsLookedForAndARefusedTokenTriedAgain() async throws {
    func answer(_ status: String) -> [ScriptedServer.Step] {
      [.read(body: 300), .send("HTTP/1.1 \(status)\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")]
    }
    let server = ScriptedServer(all: [answer("502 Bad Gateway"), answer("401 Unauthorized")])
    defer { server.stop() }
    let slurm = try Commands(["url": .string(server.url), "user": "me", "token": "jwt", "api_version": "v0.0.40"])
    let driver = try await slurm.driver()
    let spec = try await slurm.plan()
    for (token, code, retry) in [
      ("t-1", DriverFailure.Code.unavailable, DriverFailure.Retry.unknownEffect), ("t-2", .auth, .safe),
    ] {
      let failure = await #expect(throws: DriverFailure.self) {
        try await driver.start(spec, token: token, secrets: [:])
      }
      #expect(failure?.code == code && failure?.retry == retry, "\(String(describing: failure))")
    }
  }

  @Test func newerVersionsGetNumbersAndGPUsInTheirShape() async throws {
    func ok(_ body: String) -> ScriptedServer.Step {
      .send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }
    let job = """
      {"jobs": [{"job_id": 9, "array_job_id": {"set": true, "number": 0}, "array_task_id": {"set": false},
      "job_state": ["RUNNING", "COMPLETING"], "state_reason": "None", "exit_code": {"return_code": {"set": true,
      "number": 0}, "signal": {"id": {"set": false}}}, "name": "t-1"}], "errors": []}
      """
    let server = ScriptedServer([
      .read(), ok(#"{"paths": {"/slurm/v0.0.40/job/submit": {}, "/slurm/v0.0.42/job/submit": {}, "/x": {}}}"#),
      .read(body: 400), ok(#"{"job_id": 9, "errors": []}"#), .read(), ok(job), .untilClosed,
    ])
    defer { server.stop() }
    let slurm = try Commands(["url": .string(server.url), "user": "me", "token": "jwt"])
    let driver = try await slurm.driver()
    let spec = try await slurm.plan(["mem": "2Gi", "gpus": "a100:2", "nodelist": "n1,n2"])
    let handle = try await driver.start(spec, token: "t-1", secrets: [:])
    #expect(handle["job_id"] == "9")
    #expect(try await driver.poll([handle]).first?.native == "COMPLETING")
    let sent = try #require(server.received.first)
    #expect(sent.contains("POST /slurm/v0.0.42/job/submit") && sent.contains("X-SLURM-USER-TOKEN: jwt"))
    // Between the header of this request and the next one.
    let document = try #require(sent.components(separatedBy: "\r\n\r\n").first { $0.hasPrefix("{") })
    let body = try Value(json: document.components(separatedBy: "GET /slurm")[0])
    #expect(body["job"]?["memory_per_node"] == ["set": true, "infinite": false, "number": 2048])
    #expect(body["job"]?["tres_per_job"] == "gres/gpu:a100:2" && body["job"]?["gpus"] == nil)
    #expect(body["job"]?["required_nodes"] == ["n1", "n2"])
    #expect(body["job"]?["environment"] == ["PATH=/usr/local/bin:/usr/bin:/bin"])
  }
}
