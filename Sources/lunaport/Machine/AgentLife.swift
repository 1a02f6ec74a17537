import Agent
import Arguments
import Client
import FoundationEssentials
import Hashing
import Model
import Processes
import Scripting

/// One life of an agent on this machine, from reading its plugins to its end.
struct AgentLife: Sendable {
  /// What people may say of an agent.
  struct Identity: Sendable {
    var name: String?
    var entity: String?
    var queues: [String]
    var maxJobs: Int?
    var allowPartial: Bool
    /// Variables of this process that resource documents may use.
    var macros: [String]
    /// The operator's settings, by plugin.
    var settings: [String: Value]
  }

  let identity: Identity
  let plugins: String
  let data: String
  let client: APIClient
  let log: LogLines

  /// The name of an agent where nobody gives it one. An agent is its data folder: another folder is another agent.
  static func name(host: String, data: String) throws -> String {
    let mark = try Hash.of(Disk.resolved(data)).hex.prefix(4)
    return Name.safe(String(host.prefix(Limits.nameLength - 5))) + "-" + mark
  }

  /// Runs until the agent comes to its end; cancelling stops it, and leaves its runs running.
  func run() async throws -> AgentExit {
    try LocalFile.makeFolder(data, mode: 0o700)
    // Programs of runs and builds start in folders of their own, from where a relative path leads nowhere.
    let data = Disk.resolved(data)
    let configuration = try ConfigurationOptions.load(queues: nil, plugins: plugins)
    let processes: Processes
    let owner: String
    do throws(ProcessFailure) {
      processes = try Processes(root: "\(data)/runs")
      owner = try Owner.id(of: data)
    } catch {
      throw LocalFailure(error.message, hint: error.hint)
    }
    let host = PluginHost(
      plugins: plugins, data: "\(data)/plugins", owner: owner, settings: identity.settings, processes: processes,
      environment: ProcessInfo.processInfo.environment, now: log.now, log: { log.write("info", $0, from: "plugin") })
    let hostName = AgentSettings.hostName()
    var settings = AgentSettings(
      name: try identity.name ?? Self.name(host: hostName, data: data), entity: identity.entity, host: hostName,
      queues: identity.queues, allowPartial: identity.allowPartial, data: data,
      drivers: try await host.drivers(of: configuration), builders: try await host.builders(of: configuration),
      macros: macros, local: processes)
    if let maxJobs = identity.maxJobs { settings.maxJobs = maxJobs }
    let agent = RunningAgent(settings, HTTPServerConnection(client)) { event in
      guard event.level > .debug else { return }
      log.write(event.level.rawValue, event.message, from: "agent", event.fields.merging(["event": event.name]) { $1 })
    }
    return await agent.run()
  }

  private var macros: [String: String] {
    Dictionary(
      identity.macros.compactMap { name in BaseEnvironment.variable(name).map { (name, $0) } },
      uniquingKeysWith: { first, _ in first })
  }
}

/// An agent that came to an end that nobody asked for, as people read it.
struct AgentFailure: CommandFailure {
  let exit: AgentExit

  var exitCode: ExitCode {
    switch exit {
    case .drained, .stopped: .ok
    case .refused, .invalid: .configuration
    case .denied, .busy, .failed: .couldNotRun
    }
  }

  func report(on terminal: Terminal) -> String {
    switch exit {
    case .drained: return "the agent has finished what it had, and leaves"
    case .stopped: return "the agent is stopped; its runs go on"
    case .refused(let report):
      let problems = report.diagnostics().map { ProblemText($0).rendered(on: terminal) }
      let count = report.refused.count
      let title =
        "agent `\(report.agent)` is refused: it does not cover \(count) of its queues "
        + "(\(report.refused.sorted().joined(separator: ", ")))"
      return (problems + [FailureText(message: title).rendered(on: terminal)]).joined(separator: "\n\n")
    case .denied(let message):
      return FailureText(message: message, help: ["run 'lunaport login', or set LUNAPORT_API_KEY"]).rendered(
        on: terminal)
    case .invalid(let message, let problems):
      guard problems.isEmpty else {
        return problems.map { ProblemText($0).rendered(on: terminal) }.joined(separator: "\n\n")
      }
      return FailureText(message: message).rendered(on: terminal)
    case .busy(let folder, let process):
      return FailureText(
        message: "another agent works on \(folder) (process \(process))",
        help: ["give this one another folder: --data DIR"]
      ).rendered(on: terminal)
    case .failed(let message): return FailureText(message: message).rendered(on: terminal)
    }
  }
}
