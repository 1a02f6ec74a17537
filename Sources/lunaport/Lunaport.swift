import Arguments
import Glibc
import Model

/// The command line, with what it takes from its surroundings.
struct Lunaport: Sendable {
  var environment: Environment
  /// Seconds since 1970.
  var now: @Sendable () -> Double = Self.systemTime

  static let version = "0.1.0"

  var program: Program {
    Program(
      "lunaport", "Run machine-learning and batch jobs from queues.",
      discussion: """
        A job is put on a queue; an agent that polls the queue takes it and runs it on the queue's target; what runs is \
        a run. Queues are Lua files.

          lunaport up                                        start a server and an agent here
          lunaport job create code train.py --project demo   make a job
          lunaport launch -j job-train.py -q local --watch   run it

        Commands that talk to a server find it by LUNAPORT_URL and LUNAPORT_API_KEY, or by what 'lunaport login' keeps.

        Exit codes: 0 done; 1 findings, or a run that did not finish; 2 could not be done; 64 wrong command line; 78 \
        wrong configuration, or an agent that was refused.
        """,
      version: Self.version, lists: lists,
      commands: [
        upCommand, serveCommand, agentCommand, checkCommand, planCommand, diffCommand, launchCommand, sweepCommand,
        jobCommand, queueCommand, runCommand, explainCommand,
        agentsCommand, pluginCommand, keyCommand, loginCommand, doctorCommand,
      ])
  }

  private static let systemTime: @Sendable () -> Double = {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
  }
}
