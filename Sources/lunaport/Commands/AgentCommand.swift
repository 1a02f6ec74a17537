import Agent
import Arguments
import Glibc
import Model

/// What an agent takes from the command line, by itself and as a part of `up`.
struct AgentOptions: Sendable {
  let queues: Key<[String]>
  let maxJobs: Key<Int?>
  let name: Key<String?>
  let macros: Key<[String]>
  let settings: Key<String?>

  init(_ declare: inout Declaration, needsQueues: Bool) {
    queues = declare.options(
      "queue", short: "q", .name(from: "queues"), required: needsQueues,
      help: needsQueues
        ? "A queue to poll, NAME or ENTITY/NAME; may be given again."
        : "A queue for the agent to poll, and no others; may be given again.")
    maxJobs = declare.option(
      "max-jobs", .integer(1...10_000), help: "Runs at a time; what this machine holds if nothing is said.")
    name = declare.option(
      "name", .string, help: "Name of the agent; made of the machine's and the data folder's if nothing is said.")
    macros = declare.options(
      "macro", .string, placeholder: "variable",
      help: "A variable of this environment that queues may use as ${NAME}; may be given again.")
    settings = Self.settings(&declare)
  }

  static func settings(_ declare: inout Declaration) -> Key<String?> {
    declare.option(
      "settings", .file, placeholder: "file",
      help: "A JSON file with the settings of plugins, by plugin; 'plugin doc' lists them.")
  }

  func identity(
    _ values: Values, entity: String? = nil, queues: [String]? = nil, allowPartial: Bool
  ) throws(LocalFailure) -> AgentLife.Identity {
    AgentLife.Identity(
      name: values[name], entity: entity, queues: queues ?? values[self.queues], maxJobs: values[maxJobs],
      allowPartial: allowPartial, macros: values[macros], settings: try Self.pluginSettings(values[settings]))
  }

  static func pluginSettings(_ path: String?) throws(LocalFailure) -> [String: Value] {
    guard let path else { return [:] }
    guard let settings = try Document.read(path).objectValue else {
      throw LocalFailure(
        "\(path) must hold a table of settings for each plugin", hint: #"such as {"venv": {"timeout": "10m"}}"#)
    }
    return settings
  }
}

extension Lunaport {
  var agentCommand: Command {
    Command(
      "agent", "Run an agent: it polls queues, and runs their jobs on this machine or on what it reaches from here.",
      discussion: """
        The agent must cover every queue that it polls: have a driver of its target that works here and can do what the \
        queue needs. If it does not, it is refused with exit code 78 and every unmet need.

        Its runs outlive it: stopped and started again on the same data folder, it finds them. Secrets that queues name \
        are files of that name in DATA/secrets.

          lunaport agent -q gpu -q cpu --max-jobs 4
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let options = AgentOptions(&declare, needsQueues: true)
      let plugins = ConfigurationOptions.plugins(&declare)
      let data = declare.option("data", .directory, default: "agent-data", help: "Folder of everything that is kept.")
      let entity = declare.entity()
      let partial = declare.flag("allow-partial", help: "Poll the queues that are covered, and leave out the others.")
      return { values, console in
        let stops = Signals.stream([SIGINT, SIGTERM])
        let log = LogLines(console: console, now: now)
        let life = AgentLife(
          identity: try options.identity(values, entity: values[entity], allowPartial: values[partial]),
          plugins: values[plugins], data: values[data], client: try server.client(values), log: log)
        let running = Task { try await life.run() }
        let stopping = Task {
          await stopAsked(stops, log)
          running.cancel()
        }
        defer { stopping.cancel() }
        let end = AgentFailure(exit: try await running.value)
        if end.exitCode == .ok { log.write("info", end.report(on: .plain), from: "agent") } else { throw end }
        return .ok
      }
    }
  }
}
