import Glibc
import Model
import Processes
import Testing

@testable import EndToEndTesting

/// A training script, from its folder to its end.
struct JobTests {
  /// Waits at the gate between its first and its last line.
  static func training(_ gate: String, _ body: String = "") -> String {
    """
    import json, os
    config = json.load(open(os.environ["LUNAPORT_CONFIG"]))
    print("first", config["epochs"], os.environ["LUNAPORT_CONFIG_EPOCHS"], os.environ["LUNAPORT_CONFIG_LEARNING_RATE"])
    \(body)
    open("\(gate)").readline()
    print("last", config["layers"], os.environ["LUNAPORT_PROJECT"], os.environ["LUNAPORT_RUN_NAME"])
    """
  }

  static let config = """
    {"name": "calm-river-1", "overrides": {"run_config": {"epochs": 3, "learning-rate": 0.5, "layers": [4, 2]}}}
    """

  /// Launches a training script with `--watch`, and looks on.
  static func watchTraining(_ requirements: String, _ body: String, patience: Double) async throws {
    try await scenario(patience + 30) { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      try bench.write("train/train.py", training(gate, body))
      try bench.write("train/requirements.txt", requirements)
      try bench.write("config.json", config)
      _ = try await bench.up()
      let made = try await bench.lunaport(
        "job", "create", "code", bench.path("train/train.py"), "--project", "demo", "--name", "train")
      #expect(made.code == 0, "\(made.errors)")
      let watch = try bench.start(
        "launch",
        ["launch", "-j", "train", "-q", "local", "-p", "demo", "-c", bench.path("config.json"), "--watch"])
      // It cannot go beyond its first line before the gate is open, so this line is seen while it runs.
      try await within(patience, "the first line is seen") {
        try await watch.output.line { $0 == "first 3 3 0.5" }
      }
      let run = try #require(try await bench.runs(on: "local").first)
      #expect(run.state == .running)
      bench.open("gate")
      let end = try await within(15, "the watch ends") { try await watch.end() }
      #expect(end.code == 0)
      #expect(watch.output.lines.last == "last [4, 2] demo calm-river-1")
      #expect(try await bench.log(run.id) == watch.output.text)
      let shown = try await bench.lunaport("run", "show", run.id, "--json")
      let view = try Value(json: shown.output)
      #expect(view["state"] == "Finished" && view["exit_code"] == 0 && view["attempt"] == 1, "\(shown.output)")
    }
  }

  @Test func aTrainingScriptIsWatchedLive() async throws {
    try await JobTests.watchTraining("# nothing\n", "", patience: 40)
  }

  @Test(.enabled(if: Engines.areOn, "packages are installed only where LUNAPORT_ENGINES=1"))
  func aTrainingScriptGetsItsRequirements() async throws {
    try await JobTests.watchTraining("numpy\n", "import numpy; assert numpy.arange(4).sum() == 6", patience: 150)
  }

  @Test(.enabled(if: Engines.areOn, "packages are installed only where LUNAPORT_ENGINES=1"))
  func aProjectsDependenciesAreInstalled() async throws {
    try await scenario(180) { bench in
      try bench.queue("local")
      try bench.write("train/train.py", "import six; print('six', six.PY3)")
      try bench.write(
        "train/pyproject.toml", "[project]\nname = \"train\"\nversion = \"1\"\ndependencies = [\n  \"six>=1\",\n]\n")
      _ = try await bench.up()
      let run = try await bench.lunaport(
        "launch", "--uri", bench.path("train/train.py"), "-q", "local", "-p", "demo", "--watch")
      #expect(run.code == 0, "\(run.errors)")
      #expect(run.lines.last == "six True", "\(run.output)")
    }
  }

  @Test func aProjectThatLeavesItsDependenciesToOthersIsRefusedInItsOwnTerms() async throws {
    try await scenario(90) { bench in
      try bench.queue("local")
      try bench.write("train/train.py", "print('never')")
      try bench.write("train/pyproject.toml", "[project]\nname = \"train\"\ndynamic = [\"dependencies\"]\n")
      _ = try await bench.up()
      let run = try await bench.lunaport(
        "launch", "--uri", bench.path("train/train.py"), "-q", "local", "-p", "demo", "--watch")
      #expect(run.code == 1)
      #expect(run.output.contains("list them there, or in requirements.txt"), "\(run.output)")
    }
  }

  @Test func tenRunsAtOnceBuildTheirEnvironmentOnce() async throws {
    try await scenario(90) { bench in
      try bench.queue("local")
      try bench.write("train/train.py", "import sys; print(sys.prefix)")
      try bench.write("train/requirements.txt", "")
      // What the builder calls counts its calls, and tells whether it knows how packages are reached from here.
      try bench.write(
        "bin/python3",
        """
        #!/bin/sh
        case "$*" in *"-m venv"*) echo built $PIP_TIMEOUT $no_proxy $SECRET >>\(bench.path("builds")) ;; esac
        PATH=${PATH#*:} exec python3 "$@"
        """, executable: true)
      try await bench.serve(
        "up", ["--max-jobs", "10"],
        variables: [
          "PATH": bench.path("bin") + ":" + (BaseEnvironment.current()["PATH"] ?? ""), "PIP_TIMEOUT": "77",
          "no_proxy": "example.org", "SECRET": "not for builders",
        ])
      let made = try await bench.lunaport(
        "job", "create", "code", bench.path("train/train.py"), "-p", "p", "-n", "train")
      #expect(made.code == 0, "\(made.errors)")
      let ids = try await bench.launch(
        Array(repeating: Submission(job: "train", queue: "local", project: "p"), count: 10))
      let runs = try await bench.ends(of: ids, within: 60)
      #expect(runs.allSatisfy { $0.state == .finished })
      #expect(bench.read("builds") == "built 77 example.org\n")
      var prefixes: Set<String> = []
      for id in ids {
        let lines = try await bench.log(id).split(separator: "\n")
        // The build is part of each run's log.
        #expect(lines.first?.contains("-m venv") == true, "\(lines)")
        prefixes.insert(String(lines.last ?? ""))
      }
      #expect(prefixes.count == 1)
    }
  }

  @Test func aVersionComesToBeOnlyWhereSomethingHasChanged() async throws {
    try await scenario { bench in
      try bench.queue("local")
      try await bench.serve()
      let words = ["job", "create", "code", bench.path("j/run.sh"), "-p", "p", "-n", "j"]
      try bench.write("j/run.sh", "#!/bin/sh\necho one\n", executable: true)
      let first = try await bench.lunaport(words)
      #expect(first.code == 0 && first.output.contains("v0 created"), "\(first)")
      let again = try await bench.lunaport(words)
      #expect(again.code == 0 && again.output.contains("nothing changed: v0"), "\(again)")
      try bench.write("j/run.sh", "#!/bin/sh\necho two\n", executable: true)
      let second = try await bench.lunaport(words + ["--json"])
      let version = try Value(json: second.output)
      #expect(version["version"] == 1 && version["created"] == true, "\(second)")
      #expect(try await bench.client.job(entity: "default", project: "p", name: "j", alias: "latest").version == 1)
    }
  }

  @Test func aBuildThatFailsIsToldWithItsLastWords() async throws {
    try await scenario(60) { bench in
      try bench.queue("local")
      try bench.write("train/train.py", "print('never')")
      try bench.write("train/requirements.txt", "this is no requirement\n")
      _ = try await bench.up()
      let made = try await bench.lunaport(
        "job", "create", "code", bench.path("train/train.py"), "-p", "p", "-n", "train")
      #expect(made.code == 0, "\(made.errors)")
      let run = try await bench.end(of: try await bench.launch("train").id, within: 45)
      #expect(run.state == .failed && run.reason == .build && run.exitCode == nil)
      #expect(run.message?.contains("requirement") == true, "\(run.message ?? "")")
      #expect(try await bench.log(run.id).contains("Invalid requirement"))
    }
  }
}

/// Whether tests may use what has to be installed or fetched.
enum Engines {
  static var areOn: Bool { BaseEnvironment.variable("LUNAPORT_ENGINES") == "1" }
}
