import Arguments
import Client
import Model

extension Lunaport {
  var runCommand: Command {
    Command(
      "run", "Look at runs, stop them, run them again.",
      subcommands: [runList, runShow, runLogs, runWatch, runStop, runRetry])
  }

  private var runList: Command {
    Command(
      "list", "List runs, newest first.",
      discussion: """
          lunaport run list -q gpu --state running --state pending
          lunaport run list -p demo -n 100 --json
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let entity = declare.entity()
      let project = declare.project()
      let queue = declare.option("queue", short: "q", .name(from: "queues"), help: "Only of this queue.")
      let states = declare.options(
        "state", short: "s", .visibleState, help: "Only in this state; may be given again.")
      let author = declare.option("author", .string, help: "Only of this person.")
      let job = declare.option("job", short: "j", .name(from: "jobs"), help: "Only of this job.")
      let limit = declare.option("limit", short: "n", .integer(1...100_000), default: 20, help: "Runs at most.")
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        var query = RunQuery()
        query.entity = values[entity]
        query.project = values[project]
        query.queue = values[queue]
        query.states = values[states]
        query.author = values[author]
        query.job = values[job]
        var runs: [RunView] = []
        repeat {
          query.limit = min(values[limit] - runs.count, 1_000)
          let page = try await client.runs(query)
          runs += page.items
          query.cursor = page.next
        } while query.cursor != nil && runs.count < values[limit]
        if values[json] {
          try console.print(json: runs)
        } else {
          try console.print(RunText.table(runs, now: now()), ifEmpty: "no runs")
        }
        return .ok
      }
    }
  }

  private var runShow: Command {
    Command("show", "Show a run.") { declare in
      let server = ServerOptions(&declare, environment)
      let id = declare.run()
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let run = try await client.run(values[id])
        if values[json] {
          try console.print(json: run)
        } else {
          // A name is a comfort: without it the id is shown.
          let agents = run.agent == nil ? nil : try? await client.agents()
          let agent = agents?.items.first { $0.id == run.agent }?.name
          try console.print(RunText.page(run, agent: agent, now: now(), on: console.output))
        }
        return .ok
      }
    }
  }

  private var runLogs: Command {
    Command(
      "logs", "Print what a run has written.",
      discussion: """
          lunaport run logs a1b2c3d4 --follow
          lunaport run logs a1b2c3d4 --attempt 1 > first.log
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let id = declare.run()
      let follow = declare.flag("follow", short: "f", help: "Go on until the run ends.")
      let attempt = declare.option(
        "attempt", .integer(1...Int(Int32.max)), help: "Of this attempt; the newest if nothing is said.")
      return { values, console in
        let log = LogReader(client: try server.client(values), run: values[id])
        switch (values[follow], values[attempt]) {
        case (true, nil): _ = try await Watch(log: log, console: console, shows: .log).run()
        case (true, let attempt?): try await log.follow(attempt: attempt, to: console)
        case (false, _):
          try await log.copy(attempt: values[attempt], to: console)
        }
        return .ok
      }
    }
  }

  private var runWatch: Command {
    Command(
      "watch", "Follow a run until it ends.",
      discussion: """
        Its log goes to standard output, its states to standard error. The exit code is 0 if the run finished, that of \
        its program if it failed with 1 to 125, and 1 if it ended in another way. Ctrl-C leaves the run running.
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let id = declare.run()
      let json = declare.flag("json", help: "Print the run as JSON when it has ended, in place of its log.")
      return { values, console in
        let log = LogReader(client: try server.client(values), run: values[id])
        return try await watch(log, console: console, json: values[json])
      }
    }
  }

  /// Follows a run to its end, and gives the code to exit with.
  func watch(_ log: LogReader, console: Console, json: Bool) async throws -> ExitCode {
    let run = try await Watch(log: log, console: console, shows: json ? .states : .all).run()
    if json { try console.print(json: run) }
    return Watch.exitCode(of: run)
  }

  private var runStop: Command {
    Command("stop", "Stop runs.") { declare in
      let server = ServerOptions(&declare, environment)
      let ids = declare.arguments("run", .name(from: "runs"), atLeast: 1, help: "The runs.")
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        return try await each(values[ids], console, json: values[json]) { id throws(APIError) in
          let run = try await client.stop(run: id)
          let sentence = run.state.isEnd ? "\(run.id) is \(run.stateText)" : "\(run.id) is being stopped"
          return (run, sentence)
        }
      }
    }
  }

  private var runRetry: Command {
    Command("retry", "Queue ended runs again.") { declare in
      let server = ServerOptions(&declare, environment)
      let ids = declare.arguments("run", .name(from: "runs"), atLeast: 1, help: "The runs.")
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        return try await each(values[ids], console, json: values[json]) { id throws(APIError) in
          let run = try await client.retry(run: id)
          return (run, "\(run.id) is queued again in \(run.queue)")
        }
      }
    }
  }

  /// Does the same to each of several runs; what fails for one does not keep the others from it.
  private func each(
    _ ids: [String], _ console: Console, json: Bool,
    _ action: (String) async throws(APIError) -> (run: RunView, sentence: String)
  ) async throws -> ExitCode {
    var runs: [RunView] = []
    var code = ExitCode.ok
    for id in ids {
      do {
        let (run, sentence) = try await action(id)
        runs.append(run)
        if !json { try console.print(printable(sentence)) }
      } catch let error as APIError {
        console.report(error.report(on: console.errors))
        code = error.exitCode
      }
    }
    if json { try console.print(json: runs) }
    return code
  }

  var explainCommand: Command {
    Command("explain", "Say in words why a run is where it is, and what would move it.") { declare in
      let server = ServerOptions(&declare, environment)
      let id = declare.run()
      let json = declare.json()
      return { values, console in
        let explanation = try await server.client(values).explain(run: values[id])
        if values[json] {
          try console.print(json: explanation)
        } else {
          try console.print(explanation.rendered(on: console.output))
        }
        return .ok
      }
    }
  }
}

extension Declaration {
  mutating func run() -> Key<String> { argument("run", .name(from: "runs"), help: "The run's id.") }
}

extension Kind where Value == VisibleState {
  /// One of the eight words, in any case.
  static var visibleState: Kind {
    let words = VisibleState.allCases.map(\.rawValue)
    return Kind(
      detail: "values: " + words.joined(separator: ", "), completion: .choices(words), render: { $0.rawValue },
      parse: { text throws(InvalidValue) in
        guard let state = VisibleState.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
          throw InvalidValue(
            "must be one of " + words.map { "'\($0)'" }.joined(separator: ", "),
            suggestion: closest(to: text, among: words))
        }
        return state
      })
  }
}
