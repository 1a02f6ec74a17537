import Agent
import Arguments
import Client
import Glibc
import Model
import Scripting
import Server
import Synchronization

extension Lunaport {
  var upCommand: Command {
    Command(
      "up", "Start a server and an agent, in one process on one folder.",
      discussion: """
        When it serves, it prints one line on standard output: ready http://HOST:PORT. Its log goes to standard error. \
        The key of the first admin is in DATA/admin.key. SIGTERM and Ctrl-C stop it in order; runs go on, and the next \
        start on the same folder finds them.

        The agent polls every queue, leaves out those that this machine cannot serve and says why; with -q it polls \
        the queues given, and must cover them all.

          lunaport up --data data --listen 127.0.0.1:8080
          export LUNAPORT_URL=http://127.0.0.1:8080 LUNAPORT_API_KEY=$(cat data/admin.key)
        """
    ) { declare in
      let options = ServeOptions(&declare)
      let agent = AgentOptions(&declare, needsQueues: false)
      let noAgent = declare.flag("no-agent", help: "Start the server alone.")
      return { values, console in
        let stops = Signals.stream([SIGINT, SIGTERM])
        let log = LogLines(console: console, now: now)
        let (readings, reading) = AsyncThrowingStream.makeStream(
          of: Configuration.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(1))
        let server = try await serve(options, values, log) { reading.yield($0) }
        let agents = Task {
          guard !values[noAgent] else { return }
          try await keepAgent(of: server, readings, reading, agent, options, values, log)
        }
        try console.print("ready \(server.url)")
        let stopping = Task {
          await stopAsked(stops, log)
          agents.cancel()
          reading.finish()
        }
        defer { stopping.cancel() }
        let outcome = await agents.result
        if case .success = outcome { await stopping.value }
        await server.shutdown()
        try outcome.get()
        return .ok
      }
    }
  }

  /// Runs the agent, and runs it anew when the queues or the plugins have changed. Its runs do not notice.
  private func keepAgent(
    of server: Server, _ readings: AsyncThrowingStream<Configuration, any Error>,
    _ reading: AsyncThrowingStream<Configuration, any Error>.Continuation, _ agent: AgentOptions,
    _ options: ServeOptions, _ values: Values, _ log: LogLines
  ) async throws {
    let key = String(decoding: try LocalFile.read(server.adminKeyFile), as: UTF8.self).filter { !$0.isWhitespace }
    let data = values[options.data] + "/agent"
    let plugins = values[options.configuration.plugins]
    let client = APIClient(url: server.url, key: key, http: InnerTransport(server))
    var running: Task<Void, Never>?
    let served = Served()
    var isFirst = true
    defer { running?.cancel() }
    for try await configuration in readings {
      let wanted = Serving(configuration, only: values[agent.queues])
      guard served.now != wanted else { continue }
      running?.cancel()
      await running?.value
      served.now = wanted
      guard !wanted.queues.isEmpty else {
        log.write("info", "there are no queues, and so no agent", from: "agent")
        continue
      }
      let life = AgentLife(
        identity: try agent.identity(values, queues: wanted.queues, allowPartial: values[agent.queues].isEmpty),
        plugins: plugins, data: data, client: client, log: log)
      running = Task { [isFirst] in
        do {
          let end = AgentFailure(exit: try await life.run())
          guard end.exitCode == .ok else { throw end }
        } catch {
          // An edit of the files must never end what runs; a start that fails must be seen at once.
          if isFirst { return reading.finish(throwing: error) }
          served.now = nil
          let text = (error as? any CommandFailure)?.report(on: .plain) ?? "\(error)"
          log.write("error", "the agent cannot go on until the files are edited again: \(text)", from: "agent")
        }
      }
      isFirst = false
    }
    running?.cancel()
    await running?.value
  }
}

/// What the living agent serves; nil while none lives, so that the next reading begins another.
private final class Served: Sendable {
  private let state = Mutex<Serving?>(nil)

  var now: Serving? {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }
}

/// What an agent of `up` depends on: where it changes, another life begins.
private struct Serving: Equatable {
  /// `ENTITY/NAME`
  var queues: [String]
  /// Texts of the plugins' files.
  var plugins: [String: String]

  init(_ configuration: Configuration, only names: [String]) {
    queues = names.isEmpty ? configuration.queues.keys.sorted().map(\.text) : names
    plugins = configuration.sources.filter { source in
      let parts = source.key.split(separator: "/")
      return parts.count > 2 && parts[2] != "hook.lua"
    }
  }
}
