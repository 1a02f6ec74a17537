import Agent
import AgentTesting
import FoundationEssentials
import Glibc
import Model
import Processes
import Scripting
import Testing

/// What people see of their runs: real programs, a server in memory.
@Suite(.timeLimit(.minutes(1))) struct RunTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func aRunThatExitsWellSucceedsWithItsOutput() async throws {
    try await site.living(site.agent()) {
      let run = try await site.run("echo hello; echo problem >&2")
      #expect(run.state == .succeeded)
      #expect(run.exitCode == 0)
      #expect(run.startedAt != nil)
      #expect(await site.server.log("aaaaaaaa-1") == "hello\nproblem\n")
      #expect(await site.server.states("aaaaaaaa").suffix(3) == ["starting", "running", "succeeded"])
      try await site.cleared("aaaaaaaa-1")
    }
    #expect(Disk.names(in: "\(site.data)/agent/work") == [])
  }

  @Test func anExitCodeMakesItFail() async throws {
    try await site.living(site.agent()) {
      let run = try await site.run("echo last words; exit 3")
      #expect(run.state == .failed)
      #expect(run.reason == .exit)
      #expect(run.exitCode == 3)
      #expect(await site.server.log("aaaaaaaa-1") == "last words\n")
    }
  }

  @Test func aSignalThatNobodyHereSentIsACrash() async throws {
    try await site.living(site.agent()) {
      let run = try await site.run("kill -KILL $$")
      #expect(run.reason == .signal)
      #expect(run.signal == Int(SIGKILL))
      #expect(run.exitCode == 128 + Int(SIGKILL))
      #expect(VisibleState(run.state, reason: run.reason, served: true) == .crashed)
    }
  }

  @Test func aRunWhoseHolderIsKilledIsLostAndNotFailed() async throws {
    try await site.living(site.agent()) {
      try await site.submit("echo up; sleep 1000")
      await site.server.until { $0.log("aaaaaaaa-1") == "up\n" }
      guard case .running(let start) = site.processes.status(of: "aaaaaaaa-1") else {
        Issue.record("not running")
        return
      }
      kill(start.holder, SIGKILL)
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .lost)
    }
  }

  @Test func outputIsSeenWhileItRuns() async throws {
    try await site.living(site.agent()) {
      try await site.submit("echo first; sleep 1000")
      await site.server.until { $0.log("aaaaaaaa-1") == "first\n" }
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .running }
      try await site.server.stop("aaaaaaaa")
      _ = try await site.server.settled("aaaaaaaa")
    }
  }

  @Test func aPersonStopsARun() async throws {
    try await site.living(site.agent()) {
      try await site.submit("trap 'echo saving; exit 0' TERM; echo up; while :; do sleep 0.02; done")
      await site.server.until { $0.log("aaaaaaaa-1") == "up\n" }
      try await site.server.stop("aaaaaaaa")
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .stopped)
      #expect(run.reason == .stopped)
      #expect(await site.server.log("aaaaaaaa-1").hasSuffix("saving\n"))
    }
  }

  @Test func aProgramThatDoesNotObeyIsKilledAfterItsGrace() async throws {
    try await site.living(site.agent()) {
      try await site.submit("trap '' TERM; echo up; while :; do sleep 0.02; done") { $0.grace = 0.2 }
      await site.server.until { $0.log("aaaaaaaa-1") == "up\n" }
      try await site.server.stop("aaaaaaaa")
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .stopped)
      #expect(run.signal == Int(SIGKILL))
    }
  }

  @Test func aRunThatTakesTooLongIsStopped() async throws {
    try await site.living(site.agent()) {
      let run = try await site.run("sleep 1000") { $0.timeout = 0.3 }
      #expect(run.state == .failed)
      #expect(run.reason == .timeout)
      // Whoever ends well when told to stop did not do its work, either.
      let polite = try await site.run("trap 'exit 0' TERM; while :; do sleep 0.01; done", id: "bbbbbbbb") {
        $0.timeout = 0.3
      }
      #expect(polite.state == .failed && polite.reason == .timeout, "\(polite)")
      #expect(run.message == "stopped after 0.3s")
    }
  }

  @Test func theProgramKnowsWhoItIsAndItsConfig() async throws {
    setenv("LUNAPORT_TEST_AGENT_KEY", "credential", 1)
    try await site.living(site.agent()) {
      let run = try await site.run("env; echo CONFIG; cat $LUNAPORT_CONFIG") { spec in
        spec.overrides.runConfig = [
          "learning-rate": 0.5, "epochs": 3, "name": "a b", "flag": true, "layers": [1, 2], "nothing": .null,
        ]
      }
      #expect(run.state == .succeeded)
      let log = await site.server.log("aaaaaaaa-1")
      for line in [
        "LUNAPORT_RUN_ID=aaaaaaaa", "LUNAPORT_RUN_NAME=run-aaaaaaaa", "LUNAPORT_ATTEMPT=1", "LUNAPORT_ENTITY=team",
        "LUNAPORT_PROJECT=project", "LUNAPORT_QUEUE=q", "PYTHONUNBUFFERED=1", "LUNAPORT_CONFIG_LEARNING_RATE=0.5",
        "LUNAPORT_CONFIG_EPOCHS=3", "LUNAPORT_CONFIG_NAME=a b", "LUNAPORT_CONFIG_FLAG=true",
      ] {
        #expect(log.contains("\(line)\n"), "\(line) is missing")
      }
      #expect(!log.contains("LUNAPORT_CONFIG_LAYERS"))
      #expect(!log.contains("credential"))
      let json = try #require(log.split(separator: "CONFIG\n").last)
      #expect(try Value(json: String(json))["layers"] == [1, 2])
    }
  }

  @Test func aRunWithoutConfigFindsAnEmptyOne() async throws {
    try await site.living(site.agent()) {
      _ = try await site.run("cat $LUNAPORT_CONFIG")
      #expect(await site.server.log("aaaaaaaa-1") == "{}\n")
    }
  }

  @Test func argumentsAndEntryPointsOfAllKindsWork() async throws {
    let digest = try await site.server.source([
      "train.py": "import sys, pkg.inner; print('py', *sys.argv[1:], pkg.inner.x)\n",
      "!tool": "#!/bin/sh\necho tool $*\n", "plain.sh": "echo plain $*\n", "pkg/inner.py": "x = 5\n",
      "pkg/__main__.py": "print('module')\n",
    ])
    let cases: [(words: [String], args: [String]?, output: String)] = [
      (["train.py"], ["a", "b c"], "py a b c 5\n"), (["./train.py"], nil, "py 5\n"), (["tool"], ["x"], "tool x\n"),
      (["./tool", "one"], ["two"], "tool one two\n"), (["plain.sh"], nil, "plain\n"),
      (["python", "-m", "pkg"], nil, "module\n"), (["sh", "-c", "echo $0"], ["zero"], "zero\n"),
    ]
    try await site.living(site.agent()) {
      for (index, example) in cases.enumerated() {
        var spec = RunSpec.code(digest, example.words)
        spec.overrides.args = example.args
        let id = "run0000\(index)"
        await site.server.submit(id, spec)
        let run = try await site.server.settled(id)
        #expect(run.state == .succeeded, "\(example.words): \(run.message ?? "")")
        #expect(await site.server.log("\(id)-1") == example.output)
      }
    }
  }

  @Test func whatCannotBeStartedFailsWithAReason() async throws {
    let digest = try await site.server.source(["data.txt": "x"])
    try await site.living(site.agent()) {
      for (index, words) in [["no-such-program"], ["./missing.sh"], ["data.txt"]].enumerated() {
        await site.server.submit("run0000\(index)", .code(digest, words))
        let run = try await site.server.settled("run0000\(index)")
        #expect(run.state == .failed)
        #expect(run.reason == .start)
        #expect(run.message?.contains(words[0].replacing("./", with: "")) == true)
      }
    }
  }

  @Test func aSourceThatLostItsContentIsNotRunAndFetchedAgain() async throws {
    try await site.living(site.agent()) {
      #expect(try await site.run("exit 7").exitCode == 7)
      // What a power cut may leave of a file that was not on the disk yet.
      let sources = "\(site.data)/agent/sources"
      let digest = try #require(Disk.names(in: sources).first { !$0.contains(".") })
      try Disk.remove("\(sources)/\(digest)/run.sh")
      try Disk.write("\(sources)/\(digest)/run.sh", [], mode: 0o755)
      let damaged = try await site.run("exit 7", id: "bbbbbbbb")
      #expect(damaged.reason == .start && damaged.message?.contains("lost a part") == true, "\(damaged)")
      #expect(try await site.run("exit 7", id: "cccccccc").exitCode == 7)
    }
  }

  @Test func everyRunHasItsOwnCopyOfTheSource() async throws {
    try await site.living(site.agent()) {
      let script = "test ! -e mark && touch mark && echo more >> run.sh && chmod 000 run.sh"
      for id in ["aaaaaaaa", "bbbbbbbb"] {
        let run = try await site.run(script, id: id)
        #expect(run.state == .succeeded)
      }
      // Fetched once: the manifest and one file.
      #expect(await site.server.fetches.values.allSatisfy { $0 == 1 })
    }
  }

  @Test func linksAndModesOfTheSourceAreKept() async throws {
    let server = site.server
    let text = try await server.put(Array("content\n".utf8))
    let script = try await server.put(Array("#!/bin/sh\ncat link; test ! -x sub/data && echo plain\n".utf8))
    let digest = try await server.source(
      Manifest(files: [
        .init(path: "sub/data", sha256: text, size: 8, executable: false),
        .init(path: "link", sha256: "", size: 0, executable: false, link: "sub/data"),
        .init(path: "run", sha256: script, size: 53, executable: true),
        .init(path: "empty", sha256: try await server.put([]), size: 0, executable: false),
      ]))
    try await site.living(site.agent()) {
      await server.submit("aaaaaaaa", .code(digest, ["./run"]))
      let run = try await server.settled("aaaaaaaa")
      #expect(run.state == .succeeded, "\(run.message ?? "")")
      #expect(await server.log("aaaaaaaa-1") == "content\nplain\n")
    }
  }

  @Test func aSourceThatLeadsOutOfItsFolderIsRefused() async throws {
    let server = site.server
    let hash = try await server.put([65])
    func file(_ path: String, link: String? = nil) -> Manifest.File {
      Manifest.File(
        path: path, sha256: link == nil ? hash : "", size: link == nil ? 1 : 0, executable: true, link: link)
    }
    let bad: [[Manifest.File]] = [
      [file("../evil")], [file("/etc/evil")], [file("a/../../evil")], [file("a//b")], [file("./a")], [file("")],
      [file("out", link: "/etc")], [file("out", link: "../..")], [file("a/out", link: "../../x")],
      [file("dir", link: "sub"), file("dir/inner")], [file("a"), file("a/b")], [file("same"), file("same")],
      [file("in", link: "sub/../../x")],
    ]
    try await site.living(site.agent()) {
      for (index, files) in bad.enumerated() {
        let id = "run\(10_000 + index)"
        await server.submit(id, .code(try await server.source(Manifest(files: files)), ["true"]))
        let run = try await server.settled(id)
        #expect(run.state == .failed && run.reason == .start)
        #expect(run.message?.contains("the source is refused") == true, "\(files.map(\.path)): \(run.message ?? "")")
      }
    }
    #expect(!Disk.exists("\(site.data)/agent/evil") && !Disk.exists("\(site.data)/evil"))
  }

  @Test func bytesWithAnotherHashAreNotRun() async throws {
    let digest = try await site.server.source(["!run.sh": "#!/bin/sh\necho good\n"])
    let hash = try await site.server.put(Array("#!/bin/sh\necho good\n".utf8))
    await site.server.corrupt(hash, Array("#!/bin/sh\necho evil\n".utf8))
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", .code(digest, ["./run.sh"]))
      await site.server.until { $0.fetches[hash, default: 0] >= 2 }
      #expect(await site.server.runs["aaaaaaaa"]?.state == .building)
      // Damaged on its way: the next try gets it whole.
      try await site.server.put(Array("#!/bin/sh\necho good\n".utf8))
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .succeeded)
      #expect(await site.server.log("aaaaaaaa-1") == "good\n")
    }
  }

  @Test func macrosAreFilledFromTheRunAndTheAllowedEnvironmentOnly() async throws {
    setenv("FORBIDDEN", "credential", 1)
    let driver = FakeDriver(target: "process")
    try await site.living(site.agent(drivers: [driver], macros: ["REGION": "north", "run_id": "bent"])) {
      _ = try await site.run("true") { spec in
        spec.resource = ["path": "/${project_name}/${run_id}/${attempt}", "where": "${REGION}", "plain": "$${REGION}"]
      }
      #expect(
        driver.state.withLock { $0.specs["aaaaaaaa-1"]?["resource"] } == [
          "path": "/project/aaaaaaaa/1", "where": "north", "plain": "${REGION}",
        ])
      let run = try await site.run("true", id: "bbbbbbbb") { $0.resource = ["x": "${FORBIDDEN}"] }
      #expect(run.state == .failed)
      #expect(run.reason == .start)
      #expect(run.message?.contains("${FORBIDDEN}") == true)
      #expect(run.message?.contains("credential") == false)
    }
  }

  @Test func secretsReachTheProgramAndNothingElse() async throws {
    try Disk.makeFolder("\(site.data)/secrets")
    try Disk.write("\(site.data)/secrets/token", Array("hush-hush\n".utf8), mode: 0o600)
    try Disk.write("\(site.data)/secrets/open", Array("seen\n".utf8), mode: 0o644)
    setenv("LUNAPORT_SECRET_other", "from-environment", 1)
    try await site.living(site.agent()) {
      let script = "test \"$KEY\" = hush-hush && test \"$OTHER\" = from-environment && echo right"
      let run = try await site.run(script) { spec in
        spec.resource = ["env": ["KEY": ["$secret": "token"], "OTHER": ["$secret": "other"]]]
      }
      #expect(run.state == .succeeded)
      #expect(await site.server.log("aaaaaaaa-1") == "right\n")
      let open = try await site.run("true", id: "bbbbbbbb") { $0.resource = ["env": ["KEY": ["$secret": "open"]]] }
      #expect(open.reason == .start)
      #expect(open.message?.contains("chmod 600") == true)
      let none = try await site.run("true", id: "cccccccc") { $0.resource = ["env": ["KEY": ["$secret": "none"]]] }
      #expect(none.message?.contains("no secret `none`") == true)
    }
    let journal = Disk.text("\(site.data)/agent/journal") ?? ""
    #expect(!journal.contains("hush"))
    #expect(!site.events.withLock { $0.map(\.text).joined() }.contains("hush"))
  }

  @Test func samplesOfARunningProgramArrive() async throws {
    let fast = try Site(speed: 20)
    try await fast.living(fast.agent()) {
      try await fast.submit("renice -n 19 $$ >&2; while :; do :; done")
      await fast.server.until { $0.samples.contains { ($0.cpu ?? 0) > 0 && ($0.memory ?? 0) > 0 } }
      try await fast.server.stop("aaaaaaaa")
      _ = try await fast.server.settled("aaaaaaaa")
    }
  }

  @Test func twoHundredRunsAtOnceAllEnd() async throws {
    try await site.living(site.agent(maxJobs: 200)) {
      let digest = try await site.server.source(["!run.sh": "#!/bin/sh\necho $LUNAPORT_RUN_ID; exit $1\n"])
      for number in 0..<200 {
        var spec = RunSpec.code(digest, ["./run.sh"])
        spec.overrides.args = ["\(number % 5)"]
        await site.server.submit("run\(10_000 + number)", spec)
      }
      await site.server.until { $0.runs.values.allSatisfy { $0.state.isSettled } }
      for number in 0..<200 {
        let run = await site.server.runs["run\(10_000 + number)"]
        #expect(run?.exitCode == number % 5)
        #expect(await site.server.log("run\(10_000 + number)-1") == "run\(10_000 + number)\n")
      }
      #expect(await site.server.runs.values.allSatisfy { $0.attempt == 1 })
    }
  }

  @Test func noMoreRunsAreHeldThanAllowed() async throws {
    let driver = FakeDriver(target: "process")
    driver.set { $0.first = Observation(.running) }
    try await site.living(site.agent(drivers: [driver], maxJobs: 3)) {
      for number in 0..<6 { try await site.submit("true", id: "run0000\(number)") }
      await site.server.until { $0.runs.values.count { $0.state == .running } == 3 }
      let runs = await site.server.runs.values
      #expect(
        runs.count { $0.state == .queued } == 3, "\(runs.map { "\($0.state) \($0.message ?? "")" })")
      #expect(await site.server.requests.allSatisfy { $0.room <= 3 })
      driver.set { $0.started["run00000-1"] = Observation(.succeeded, exitCode: 0) }
      await site.server.until { $0.runs["run00003"]?.state == .running }
      #expect(await site.server.runs.values.count { $0.state == .running } == 3)
    }
  }
}
