import Arguments
import Testing

private func help(_ words: String..., width: Int = 80) -> String {
  guard case .show(let text) = sample.parse(words, width: width) else { return "no help" }
  return text
}

@Suite struct HelpTests {
  @Test func ofTheProgram() {
    #expect(
      help("--help") == """
        OVERVIEW: Run jobs from queues.

        Queues are Lua files.

        USAGE: lunaport <subcommand>

        OPTIONS:
          --version               Show the version.
          -h, --help              Show help information.

        SUBCOMMANDS:
          check                   Check queue files.
          launch                  Put a job on a queue.
          job                     Manage jobs.
          completion              Print the script that completes commands in a shell.

          See 'lunaport help <subcommand>' for detailed help.
        """)
  }

  @Test func ofAGroup() {
    #expect(
      help("job", "-h") == """
        OVERVIEW: Manage jobs.

        USAGE: lunaport job <subcommand>

        OPTIONS:
          -h, --help              Show help information.

        SUBCOMMANDS:
          create                  Create a job from something that can be run.

          See 'lunaport help job <subcommand>' for detailed help.
        """)
  }

  @Test func ofACommandWithAnExample() {
    #expect(
      help("job", "create", "code", "--help") == """
        OVERVIEW: Create a job from a folder.

        The folder is taken as it is, without what its .gitignore names; a new version
        comes to be only when something has changed.

          lunaport job create code train.py --project demo

        USAGE: lunaport job create code [--name <name>] <path> [<runtime>]

        ARGUMENTS:
          <path>                  The entry point.
          <runtime>               Python. (values: python3.11, python3.12)

        OPTIONS:
          --name <name>           Name of the job.
          -h, --help              Show help information.
        """)
  }

  @Test func ofACommandWithManyOptions() {
    #expect(
      help("launch", "--help") == """
        OVERVIEW: Put a job on a queue.

        USAGE: lunaport launch [--url <url>] [--api-key <api-key>] --job <job>
               --queue <queue> ... [--variable <name=value> ...] [--max-jobs <max-jobs>]
               [--timeout <timeout>] [--memory <memory>] [--config <config>] [--watch]
               [--json] [<argument> ...]

        ARGUMENTS:
          <argument>              Arguments of the job, after '--'.

        OPTIONS:
          --url <url>             Address of the server.
                                  (default: http://127.0.0.1:8080) [env: LUNAPORT_URL]
          --api-key <api-key>     Key to call it with. [env: LUNAPORT_API_KEY]
          -j, --job <job>         The job. [env: LUNAPORT_JOB]
          -q, --queue <queue>     A queue; may be given again.
          -v, --variable <name=value>
                                  A template variable.
          --max-jobs <max-jobs>   How many jobs run at once, at most, on this machine.
                                  (1 to 64; default: 4)
          --timeout <timeout>     Time until it is stopped. (default: 1h30m)
          --memory <memory>       Memory it may use.
          -c, --config <config>   A file with overrides.
          -w, --watch             Print its log until it ends.
          --json                  Print JSON.
          -h, --help              Show help information.
        """)
  }

  @Test func isWrappedToANarrowTerminal() {
    #expect(
      help("check", "--help", width: 50) == """
        OVERVIEW: Check queue files.

        USAGE: lunaport check [--format <format>]
               [--[no-]colour] [<folder>]

        ARGUMENTS:
          <folder>                Where the queue files
                                  are. (default: queues.d)

        OPTIONS:
          --format <format>       How to print findings.
                                  (values: human, json,
                                  github; default: human)
          --colour/--no-colour    Colour the findings.
                                  (default: --colour)
          -h, --help              Show help information.
        """)
    #expect(help("launch", "--help", width: 1) == help("launch", "--help", width: 40))
  }

  @Test func isAskedForInEveryWay() {
    let expected = help("job", "create", "code", "--help")
    #expect(help("help", "job", "create", "code") == expected)
    #expect(help("job", "create", "code", "-h") == expected)
    #expect(help("job", "create", "code", "p", "--zzz", "--help") == expected)
    #expect(help("help", "job", "--help") == help("job", "--help"))
    #expect(help("help") == help("-h"))
  }

  @Test func isNotGivenForWhatFollowsTwoDashes() {
    guard case .run = sample.parse(["launch", "-j", "a", "-q", "b", "--", "--help"]) else {
      Issue.record("the argument of the job was taken as a wish for help")
      return
    }
  }

  @Test func ofAHiddenCommandIsThereForThoseWhoKnowIt() {
    #expect(help("job", "secret", "--help").contains("USAGE: lunaport job secret <count>"))
    #expect(!help("job", "--help").contains("secret"))
  }

  @Test func goesToStandardOutputWhenAskedForAndElseToStandardError() async {
    let asked = await ran("job", "--help")
    #expect(asked.code == .ok && asked.errors == "" && asked.output == help("job", "--help") + "\n")
    let unfinished = await ran("job")
    #expect(unfinished.code == .usage && unfinished.output == "" && unfinished.errors == help("job", "--help") + "\n")
  }
}
