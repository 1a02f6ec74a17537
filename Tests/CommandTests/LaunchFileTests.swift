import Arguments
import Model
import Testing

@testable import lunaport

@Suite struct LaunchFileTests {
  private func file(_ json: String) throws -> Submission {
    try LaunchFile(try Value(json: json), named: "c.json").submission
  }

  @Test func aConfigHoldsOverridesAndResourceArguments() throws {
    let submission = try file(
      """
      {"overrides": {"args": ["--epochs", "3"], "run_config": {"lr": 0.1}, "entry_point": ["python", "x.py"]},
       "resource_args": {"process": {"memory": "4Gi"}}, "priority": "high", "variables": {"gpus": 2}, "queue": "gpu"}
      """)
    #expect(submission.overrides?.args == ["--epochs", "3"])
    #expect(submission.overrides?.runConfig == ["lr": 0.1])
    #expect(submission.overrides?.entryPoint == ["python", "x.py"])
    #expect(submission.resourceArgs == ["process": ["memory": "4Gi"]])
    #expect(submission.priority == .high)
    #expect(submission.variables == ["gpus": 2])
    #expect(submission.queue == "gpu")
    #expect(submission.job == "")
  }

  @Test(
    "a config with a mistake says where it is and what was meant",
    arguments: [
      ("[]", "c.json must hold a table", nil),
      (#"{"override": {}}"#, "c.json has no key `override`", "did you mean `overrides`?"),
      (#"{"overrides": {"arg": []}}"#, "`overrides` in c.json has no key `arg`", "did you mean `args`?"),
      (
        #"{"overrides": {"args": ["a", 3]}}"#, "`overrides.args[2]` in c.json is of the wrong kind",
        "args and entry_point are lists of text, run_config is a table"
      ),
      (
        #"{"overrides": {"args": [null]}}"#, "`overrides.args[1]` in c.json is of the wrong kind",
        "args and entry_point are lists of text, run_config is a table"
      ), (#"{"job": null}"#, "`job` in c.json is of the wrong kind", nil),
      (
        #"{"priority": "urgent"}"#, "`priority` in c.json is not one of its values",
        "one of critical, high, medium, low"
      ),
      (
        #"{"resource_args": 3}"#, "`resource_args` in c.json is of the wrong kind",
        "a table for each target: {\"process\": {...}}"
      ),
    ] as [(String, String, String?)])
  func mistakes(_ json: String, _ message: String, _ hint: String?) {
    #expect { try file(json) } throws: { error in
      let failure = error as? LocalFailure
      return failure?.message == message && failure?.hint == hint
    }
  }

  @Test(
    "variables are read as their type says",
    arguments: [
      ("integer, 1 to 8", "4", 4), ("number", "0.5", 0.5), ("true or false", "true", true), ("text", "4", "4"),
      ("text", "true", "true"), ("size such as \"4Gi\"", "4Gi", "4Gi"), ("duration such as \"12h\"", "90", "90"),
      ("one of \"1\", \"2\"", "1", "1"), ("one of 1, 2", "1", 1), ("one of \"a\", \"b\"", "a", "a"),
      ("list of integer", "[1,2]", [1, 2]), ("anything", "plain", "plain"), ("integer", "four", "four"),
    ] as [(String, String, Value)])
  func variables(_ type: String, _ text: String, _ value: Value) throws {
    let view = try (["type": .string(type), "required": false, "default": .null] as Value).decode(VariableView.self)
    #expect(VariableText.value(text, for: view) == value)
  }

  @Test func aLaunchWithoutJobAndQueueIsAMistakeOfTheCommandLine() async {
    let result = await ran("launch", environment: ["LUNAPORT_URL": "http://127.0.0.1:1"])
    #expect(result.code == .usage)
    #expect(result.errors.hasPrefix("error: Missing expected option '--job <job>'."))
    #expect(result.errors.contains("\nerror: Missing expected option '--queue <queue>'."))
  }
}

@Suite struct ServerAddressTests {
  @Test func withoutAnAddressACommandSaysHowToGiveOne() async {
    let result = await ran("run", "list")
    #expect(result.code == .couldNotRun)
    #expect(
      result.errors == """
        error: it is not known where the server is
        help: run 'lunaport login URL' once, or set LUNAPORT_URL and LUNAPORT_API_KEY

        """)
  }

  @Test func theLoginIsReadableToItsOwnerAloneAndComesBack() throws {
    let home = TestFolder()
    let environment = Environment(["HOME": home.path])
    #expect(try LoginFile.read(environment) == nil)
    let path = try LoginFile(url: "http://a:1", key: "secret").write(environment)
    #expect(path == home.path + "/.config/lunaport/config")
    #expect(try LoginFile.read(environment) == LoginFile(url: "http://a:1", key: "secret"))
    #expect(try Child.run(["stat", "-c", "%a", path]).output == "600\n")
    #expect(try Child.run(["stat", "-c", "%a", home.path + "/.config/lunaport"]).output == "700\n")
  }

  @Test func aLoginFileThatIsBrokenSaysSo() throws {
    let home = TestFolder()
    try home.write(".config/lunaport/config", "{")
    #expect { try LoginFile.read(Environment(["HOME": home.path])) } throws: {
      ($0 as? LocalFailure)?.hint == "run 'lunaport login' again"
    }
  }

  @Test func anAddressWithoutASchemeIsRefusedBeforeAnythingIsSent() async {
    let result = await ran("run", "list", environment: ["LUNAPORT_URL": "localhost:8080"])
    #expect(
      result.errors.hasPrefix("error: localhost:8080 is no address of a server\nhelp: such as http://127.0.0.1:8080"))
  }

  @Test func completionIsSilentWhereThereIsNoServer() async {
    for environment in [[:], ["LUNAPORT_URL": "http://127.0.0.1:1"]] {
      let result = await ran("completion", "--list", "queues", environment: environment)
      #expect(result.code == .ok)
      #expect(result.output == "")
      #expect(result.errors == "")
    }
  }

  @Test(
    "the server's clock is read from its date",
    arguments: [
      ("Wed, 01 Jul 2026 12:00:00 GMT", testTime), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("yesterday", nil),
    ]
      as [(String, Double?)])
  func clock(_ text: String, _ seconds: Double?) {
    #expect(Examination.seconds(ofHTTPDate: text) == seconds)
  }
}

@Suite struct WatchExitTests {
  @Test(
    "a watched run's exit code is its program's where that is one",
    arguments: [
      (Views.run(.succeeded, .exit, 0), 0), (Views.run(.failed, .exit, 3), 3), (Views.run(.failed, .exit, 125), 125),
      (Views.run(.failed, .exit, 126), 1), (Views.run(.failed, .exit, 255), 1), (Views.run(.failed, .build, nil), 1),
      (Views.run(.failed, .outOfMemory, 137), 1), (Views.run(.stopped, .stopped, 143), 1),
      (Views.run(.lost, .lost, nil), 1),
      (Views.run(.failed, .timeout, 3), 1),
    ] as [(RunView, Int32)])
  func exitCode(_ run: RunView, _ code: Int32) {
    #expect(Watch.exitCode(of: run).rawValue == code)
  }
}

extension Views {
  static func run(_ state: RunState, _ reason: Reason, _ exitCode: Int?) -> RunView {
    run("abc12345", state, reason: reason, exitCode: exitCode)
  }
}
