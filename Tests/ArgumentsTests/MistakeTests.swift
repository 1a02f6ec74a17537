import Arguments
import Testing

/// The lines that begin with `error:`, without it.
private func problems(_ words: [String], _ environment: [String: String] = [:]) -> [String] {
  guard case .refused(let failure) = sample.parse(words, environment: Environment(environment)) else { return [] }
  return failure.problems
}

@Suite struct MistakeTests {
  @Test func aRefusalIsToldWholeWithUsageAndWhereToRead() async {
    let result = await ran("job", "create", "code", "--nam", "x", "p")
    #expect(
      result.errors == """
        error: Unknown option '--nam'. Did you mean '--name'?
        USAGE: lunaport job create code [--name <name>] <path> [<runtime>]
          See 'lunaport job create code --help' for more information.

        """)
    #expect(result.output == "")
    #expect(result.code.rawValue == 64)
  }

  @Test func allProblemsAreToldAtOnce() {
    let words = ["launch", "--quue", "gpu", "--max-jobs", "99", "-v", "nothing", "--timeout", "soon", "--json=yes"]
    #expect(
      problems(words) == [
        "Unknown option '--quue'. Did you mean '--queue'?",
        "'--json' takes no value.",
        "Missing expected option '--job <job>' (or the environment variable LUNAPORT_JOB).",
        "The value 'nothing' is invalid for '--variable <name=value>': must have the form key=value.",
        "The value '99' is invalid for '--max-jobs <max-jobs>': must be a whole number, 1 to 64.",
        "The value 'soon' is invalid for '--timeout <timeout>': "
          + "must be a length of time, such as 90s, 12h or 1h30m.",
      ])
  }

  @Test(arguments: [
    (["check", "--colr"], "Unknown option '--colr'. Did you mean '--colour'?"),
    (["check", "--zzz"], "Unknown option '--zzz'."),
    (["check", "-x"], "Unknown option '-x'."),
    (["check", "-format", "json"], "Unknown option '-format'. Did you mean '--format'?"),
    (["check", "-format=json"], "Unknown option '-format'. Did you mean '--format'?"),
    (["check", "--hlep"], "Unknown option '--hlep'. Did you mean '--help'?"),
    (["check", "--format"], "Missing value for '--format <format>'."),
    (["check", "--format", "--no-colour"], "Missing value for '--format <format>'."),
    (
      ["check", "--format=jsn"],
      "The value 'jsn' is invalid for '--format <format>': must be one of 'human', 'json', 'github'. "
        + "Did you mean 'json'?"
    ),
    (["check", "--format=json", "--format=human"], "'--format' is given twice, and takes one value."),
    (["check", "a", "b"], "Unexpected argument 'b'."),
    (["check", ""], "The value '' is invalid for '<folder>': must not be empty."),
    (["check", "a", "\u{1B}[2J"], "Unexpected argument '␛[2J'."),
    (["job", "create", "code"], "Missing expected argument '<path>'."),
    (["job", "create", "code", "p", "--name"], "Missing value for '--name <name>'."),
    (["jbo"], "Unknown command 'jbo'. Did you mean 'job'?"),
    (["xyzzy"], "Unknown command 'xyzzy'."),
    (["code"], "Unknown command 'code'. Did you mean 'job create code'?"),
    (["secrt"], "Unknown command 'secrt'."),
    (["hlp"], "Unknown command 'hlp'. Did you mean 'help'?"),
    (["help", "jbo"], "Unknown command 'jbo'. Did you mean 'job'?"),
    (["help", "check", "more"], "Unexpected argument 'more'."),
    (["--json", "launch"], "Unknown option '--json' here. Options come after the command they belong to."),
    (["--vershun"], "Unknown option '--vershun'. Did you mean '--version'?"),
    (["launch", "-q", "b", "-j"], "Missing value for '-j <job>'."),
    (["launch", "--q", "b", "-j", "a"], "Unknown option '--q'. Did you mean '-q'?"),
    (["launch", "-j", "a"], "Missing expected option '--queue <queue>'."),
    (
      ["launch", "-j", "a", "-q", "b", "--memory", "lots"],
      "The value 'lots' is invalid for '--memory <memory>': must be a size, such as 4GiB, 512MB or 4096 (bytes)."
    ),
  ])
  func eachMistakeIsNamed(_ words: [String], _ problem: String) {
    #expect(problems(words) == [problem])
  }

  @Test func aValueThatLooksLikeAnOptionIsToldHowToBeWritten() {
    #expect(
      problems(["job", "create", "code", "p", "--name", "-x"]) == [
        "Missing value for '--name <name>'. A value that begins with '-' is written '--name=-x'.",
        "Unknown option '-x'.",
      ])
  }

  @Test func afterAnUnknownOptionNothingIsGuessedOfArguments() {
    #expect(problems(["check", "--zzz", "a", "b"]) == ["Unknown option '--zzz'."])
    #expect(problems(["job", "create", "code", "--zzz"]) == ["Unknown option '--zzz'."])
  }

  @Test func aBadValueOfTheEnvironmentIsToldWithItsVariable() {
    let program = Program(
      "p", "A program.", version: "1",
      commands: [
        Command("run", "Run.") { declare in
          let jobs = declare.option("jobs", .integer(1...4), default: 1, environment: "P_JOBS", help: "Jobs.")
          return { values, _ in ExitCode(rawValue: Int32(values[jobs])) }
        }
      ])
    guard case .refused(let failure) = program.parse(["run"], environment: Environment(["P_JOBS": "9"])) else {
      Issue.record("the bad value was taken")
      return
    }
    #expect(
      failure.problems == [
        "The value '9' is invalid for '--jobs <jobs>' (from the environment variable P_JOBS): "
          + "must be a whole number, 1 to 4."
      ])
  }

  @Test func aHiddenOptionIsNeverSuggested() {
    #expect(problems(["launch", "-j", "a", "-q", "b", "--falt", "lost"]) == ["Unknown option '--falt'."])
  }
}
