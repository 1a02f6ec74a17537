import Glibc
import Model
import Testing

@testable import lunaport

/// The built program as people use it: a server with an agent, and commands that talk to it.
@Suite(.serialized) struct EndToEndTests {
  @Test func aScriptBecomesAJobAndARunThatFinishes() throws {
    let site = try Site()
    try site.up()
    let script = try site.folder.write(
      "train/train.py",
      """
      import json, os, sys
      print("args", sys.argv[1:])
      print("config", json.load(open(os.environ["LUNAPORT_CONFIG"])))
      """)
    let created = try site.run("job", "create", "code", script, "--project", "demo")
    #expect(created.output == "default/demo/job-train.py:v0\nv0 created\n", "\(created.errors)")
    #expect(created.errors == "took 1 file of \(site.folder.path)/train, 112 B; sent 249 B\n")
    let again = try site.run("job", "create", "code", script, "--project", "demo")
    #expect(again.output == "default/demo/job-train.py:v0\nnothing changed: v0\n")

    let config = try site.folder.write("c.json", #"{"overrides": {"run_config": {"lr": 0.5}}}"#)
    let watched = try site.run(
      "launch", "-j", "job-train.py", "-q", "local", "-p", "demo", "-c", config, "--watch", "--", "--epochs", "3")
    #expect(watched.code == 0, "\(watched.errors)")
    #expect(watched.output == "args ['--epochs', '3']\nconfig {'lr': 0.5}\n")
    #expect(watched.errors.contains(" Finished\n"))

    let run = try #require(try site.json("run", "list")[0])
    let id = try #require(run["id"]?.stringValue)
    let shown = try site.json("run", "show", id)
    #expect(shown["state"] == "Finished")
    #expect(shown["exit_code"] == 0)
    #expect(shown["attempt"] == 1)
    #expect(shown["queue"] == "local")
    #expect(shown["author"] == "admin")
    for time in ["created_at", "started_at", "finished_at"] {
      #expect(shown[time]?.stringValue.flatMap(Timestamp.seconds) != nil, "\(time)")
    }
    #expect(try site.run("run", "logs", id).output == watched.output)

    let queues = try site.json("queue", "list")
    #expect(queues[0]?["name"] == "local")
    #expect(queues[0]?["entity"] == "default")
    #expect(queues[0]?["target"] == "process")
    let counts = try site.json("queue", "show", "local")["counts"]
    #expect(counts?.objectValue?.keys.sorted() == VisibleState.allCases.map(\.rawValue).sorted())
    #expect(counts?["Finished"] == 1)

    try site.folder.write("train/train.py", "print(2)\n")
    #expect(try site.run("job", "create", "code", script, "--project", "demo").output.hasSuffix("v1 created\n"))
    let described = try site.json("job", "describe", "demo/job-train.py")
    #expect(described["version"] == 1)
    #expect(described["versions"]?.arrayValue?.count == 2)
    #expect(site.down() == 0, "SIGTERM is an orderly end")
  }

  @Test func aFailingProgramsExitCodeIsThatOfTheWatch() throws {
    let site = try Site()
    try site.up()
    try site.job("bad", "echo so far; exit 3")
    let watched = try site.run("launch", "-j", "bad", "-q", "local", "--watch")
    #expect(watched.code == 3)
    #expect(watched.output == "so far\n")
    #expect(watched.errors.contains("Failed (exit code 3)"))
    let run = try #require(try site.json("run", "list", "--state", "failed")[0])
    #expect(run["exit_code"] == 3)
    let id = try #require(run["id"]?.stringValue)
    let explained = try site.run("explain", id)
    #expect(explained.output.contains("its program exited with code 3"))
    #expect(explained.output.contains("lunaport run retry \(id)"))
    #expect(try site.run("run", "retry", id).output == "\(id) is queued again in local\n")
    #expect(try site.run("run", "watch", id).code == 3)
    #expect(try site.json("run", "show", id)["attempt"] == 2)
  }

  @Test func aStoppedRunIsKilled() throws {
    let site = try Site()
    try site.up()
    let bell = site.doorbell("started")
    try site.job("long", "echo on > \(bell); sleep 600")
    let id = try #require(try site.json("launch", "-j", "long", "-q", "local")["id"]?.stringValue)
    #expect(Site.await(bell) == "on")
    #expect(try site.run("run", "stop", id).output == "\(id) is being stopped\n")
    let watched = try site.run("run", "watch", id)
    #expect(watched.code == 1)
    #expect(watched.errors.contains(" Killed"))
    #expect(try site.json("run", "show", id)["state"] == "Killed")
  }

  @Test func controlCLeavesTheRunRunningAndSaysHowToStopIt() throws {
    let site = try Site()
    try site.up()
    let bell = site.doorbell("started")
    try site.job("long", "echo hello; echo on > \(bell); sleep 600")
    let id = try #require(try site.json("launch", "-j", "long", "-q", "local")["id"]?.stringValue)
    #expect(Site.await(bell) == "on")
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let errors = Child.memoryFile()
    let watch = try site.start("run", "watch", id, output: ends[1], errors: errors)
    close(ends[1])
    #expect(Site.line(from: ends[0]) == "hello", "the log is seen while the run goes on")
    #expect(site.end(watch, SIGINT) == 130)
    close(ends[0])
    let text = Child.text(errors)
    #expect(text.contains("\(id) goes on without you.\nhelp: to stop it: lunaport run stop \(id)"), "\(text)")
    close(errors)
    #expect(try site.json("run", "show", id)["state"] == "Running")
  }

  @Test func aRunWaitsForAnAgentAndSaysSo() throws {
    let site = try Site()
    try site.up("--no-agent")
    try site.job("hello", "echo hello")
    let launched = try site.run("launch", "-j", "hello", "-q", "local")
    #expect(launched.output.contains(" is Idle in local"))
    #expect(launched.errors.hasPrefix("warning: no active agent"))
    let id = String(launched.output.prefix(8))
    #expect(try site.run("explain", id).output.contains("no active agent polls the queue"))
    let errors = Child.memoryFile()
    let agent = try site.start(
      "agent", "-q", "local", "--plugins", Site.repository + "/plugins", "--data", site.folder.path + "/agent",
      output: errors, errors: errors)
    let watched = try site.run("run", "watch", id)
    #expect(watched.code == 0, "\(Child.text(errors))")
    #expect(watched.output == "hello\n")
    let agents = try site.json("agents")
    #expect(agents[0]?["queues"] == ["local"])
    #expect(site.end(agent, SIGTERM) == 0)
    #expect(Child.text(errors).contains("max_jobs="))
  }

  @Test func anAgentThatLacksATargetIsRefusedWithTheWholeReport() throws {
    let site = try Site()
    try site.up("--no-agent")
    try site.folder.write("fewer/mock/plugin.lua", try plugin("mock/plugin.lua"))
    try site.folder.write("fewer/mock/driver.lua", try plugin("mock/driver.lua"))
    let refused = try site.run(
      "agent", "-q", "local", "--plugins", site.folder.path + "/fewer", "--data", site.folder.path + "/agent", "--name",
      "box")
    #expect(refused.code == 78)
    #expect(
      refused.errors.contains("error[Q0107]: agent `box` polls `local` but cannot run its jobs"), "\(refused.errors)")
    #expect(refused.errors.contains("needs driver process"))
    #expect(refused.errors.contains("no driver of target `process` is installed; installed: mock"))
    #expect(refused.errors.contains("--allow-partial"))
    let missing = try site.run(
      "agent", "-q", "lcoal", "--plugins", Site.repository + "/plugins", "--data", site.folder.path + "/agent")
    #expect(missing.code == 78)
    #expect(missing.errors.contains("lcoal"))
  }

  private func plugin(_ path: String) throws -> String {
    String(decoding: try LocalFile.read("\(Site.repository)/plugins/\(path)"), as: UTF8.self)
  }

  @Test func runsAndWatchesSurviveARestartOfEverything() throws {
    let site = try Site()
    try site.up()
    let bell = site.doorbell("started")
    let go = site.folder.path + "/go"
    try site.job("patient", "echo before; echo on > \(bell); while [ ! -e \(go) ]; do sleep 0.05; done; echo after")
    let id = try #require(try site.json("launch", "-j", "patient", "-q", "local")["id"]?.stringValue)
    #expect(Site.await(bell) == "on")
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let errors = Child.memoryFile()
    let watch = try site.start("run", "watch", id, output: ends[1], errors: errors)
    close(ends[1])
    #expect(Site.line(from: ends[0]) == "before")
    let address = String(site.url.dropFirst("http://".count))
    #expect(site.down(SIGKILL) == 137)
    try site.up(listen: address)
    try site.folder.write("go", "")
    #expect(Site.line(from: ends[0]) == "after")
    #expect(site.end(watch, nil) == 0, "\(Child.text(errors))")
    close(ends[0])
    close(errors)
    let run = try site.json("run", "show", id)
    #expect(run["state"] == "Finished")
    #expect(run["attempt"] == 1)
  }

  @Test func aQueueThatIsAddedWhileItRunsIsServed() throws {
    let site = try Site()
    try site.up()
    try site.job("hello", "echo hello")
    try site.folder.write("queues.d/second.lua", #"queue "second" { target = "process" }"#)
    // The files are read anew by themselves; asking for it here only saves the wait.
    var known = false
    while !known { known = try site.json("queue", "list").arrayValue?.count == 2 }
    #expect(try site.run("launch", "-j", "hello", "-q", "second", "--watch").output == "hello\n")
  }

  @Test func aBadEditStopsNothingAndIsTold() throws {
    let site = try Site()
    try site.up()
    try site.job("hello", "echo hello")
    try site.folder.write("queues.d/second.lua", #"queue "second" { target = "proces" }"#)
    while !site.serverLog.contains("what was read before them goes on") { sched_yield() }
    #expect(site.serverLog.contains("queues.d/second.lua:1:"), "\(site.serverLog)")
    #expect(try site.run("launch", "-j", "hello", "-q", "local", "--watch").output == "hello\n")
    #expect(try site.run("doctor").output.contains("warn  configuration:"))
  }

  @Test func aQueueIsMadePausedOpenedDrainedAndExported() throws {
    let site = try Site()
    try site.up("--no-agent")
    let made = try site.run("queue", "create", "night", "-t", "process", "--concurrency", "2", "--priorities")
    #expect(made.output == "default/night created on process\n", "\(made.errors)")
    #expect(try site.run("queue", "pause", "night").output == "default/night is paused: takes runs, and starts none\n")
    #expect(try site.json("queue", "show", "night")["gate"] == "paused")
    #expect(try site.run("queue", "resume", "default/night").output == "default/night is open\n")
    #expect(try site.run("queue", "drain", "night").output.contains("draining"))
    try site.job("hello", "echo hello")
    let refused = try site.run("launch", "-j", "hello", "-q", "night")
    #expect(refused.code == 2)
    #expect(refused.errors.contains("night"), "\(refused.errors)")
    let exported = try site.run("queue", "export", "night").output
    try site.folder.write("exported/night.lua", exported)
    let checked = try site.run("check", site.folder.path + "/exported", "--plugins", Site.repository + "/plugins")
    #expect(checked.code == 0, "\(exported)\(checked.output)")
    #expect(exported.contains("concurrency = 2"))
    let unknown = try site.run("queue", "show", "nigth")
    #expect(unknown.errors == "error: there is no queue nigth\nhelp: did you mean night?\n")
  }

  @Test func aKeyIsMadeUsedAndRevoked() throws {
    let site = try Site()
    try site.up("--no-agent")
    let made = try site.run("key", "create", "alice", "--label", "laptop")
    let key = made.output.filter { !$0.isWhitespace }
    #expect(made.errors.contains("of alice (member"), "\(made.errors)")
    func asAlice(_ words: String...) throws -> Child.Ended {
      try Child.run([Site.lunaport] + words, environment: ["LUNAPORT_URL": site.url, "LUNAPORT_API_KEY": key])
    }
    #expect(try asAlice("run", "list").code == 0)
    #expect(try asAlice("key", "list").code == 2, "only admins see keys")
    let listed = try #require(try site.json("key", "list").arrayValue?.first { $0["account"] == "alice" })
    #expect(listed["label"] == "laptop")
    #expect(listed["key"] ?? .null == .null)
    let id = try #require(listed["id"]?.stringValue)
    #expect(try site.run("key", "revoke", id).output == "key \(id) is revoked\n")
    let refused = try asAlice("run", "list")
    #expect(refused.code == 2)
    #expect(refused.errors.contains("help:"), "\(refused.errors)")
  }

  @Test func queuesThatThisMachineCannotServeAreLeftOutAndNamed() throws {
    let site = try Site()
    for file in ["plugin.lua", "driver.lua"] {
      try site.folder.write("plugins/process/\(file)", try plugin("process/\(file)"))
    }
    #expect(try site.run("plugin", "new", "far", "--plugins", site.folder.path + "/plugins").code == 0)
    let path = site.folder.path + "/plugins/far/driver.lua"
    let driver = String(decoding: try LocalFile.read(path), as: UTF8.self)
    try site.folder.write(
      "plugins/far/driver.lua",
      driver.split(separator: "\n", omittingEmptySubsequences: false).map { line in
        line.contains("return host.process.probe()")
          ? #"  return { health = "undetected", detail = "no far cluster here" }"# : String(line)
      }.joined(separator: "\n"))
    try site.folder.write("queues.d/far.lua", #"queue "far" { target = "far" }"#)
    try site.up(plugins: site.folder.path + "/plugins")
    try site.job("hello", "echo hello")
    #expect(try site.run("launch", "-j", "hello", "-q", "local", "--watch").output == "hello\n")
    #expect(site.serverLog.contains("no far cluster here"), "\(site.serverLog)")
    #expect(try site.run("launch", "-j", "hello", "-q", "far").output.contains(" is Idle in far"))
  }

  @Test func aServerThatCannotStartSaysWhy() throws {
    let site = try Site()
    try site.up("--no-agent")
    let plugins = Site.repository + "/plugins"
    func up(_ data: String, _ listen: String, _ queues: String, with others: String? = nil) throws -> Child.Ended {
      try Child.run(
        [
          Site.lunaport, "up", "--data", data, "--listen", listen, "--queues", queues, "--plugins", others ?? plugins,
        ])
    }
    let locked = try up(site.data, "127.0.0.1:0", site.queues)
    #expect(locked.code == 2)
    #expect(locked.errors.contains("another"), "\(locked.errors)")
    let taken = try up(site.folder.path + "/two", String(site.url.dropFirst("http://".count)), site.queues)
    #expect(taken.code == 2)
    let fact = "cannot listen on \(site.url.dropFirst("http://".count)): Address already in use\n"
    #expect(taken.errors.contains(fact), "\(taken.errors)")
    try site.folder.write("bad/a.lua", #"queue "a" { target = "proces" }"#)
    let bad = try up(site.folder.path + "/three", "127.0.0.1:0", site.folder.path + "/bad")
    #expect(bad.code == 78)
    #expect(bad.errors.contains("error[C0013]"), "\(bad.errors)")
    let blind = try up(site.folder.path + "/four", "127.0.0.1:0", site.queues, with: site.folder.path + "/none")
    #expect(blind.errors.contains("error[C0004]") && !blind.errors.contains("C0013"), "\(blind.errors)")
    for ended in [locked, taken, bad, blind] { #expect(ended.output == "", "nothing serves, so nothing is ready") }
  }

  @Test func aLoginIsTriedAndKept() throws {
    let site = try Site()
    try site.up("--no-agent")
    let key = String(decoding: try LocalFile.read(site.data + "/admin.key"), as: UTF8.self).filter { !$0.isWhitespace }
    let home = ["HOME": site.folder.path]
    let bad = try Child.run(
      [Site.lunaport, "login", site.url],
      environment: home.merging(["LUNAPORT_API_KEY": "lp-\(String(repeating: "x", count: 43))"]) { $1 })
    #expect(bad.code == 2)
    let good = try Child.run(
      [Site.lunaport, "login", site.url], environment: home.merging(["LUNAPORT_API_KEY": key]) { $1 })
    #expect(good.output.hasPrefix("logged in to \(site.url) as admin (admin)"), "\(good.errors)")
    #expect(try Child.run([Site.lunaport, "queue", "list"], environment: home).output.contains("local"))
    // The key of one server is not told to another.
    let elsewhere = try Child.run([Site.lunaport, "doctor", "--url", "http://127.0.0.1:1"], environment: home)
    #expect(elsewhere.code == 1)
    #expect(!elsewhere.output.contains(key))
    let listed = try Child.run([Site.lunaport, "completion", "--list", "queues"], environment: home)
    #expect(listed.output == "local\n")
  }

  @Test func filesAndServerAreCompared() throws {
    let site = try Site()
    // Whole numbers of a type that takes fractions travel as 64, and are read from the file as 64.0.
    let queue =
      #"target = "process", priorities = true, resource = { cpu = var("cpu", number { min = 0.5, max = 64 }) }"#
    try site.folder.write("queues.d/local.lua", #"queue "local" { \#(queue) }"#)
    try site.up("--no-agent")
    let plugins = ["--plugins", Site.repository + "/plugins"]
    func diff() throws -> Child.Ended { try site.run("diff", site.queues, plugins[0], plugins[1]) }
    #expect(try diff().code == 0)
    // A folder of its own, for the server follows the one that it reads.
    try site.folder.write(
      "edited/local.lua", #"queue "local" { \#(queue), concurrency = 2 }"#)
    try site.folder.write("edited/new.lua", #"queue "new" { target = "process" }"#)
    let changed = try site.run("diff", site.folder.path + "/edited", plugins[0], plugins[1])
    #expect(changed.code == 1)
    #expect(
      changed.output == "~ queue default/local\n    + concurrency = 2\n+ queue default/new\n", "\(changed.errors)")
  }
}

/// Commands that need no server.
@Suite struct LocalCommandTests {
  private let plugins = Site.repository + "/plugins"

  private func check(_ folder: TestFolder, _ words: String...) throws -> Child.Ended {
    try Child.run([Site.lunaport, "check", folder.path + "/queues.d", "--plugins", plugins] + words)
  }

  @Test func checkTellsByItsExitCodeWhetherFilesAreGood() throws {
    let folder = TestFolder()
    try folder.write("queues.d/a.lua", #"queue "a" { target = "process" }"#)
    #expect(try check(folder).code == 0)
    try folder.write(
      "queues.d/b.lua",
      """
      queue "b" { target = "proces" }
      queue "c" { target = "process", resource = { memori = "4Gi" } }
      queue "d" { target = "process", concurency = 3 }
      """)
    let bad = try check(folder)
    #expect(bad.code == 1)
    for meant in ["did you mean `process`?", "did you mean `memory`?", "did you mean `concurrency`?"] {
      #expect(bad.output.contains(meant), "\(bad.output)")
    }
    let json = try Value(json: try check(folder, "--format", "json").output)
    let diagnostics = try #require(json["diagnostics"]?.arrayValue)
    #expect(diagnostics.count == 3)
    for diagnostic in diagnostics {
      for key in ["code", "severity", "message", "file", "line", "column", "help"] {
        #expect(diagnostic.objectValue?.keys.contains(key) == true, "\(key) in \(diagnostic)")
      }
    }
    #expect(try check(folder, "--json").output == check(folder, "--format", "json").output)
    #expect(try check(folder, "--format", "github").output.hasPrefix("::error file=queues.d/b.lua,line=1,col="))
    let nowhere = try Child.run([Site.lunaport, "check", folder.path + "/nowhere", "--plugins", plugins])
    #expect(nowhere.code == 2)
  }

  @Test func checkExplainsItsCodes() async {
    let page = await ran("check", "--explain", "c0021")
    #expect(page.code == .ok)
    #expect(page.output.hasPrefix("C0021: "))
    let unknown = await ran("check", "--explain", "C0029")
    #expect(unknown.code == .couldNotRun)
    #expect(unknown.errors.contains("did you mean C00"))
  }

  @Test func planShowsWhoWroteEachValueAndTheTargetsOwnDocument() throws {
    let folder = TestFolder()
    try folder.write(
      "queues.d/a.lua",
      """
      queue "a" {
        target = "process",
        resource = { memory = var("memory", size { min = "16Mi" }), env = { A = "1" } },
      }
      """)
    let script = try folder.write("job/train.py", "print(1)\n")
    let options = ["--queues", folder.path + "/queues.d", "--plugins", plugins]
    let plan = try Child.run([Site.lunaport, "plan", "a", script, "-v", "memory=1Gi"] + options)
    #expect(plan.code == 0, "\(plan.errors)")
    #expect(plan.output.contains(#""1Gi"  variable memory, set by the run (queues.d/a.lua:3:"#), "\(plan.output)")
    #expect(plan.output.contains("default of driver process (plugins/process/plugin.lua:"))
    let json = try Value(
      json: try Child.run([Site.lunaport, "plan", "a", script, "-v", "memory=1Gi", "--json"] + options).output)
    #expect(json["document"]?["memory"] == 1_073_741_824)
    #expect(json["document"]?["argv"] == ["python3", "train.py"])
    let wrong = try Child.run([Site.lunaport, "plan", "a", script, "-v", "memory=1"] + options)
    #expect(wrong.code == 1)
    #expect(wrong.errors.contains("error[S0003]"))
    let unknown = try Child.run([Site.lunaport, "plan", "b", script] + options)
    #expect(unknown.errors.contains("the files declare no queue b"))
  }

  @Test func planRefusesWhatAQueueThatBuildsNothingWouldNotTake() throws {
    let folder = TestFolder()
    try folder.write("queues.d/a.lua", #"queue "a" { target = "docker", builder = "noop" }"#)
    let script = try folder.write("job/train.py", "print(1)\n")
    let plan = try Child.run(
      [Site.lunaport, "plan", "a", script, "--queues", folder.path + "/queues.d", "--plugins", plugins])
    #expect(plan.code == 1)
    #expect(plan.errors.contains("error[S0009]: queue `a` builds nothing"), "\(plan.errors)")
    #expect(plan.errors.contains("launch a job that is made from an image"), "\(plan.errors)")
  }

  @Test func aNewPluginPassesCheckAndTheSuite() throws {
    let folder = TestFolder()
    let plugins = folder.path + "/plugins"
    let made = try Child.run([Site.lunaport, "plugin", "new", "mine", "--plugins", plugins])
    #expect(made.output == "\(plugins)/mine/plugin.lua\n\(plugins)/mine/driver.lua\n")
    try folder.write("queues.d/a.lua", #"queue "a" { target = "mine" }"#)
    #expect(try Child.run([Site.lunaport, "check", folder.path + "/queues.d", "--plugins", plugins]).code == 0)
    let tested = try Child.run([Site.lunaport, "plugin", "test", plugins + "/mine"])
    #expect(tested.code == 0, "\(tested.output)\(tested.errors)")
    #expect(tested.output.contains("ok    stop ends a running program\n"))
    let again = try Child.run([Site.lunaport, "plugin", "new", "mine", "--plugins", plugins])
    #expect(again.code == 2)
    let doc = try Child.run([Site.lunaport, "plugin", "doc", "mine", "--plugins", plugins])
    #expect(doc.output.hasPrefix("# driver mine 0.1.0\n"))
  }

  @Test func aBrokenDriverFailsTheSuite() throws {
    let folder = TestFolder()
    let plugins = folder.path + "/plugins"
    _ = try Child.run([Site.lunaport, "plugin", "new", "mine", "--plugins", plugins])
    let driver = String(decoding: try LocalFile.read(plugins + "/mine/driver.lua"), as: UTF8.self)
    let broken = driver.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.contains("return host.process.find(token)") ? "  return nil" : String(line)
    }
    try folder.write("plugins/mine/driver.lua", broken.joined(separator: "\n"))
    let tested = try Child.run([Site.lunaport, "plugin", "test", plugins + "/mine", "--json"])
    #expect(tested.code == 1)
    let failed = try Value(json: tested.output).arrayValue?.filter { $0["outcome"] == "failed" }
    let names = failed?.compactMap { $0["name"]?.stringValue } ?? []
    #expect(names.count { $0.hasPrefix("find gives a start") } == 1, "\(names)")
    #expect(!names.contains { $0.hasPrefix("stop") || $0.hasPrefix("logs") })
    // One case alone, and one that fails alone.
    let one = try Child.run([Site.lunaport, "plugin", "test", plugins + "/mine", "--only", "stop ends"])
    #expect(one.code == 0 && one.output == "ok    stop ends a running program\n", "\(one.output)")
    let none = try Child.run([Site.lunaport, "plugin", "test", plugins + "/mine", "--only", "nothing has this"])
    #expect(none.code == 2)
  }

  @Test func aFixtureThatCannotBeReadIsTold() throws {
    let folder = TestFolder()
    let plugins = folder.path + "/plugins"
    _ = try Child.run([Site.lunaport, "plugin", "new", "mine", "--plugins", plugins])
    try folder.write("fixture.lua", "return { imge = \"x\" }")
    let tested = try Child.run([
      Site.lunaport, "plugin", "test", plugins + "/mine", "--fixture", folder.path + "/fixture.lua",
    ])
    #expect(tested.code == 2)
    #expect(tested.errors.contains("unknown key `imge`; did you mean `image`?"), "\(tested.errors)")
  }

  @Test func typesForEditorsAreWrittenAndKnownToBeStale() throws {
    let folder = TestFolder()
    let path = folder.path + "/types.lua"
    let words = [Site.lunaport, "plugin", "types", "--plugins", plugins, "--output", path]
    #expect(try Child.run(words + ["--check"]).code == 1)
    #expect(try Child.run(words).code == 0)
    #expect(try Child.run(words + ["--check"]).code == 0)
    #expect(
      try Child.run([Site.lunaport, "plugin", "types", "--plugins", plugins]).output.hasPrefix("---@meta lunaport\n"))
  }

  @Test func doctorSaysOfEachThingHowItIs() throws {
    let folder = TestFolder()
    let examined = try Child.run(
      [Site.lunaport, "doctor", "--plugins", plugins, "--data", folder.path + "/nowhere", "--json"],
      environment: ["HOME": folder.path])
    #expect(examined.code == 1)
    let findings = try #require(try Value(json: examined.output).arrayValue)
    let verdicts = Dictionary(
      findings.map { ($0["name"]?.stringValue ?? "", $0["verdict"]?.stringValue ?? "") },
      uniquingKeysWith: { first, _ in first })
    #expect(verdicts["server"] == "warn")
    #expect(verdicts["runs"] == "ok")
    #expect(verdicts["plugins"] == "ok")
    #expect(verdicts["data"] == "fail")
  }
}
