import GitTesting
import Glibc
import Model
import Testing

@testable import lunaport

/// Jobs of every kind, from the command line to the end of their runs.
@Suite(.serialized) struct JobCommandTests {
  @Test func aCommitBecomesAJobAndEachNewOneAVersion() async throws {
    let site = try Site()
    try site.up()
    let host = try await GitHost()
    defer { host.close() }
    let first = try host.commit(["train/train.py": "print('one')", "train/gone": "", "other.txt": "x"])
    try host.publish()
    func create(_ words: String...) throws -> Child.Ended {
      try site.run(
        ["job", "create", "git", host.url + "/open.git", "--project", "demo", "--name", "train"] + words)
    }
    let words = ["--folder", "train", "--entry-point"]
    let slip = try create(words[0], words[1], words[2], "trian.py")
    #expect(slip.code == 64)
    #expect(
      slip.errors.contains("there is no trian.py in 127.0.0.1/open\nhelp: did you mean train.py?"), "\(slip.errors)")
    try host.git("rm", "--quiet", "train/gone")
    let second = try host.commit([:])
    try host.publish()
    let made = try create(words[0], words[1], words[2], "train.py")
    #expect(made.output == "default/demo/train:v0\nv0 created\n", "\(made.errors)")
    #expect(made.errors == "main of 127.0.0.1/open is \(second)\n")
    #expect(try create(words[0], words[1], words[2], "train.py").output.contains("nothing changed: v0"))
    #expect(try site.run("launch", "-j", "train", "-q", "local", "--watch").output == "one\n")

    let third = try host.commit(["train/train.py": "print('two')"])
    try host.publish()
    #expect(try site.run("launch", "-j", "train", "-q", "local", "--watch").output == "one\n", "the commit is pinned")
    #expect(try create(words[0], words[1], words[2], "train.py").output.contains("v1 created"))
    #expect(try site.run("launch", "-j", "train", "-q", "local", "--watch").output == "two\n")
    #expect(try site.run("launch", "-j", "train:v0", "-q", "local", "--watch").output == "one\n")
    let diff = try site.run("job", "diff", "train:v0", "v1")
    #expect(diff.code == 1)
    #expect(
      diff.output == """
        default/demo/train:v0 -> default/demo/train:v1
        ~ commit: \(second) (main) -> \(third) (main)

        """)
    let old = try create("-g", first, words[0], words[1], words[2], "train.py")
    #expect(old.output.contains("v2 created"), "\(old.errors)")
    #expect(try site.json("job", "describe", "train:v2")["source"]?["git"]?["commit"] == .string(first))
    let none = try create("-g", "nope", words[0], words[1], words[2], "train.py")
    #expect(none.code == 2)
    #expect(none.errors.contains("no branch or tag `nope`"), "\(none.errors)")
  }

  @Test func aClosedRepositoryOverHTTPSRunsFromBranchTagAndCommit() async throws {
    let site = try Site()
    try site.up()
    let authority = try await GitAuthority()
    let host = try await GitHost(login: "x-access-token:s3cret", authority: authority)
    defer { host.close() }
    let part = try host.commit(["!part.sh": "#!/bin/sh\necho part\n"])
    try host.publish("closed/part.git")
    func commit(_ word: String) throws -> String {
      try host.commit(
        [
          "!run.sh": "#!/bin/sh\necho \(word)\n./lib/part.sh\n",
          ".gitmodules": "[submodule \"lib\"]\n\tpath = lib\n\turl = ../part.git\n",
        ], part: part, at: "lib")
    }
    let first = try commit("one")
    try host.git("tag", "-a", "-m", "t", "v1.0")
    _ = try commit("two")
    try host.git("branch", "side")
    _ = try commit("three")
    try host.publish("closed/app.git")
    func create(_ ref: String) throws -> Child.Ended {
      try site.run(
        "job", "create", "git", host.url + "/closed/app.git", "-g", ref, "--entry-point", "run.sh", "--project", "demo",
        "--name", "app", "--secret", "git-127.0.0.1")
    }
    let unknown = try create("side")
    #expect(unknown.code == 2)
    #expect(unknown.errors.contains("error: the certificate of 127.0.0.1 is not trusted on this machine"))
    // The person and the agent, each with their own login.
    try site.folder.write(
      ".gitconfig",
      """
      [http]
      sslCAInfo = \(authority.file)
      [credential]
      helper = "!printf 'username=x-access-token\\npassword=s3cret\\n' #"
      """)
    try site.folder.write("data/agent/git-ca.pem", String(decoding: try LocalFile.read(authority.file), as: UTF8.self))
    let secret = try site.folder.write("data/agent/secrets/git-127.0.0.1", "s3cret\n")
    #expect(chmod(secret, 0o600) == 0)
    for (ref, word) in [("side", "two"), ("v1.0", "one"), (first, "one"), ("main", "three")] {
      let made = try create(ref)
      #expect(made.code == 0, "\(made.errors)")
      let run = try site.run("launch", "-j", "app", "-q", "local", "--watch")
      #expect(run.output == "\(word)\npart\n", "\(ref): \(run.output) \(run.errors)")
    }
    #expect(host.requests.contains { $0.contains("/closed/part.git") })
  }

  @Test func versionsOfFoldersDifferInTheirFiles() throws {
    let site = try Site()
    try site.up("--no-agent")
    func create() throws {
      #expect(try site.run("job", "create", "code", site.folder.path + "/j/run.sh", "-p", "p").code == 0)
    }
    try site.folder.write("j/run.sh", "#!/bin/sh\n", executable: true)
    try site.folder.write("j/gone.txt", "x")
    try create()
    try site.folder.write("j/run.sh", "#!/bin/sh\necho\n", executable: true)
    _ = try Child.run(["rm", site.folder.path + "/j/gone.txt"])
    try site.folder.write("j/requirements.txt", "")
    try create()
    let diff = try site.json(allowing: 1, "job", "diff", "job-run.sh:v0", "latest")
    #expect(diff["changes"]?.arrayValue?.map { $0["what"] ?? .null } == ["requirements"])
    #expect(diff["files"]?.arrayValue?.map { $0["path"] ?? .null } == ["gone.txt", "requirements.txt", "run.sh"])
    #expect(diff["files"]?[0]?["new"] == .null)
    #expect(try site.run("job", "alias", "job-run.sh:v0", "best").output == "default/p/job-run.sh:v0: best\n")
    #expect(try site.json("job", "describe", "job-run.sh:best")["version"] == 0)
    #expect(
      try site.run("job", "alias", "job-run.sh", "best").output == "default/p/job-run.sh:v1: best, latest\n")
    let gone = try site.run("job", "alias", "job-run.sh:best", "best", "--remove")
    #expect(gone.output == "default/p/job-run.sh:v1: latest\n", "\(gone.errors)")
    #expect(try site.run("job", "describe", "job-run.sh:best").code == 2)
    let same = try site.run("job", "diff", "job-run.sh:v1", "latest")
    #expect(same.code == 0)
    #expect(same.output == "default/p/job-run.sh:v1 and default/p/job-run.sh:v1 are the same\n")
    #expect(try site.run("job", "diff", "job-run.sh:v0", "v9").code == 2)
  }

  @Test func launchMakesTheJobOfAFolderOrAnImage() throws {
    let site = try Site()
    try site.up()
    try site.folder.write("j/hello.py", "import sys; print('hello', sys.argv[1:])")
    let run = try site.run(
      "launch", "--uri", site.folder.path + "/j", "--entry-point", "hello.py --fast", "-q", "local", "-p", "demo",
      "--watch",
      "--", "now")
    #expect(run.code == 0, "\(run.errors)")
    #expect(run.output == "hello ['--fast', 'now']\n")
    #expect(try site.json("job", "list")[0]?["name"] == "job-j")

    let image = try site.run(
      "launch", "--docker-image", "127.0.0.1:1/team/app:1.0", "-q", "local", "-p", "demo", "-j", "mine", "--json")
    #expect(image.code == 0, "\(image.errors)")
    #expect(image.errors.contains("note: not pinned, for"), "\(image.errors)")
    #expect(image.errors.contains("warning:"), "no agent here runs images: \(image.errors)")
    #expect(try Value(json: image.output)["job"] == "default/demo/mine:v0")
    #expect(try site.json("job", "describe", "mine:1.0")["source"]?["image"] == "127.0.0.1:1/team/app:1.0")

    for (words, meant) in [
      (["--uri", "x", "--docker-image", "y"], "cannot both be given"),
      (["-j", "a", "--entry-point", "x"], "give --uri"),
      (["--docker-image", "y"], "--project"), (["--docker-image", "Y/y z"], "invalid for '--docker-image"),
    ] {
      let bad = try site.run(["launch", "-q", "local"] + words)
      #expect(bad.code == 64)
      #expect(bad.errors.contains(meant), "\(bad.errors)")
    }
  }

  @Test func inputsAreKeptShownAndHeldAgainstEachRun() throws {
    let site = try Site()
    try site.up()
    let script = try site.folder.write(
      "j/run.sh", "#!/bin/sh\necho $LUNAPORT_CONFIG_LR $LUNAPORT_CONFIG_EPOCHS\n", executable: true)
    let config = try site.folder.write("config.json", #"{"lr": 0.1, "epochs": 3}"#)
    let made = try site.run("job", "create", "code", script, "-p", "p", "-n", "j", "--config", config)
    #expect(made.code == 0, "\(made.errors)")
    #expect(try site.run("job", "describe", "j").output.contains("inputs    epochs: integer, 3 by default\n"))
    #expect(try site.run("launch", "-j", "j", "-q", "local", "--watch").output == "0.1 3\n")
    let good = try site.folder.write("good.json", #"{"overrides": {"run_config": {"lr": 1}}}"#)
    #expect(try site.run("launch", "-j", "j", "-q", "local", "--watch", "-c", good).output == "1 3\n")
    let bad = try site.folder.write("bad.json", #"{"overrides": {"run_config": {"epoch": 1, "lr": "x"}}}"#)
    let refused = try site.run("launch", "-j", "j", "-q", "local", "-c", bad)
    #expect(refused.code == 2)
    #expect(
      refused.errors == """
        error[S0016]: the job has no input `epoch`
        help: did you mean `epochs`? (integer)

        error[S0017]: the job's input `lr` must be number, not text "x"

        """)
  }

  // MARK: Sweeps

  private func sweeping(_ site: Site) throws {
    try site.folder.write(
      "queues.d/local.lua", #"queue "local" { target = "process", priorities = true, concurrency = 2 }"#)
    try site.up()
    let script = try site.folder.write(
      "j/run.sh", "#!/bin/sh\necho $LUNAPORT_CONFIG_A $LUNAPORT_CONFIG_B $LUNAPORT_CONFIG_C\nexit $LUNAPORT_CONFIG_A\n",
      executable: true)
    let config = try site.folder.write("config.json", #"{"a": 0, "b": "x", "c": 0.5}"#)
    #expect(try site.run("job", "create", "code", script, "-p", "p", "-n", "j", "--config", config).code == 0)
  }

  @Test func aSweepRunsEveryPointAndSaysHowEachEnded() throws {
    let site = try Site()
    try sweeping(site)
    let plan = try site.run("sweep", "-j", "j", "-q", "local", "--grid", "a=0,3", "--grid", "b=1,y", "--plan")
    #expect(plan.output == "a  b\n0  1\n0  y\n3  1\n3  y\n", "\(plan.errors)")
    #expect(try site.json("run", "list") == [])

    let swept = try site.run(
      "sweep", "-j", "j", "-q", "local", "--grid", "a=0,3", "--grid", "b=1,y,z", "--name", "s", "--watch")
    #expect(swept.code == 1, "some failed: \(swept.errors)")
    #expect(swept.errors.contains("6 runs of default/p/j:v0 in local; at most 2 run at one time\n"), "\(swept.errors)")
    let rows = swept.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(rows.first == ["RUN", "NAME", "STATE", "EXIT", "DURATION", "a", "b"])
    #expect(
      rows.dropFirst().map { Array($0[1...3]) + $0.suffix(2) } == [
        ["s-1", "Finished", "0", "0", "1"], ["s-2", "Finished", "0", "0", "y"], ["s-3", "Finished", "0", "0", "z"],
        ["s-4", "Failed", "3", "3", "1"], ["s-5", "Failed", "3", "3", "y"], ["s-6", "Failed", "3", "3", "z"],
      ])
    #expect(try site.run("run", "logs", rows[1][0]).output == "0 1 0.5\n", "what is not swept has its default")
    // Each end is told as it comes.
    #expect(swept.errors.split(separator: "\n").filter { $0.contains(" Failed (exit code 3): a=3 b=") }.count == 3)
  }

  @Test func aSweepWithAKeyIsQueuedOnce() throws {
    let site = try Site()
    try sweeping(site)
    func sweep() throws -> [Value] {
      let words = ["--random", "c=log:1e-3:1", "--count", "3", "--seed", "7", "--key", "k", "--watch"]
      let ended = try site.run(["sweep", "-j", "j", "-q", "local", "--json"] + words)
      #expect(ended.code == 0, "\(ended.errors)")
      return try #require(try Value(json: ended.output).arrayValue)
    }
    let first = try sweep()
    #expect(first.map { $0["state"] ?? .null } == ["Finished", "Finished", "Finished"])
    #expect(Set(first.compactMap { $0["values"]?["c"]?.doubleValue }).count == 3)
    #expect(try sweep() == first, "the same runs, with the same values")
    #expect(try site.json("run", "list").arrayValue?.count == 3)
  }

  @Test func aSweepOfWhatTheJobDoesNotTakeQueuesNothing() throws {
    let site = try Site()
    try sweeping(site)
    for (words, meant) in [
      (["--grid", "aa=1,2"], "the job has no input `aa`\nhelp: its inputs: a, b, c"),
      (["--grid", "a=1,x"], #"the job's input `a` must be integer, not text "x""#),
      ([], "the sweep varies nothing"), (["--grid", "a=1,1"], "a value of `a` twice"),
      (["--grid", "a=1,2,3", "--max", "2"], "the sweep has 3 points, and at most 2 are queued"),
      (["--random", "c=lgo:1:2"], "`lgo:1:2` is nothing to draw from"),
      (["--grid", "a=1", "--count", "2"], "--random"),
    ] {
      let bad = try site.run(["sweep", "-j", "j", "-q", "local"] + words)
      #expect(bad.code == 64, "\(words)")
      #expect(bad.errors.contains(meant), "\(bad.errors)")
    }
    #expect(try site.json("run", "list") == [])
  }
}
