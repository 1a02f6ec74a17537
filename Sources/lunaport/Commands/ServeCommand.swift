import Arguments
import Glibc
import Model
import Scripting
import Server
import Storage
import Synchronization

/// What a server takes from the command line.
struct ServeOptions: Sendable {
  let data: Key<String>
  let listen: Key<HTTPAddress>
  let keep: Key<Duration?>
  let configuration: ConfigurationOptions

  init(_ declare: inout Declaration) {
    data = declare.option("data", .directory, default: "data", help: "Folder of everything that is kept.")
    listen = declare.option(
      "listen", .address, default: HTTPAddress(host: "127.0.0.1", port: 8080), placeholder: "host:port",
      help: "Where to listen; port 0 takes any that is free.")
    keep = declare.option(
      "keep", .duration, placeholder: "time",
      help: "Delete runs that ended longer ago, such as 90d, with their logs and samples; never without it.")
    configuration = ConfigurationOptions(&declare)
  }
}

extension Lunaport {
  var serveCommand: Command {
    Command(
      "serve", "Run a server without an agent.",
      discussion: """
        When it serves, it prints one line on standard output: ready http://HOST:PORT. Its log goes to standard error. \
        The key of the first admin is in DATA/admin.key. SIGTERM and Ctrl-C stop it in order.

          lunaport serve --data data --listen 127.0.0.1:8080 --queues queues.d
        """
    ) { declare in
      let options = ServeOptions(&declare)
      return { values, console in
        let log = LogLines(console: console, now: now)
        let stops = Signals.stream([SIGINT, SIGTERM])
        let server = try await serve(options, values, log)
        try console.print("ready \(server.url)")
        await stopAsked(stops, log)
        await server.shutdown()
        return .ok
      }
    }
  }

  /// Starts a server, which serves when this returns.
  /// - Parameter onReading: given every reading of the files that has no errors.
  func serve(
    _ options: ServeOptions, _ values: Values, _ log: LogLines,
    onReading: @escaping @Sendable (Configuration) -> Void = { _ in }
  ) async throws -> Server {
    let queues = values[options.configuration.queues]
    let plugins = values[options.configuration.plugins]
    let data = values[options.data]
    let keep = values[options.keep].map { $0 / .seconds(1) }
    if keep == 0 { throw LocalFailure("--keep 0 would delete every run as it ends", hint: "name a time, such as 90d") }
    let warn: @Sendable (String) -> Void = { log.write("warning", $0, from: "server") }
    let read = ConfigurationLoader(queues: queues, plugins: plugins).source
    let newest = NewestReading()
    let hooks = PluginHooks(plugins: plugins, data: data, now: now, log: warn)
    do {
      let server = try await Server.start(
        Server.Options(
          data: data, listen: values[options.listen], watched: [queues, plugins], keep: keep),
        source: { created in
          let configuration = await read(created)
          hooks.take(configuration)
          let isServing = newest.take(configuration)
          if !configuration.hasErrors { onReading(configuration) }
          let asked = Set(created.map(\.name))
          if isServing, let problem = configuration.firstError(besides: asked) {
            log.write(
              "warning", "the files have errors, and what was read before them goes on", from: "server",
              ["first": problem.message, "place": problem.place?.text ?? "", "errors": "\(configuration.errorCount)"])
          }
          return configuration
        }, hooks: hooks, log: warn)
      let status = server.configuration
      log.write(
        "info", "serving", from: "server",
        [
          "url": server.url, "data": data, "queues": "\(newest.configuration.queues.count)",
          "files": "\(status.files.count)", "keep": keep.map { Quantity.text(seconds: $0) } ?? "for ever",
        ])
      return server
    } catch is ConfigurationKeeper.Rejected {
      throw BadConfiguration(configuration: newest.configuration)
    } catch let error as StoreError {
      throw LocalFailure(error.fact, hint: error.hint)
    } catch let error as HTTPListenError {
      throw LocalFailure("cannot listen on \(error.address): \(error.fact)", hint: error.hint)
    }
  }

  /// Waits for SIGINT or SIGTERM. The next one ends the process at once.
  func stopAsked(_ stops: AsyncStream<Int32>, _ log: LogLines) async {
    for await number in stops {
      log.write("info", number == SIGINT ? "stopping: Ctrl-C" : "stopping: SIGTERM", from: "lunaport")
      let impatience = Signals.stream([SIGINT, SIGTERM])
      Task.detached { for await number in impatience { _exit(128 + number) } }
      return
    }
  }
}

/// What the newest reading of the files gave, in service or not.
private final class NewestReading: Sendable {
  private let state = Mutex((configuration: Configuration(), isServing: false))

  var configuration: Configuration { state.withLock { $0.configuration } }

  /// - Returns: whether there was one without errors before.
  func take(_ configuration: Configuration) -> Bool {
    state.withLock { state in
      let wasServing = state.isServing
      state = (configuration, wasServing || !configuration.hasErrors)
      return wasServing
    }
  }
}

extension Configuration {
  /// The first error of the folders' own files: of queues that are made through the API, who makes them is told.
  fileprivate func firstError(besides created: Set<String>) -> Diagnostic? {
    diagnostics.first { problem in
      problem.severity == .error && !(problem.place.map { created.contains($0.file) } ?? false)
    }
  }
}

extension Server {
  var url: String { "http://\(address)" }
}

extension Kind where Value == HTTPAddress {
  /// `HOST:PORT`
  static var address: Kind {
    Kind(
      render: { $0.description },
      parse: { text throws(InvalidValue) in
        guard let address = HTTPAddress(text) else {
          throw InvalidValue("must have the form HOST:PORT, such as 127.0.0.1:8080 or [::1]:0")
        }
        return address
      })
  }
}
