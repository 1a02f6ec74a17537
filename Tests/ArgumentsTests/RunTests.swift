import Arguments
import Glibc
import Testing

/// Runs the sample as a shell would, and gives what it left behind.
func ran(
  _ words: String..., environment: [String: String] = [:], errors: Terminal = .plain
) async -> (code: ExitCode, output: String, errors: String) {
  let transcript = Transcript()
  let console = transcript.console(errors: errors)
  let code = await sample.run(words, environment: Environment(environment), console: console)
  return (code, transcript.output, transcript.errors)
}

@Suite struct RunTests {
  @Test func everyKindOfValueReachesTheCommandTyped() async {
    let result = await ran(
      "launch", "--job=train", "-q", "gpu", "first", "-qlarge", "--queue", "third", "-v", "lr=0.1", "-v", "x=a=b",
      "--max-jobs", "8", "--timeout", "1h30m", "--memory", "4GiB", "-c=c.json", "-w", "--", "--epochs", "-3")
    #expect(
      result.output == """
        url=http://127.0.0.1:8080 key=none job=train
        queues=["gpu", "large", "third"] variables=["lr:0.1", "x:a=b"] max-jobs=8 timeout=5400.0 seconds
        memory=4294967296 config=c.json
        watch=true json=false rest=["first", "--epochs", "-3"]

        """)
    #expect(result.errors == "")
    #expect(result.code == .ok)
  }

  @Test func defaultsAreUsedWhenNothingIsGiven() async {
    let result = await ran("launch", "-j", "a", "-q", "b")
    #expect(result.output.contains("max-jobs=4 timeout=5400.0 seconds\nmemory=none config=none\nwatch=false"))
    #expect(await ran("check").output == "queues.d human true\n")
  }

  @Test func theCommandLineWinsOverTheEnvironmentWhichWinsOverTheDefault() async {
    let variables = ["LUNAPORT_URL": "http://a", "LUNAPORT_JOB": "train", "LUNAPORT_API_KEY": ""]
    let fromEnvironment = await ran("launch", "-q", "b", environment: variables)
    #expect(fromEnvironment.output.hasPrefix("url=http://a key=none job=train\n"))
    let fromBoth = await ran("launch", "-q", "b", "--url", "http://b", environment: variables)
    #expect(fromBoth.output.hasPrefix("url=http://b key=none"))
  }

  @Test func theLaterOfAToggleCounts() async {
    #expect(await ran("check", "--no-colour").output == "queues.d human false\n")
    #expect(await ran("check", "--no-colour", "--colour").output == "queues.d human true\n")
  }

  @Test func optionsMayComeBeforeBetweenAndAfterArguments() async {
    #expect(await ran("job", "create", "code", "--name", "n", "p", "python3.12").output == "p n python3.12\n")
    #expect(await ran("job", "create", "code", "p", "--name=n", "python3.12").output == "p n python3.12\n")
    #expect(await ran("job", "create", "code", "p", "--name=", "python3.12").output == "p  python3.12\n")
  }

  @Test func aNegativeNumberIsAnArgumentAndADashIsStandardInput() async {
    #expect(await ran("job", "secret", "-5").output == "-5\n")
    #expect(await ran("check", "-").output == "- human true\n")
    #expect(await ran("job", "create", "code", "p", "--name=-x").output == "p -x none\n")
  }

  @Test func theExitCodeIsThatOfTheCommand() async {
    #expect(await ran("check").code == .findings)
    #expect(await ran("job", "secret", "1").code.rawValue == 7)
  }

  @Test func theVersionIsPrintedAlone() async {
    #expect(await ran("--version").output == "1.2.3\n")
  }

  @Test func errorsOfACommandAreToldOnStandardErrorWithTheirCode() async {
    let lost = await ran("launch", "-j", "a", "-q", "b", "--fault", "lost")
    #expect(lost.errors == "error: the server does not answer\n")
    #expect(lost.code == .couldNotRun)
    #expect(lost.output == "")
    let file = await ran("launch", "-j", "a", "-q", "b", "--fault", "file")
    #expect(file.errors == "error[C0001]: bad file\n")
    #expect(file.code == .configuration)
  }

  @Test func aMistakeThatOnlyTheCommandSeesIsToldLikeTheParsersOwn() async {
    let result = await ran("launch", "-j", "a", "-q", "b", "--fault", "usage")
    #expect(result.code == .usage)
    #expect(result.errors.hasPrefix("error: '--watch' and '--json' exclude each other.\nUSAGE: lunaport launch "))
    #expect(result.errors.hasSuffix("  See 'lunaport launch --help' for more information.\n"))
  }

  @Test func onlyTheWordErrorIsColoured() async {
    let terminal = Terminal(isTerminal: true, columns: 80)
    let result = await ran("jbo", errors: terminal)
    #expect(result.errors.hasPrefix("\u{1B}[1;31merror:\u{1B}[0m Unknown command 'jbo'. Did you mean 'job'?\n"))
  }
}
