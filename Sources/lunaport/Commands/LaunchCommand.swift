import Arguments
import Client
import Model

extension Lunaport {
  var launchCommand: Command {
    Command(
      "launch", "Put a job on a queue.",
      discussion: """
        The config file may hold overrides (args, run_config, entry_point), resource_args for each target, variables and \
        every option below; the command line wins over it. Arguments of the program follow --.

          lunaport launch -j train -q gpu -v gpus=2 --watch -- --epochs 3

        With --watch the run's log goes to standard output and its states to standard error. The exit code is then 0 if \
        the run finished, that of its program if it failed with 1 to 125, and 1 if it ended in another way. Ctrl-C leaves \
        the run running.
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let job = declare.option("job", short: "j", .jobReference, help: "The job: NAME, NAME:VERSION or PROJECT/NAME.")
      let queue = declare.option("queue", short: "q", .name(from: "queues"), help: "The queue.")
      let entity = declare.entity()
      let project = declare.option(
        "project", short: "p", .string, help: "Where the run is listed; the job's project if nothing is said.")
      let config = declare.option(
        "config", short: "c", .file, placeholder: "file", help: "A JSON file; - is standard input.")
      let variables = declare.options(
        "variable", short: "v", .keyValue, placeholder: "name=value",
        help: "A variable of the queue; may be given again.")
      let priority = declare.option(
        "priority", .choice(of: Priority.self), help: "Before whom it goes, where the queue has priorities.")
      let name = declare.option(
        "name", short: "n", .string, help: "The run's name; two words and a number if nothing is said.")
      let watch = declare.flag("watch", short: "w", help: "Follow the run until it ends.")
      let json = declare.json()
      let arguments = declare.arguments("arguments", .string, help: "Arguments of the program, after --.")
      return { values, console in
        var submission = try LaunchFile(values[config]).submission
        if let job = values[job] { submission.job = job.text }
        if let queue = values[queue] { submission.queue = queue }
        submission.entity = values[entity] ?? submission.entity
        submission.project = values[project] ?? submission.project
        submission.priority = values[priority] ?? submission.priority
        submission.name = values[name] ?? submission.name
        if !values[arguments].isEmpty {
          submission.overrides = submission.overrides ?? Overrides()
          submission.overrides?.args = values[arguments]
        }
        var missing: [String] = []
        if submission.job.isEmpty { missing.append("Missing expected option '--job <job>'.") }
        if submission.queue.isEmpty { missing.append("Missing expected option '--queue <queue>'.") }
        guard missing.isEmpty else { throw UsageError(missing.joined(separator: " ")) }
        let client = try server.client(values)
        if !values[variables].isEmpty {
          let view = try await client.queue(named: submission.queue, entity: submission.entity)
          var given = submission.variables ?? [:]
          for pair in values[variables] {
            given[pair.key] = VariableText.value(pair.value, for: view.variables[pair.key])
          }
          submission.variables = given
        }
        submission.submitKey = submission.submitKey ?? Self.submitKey()
        let submitted = try await submit(submission, to: client)
        for warning in submitted.warnings {
          console.report(console.errors.paint("warning:", .bold, .yellow) + " " + printable(warning))
        }
        let run = submitted.run
        let line = printable("\(run.id) \(run.name) is \(run.stateText) in \(run.queue)")
        if values[watch] {
          console.report(line)
          return try await self.watch(LogReader(client: client, run: run.id), console: console, json: values[json])
        }
        if values[json] { try console.print(json: run) } else { try console.print(line) }
        return .ok
      }
    }
  }

  /// Submits through short faults: the submit key keeps a second try from making a second run.
  private func submit(_ submission: Submission, to client: APIClient) async throws -> Submitted {
    var retries = Retries()
    while true {
      do {
        return try await client.submit(submission)
      } catch {
        try await retries.wait(after: error)
      }
    }
  }

  private static func submitKey() -> String {
    var random = SystemRandomNumberGenerator()
    return "cli-" + String(random.next(), radix: 36) + String(random.next(), radix: 36)
  }
}

/// The config file of `launch`.
struct LaunchFile {
  var submission = Submission(job: "", queue: "")

  private static let keys = [
    "entity", "job", "name", "overrides", "priority", "project", "queue", "resource_args", "submit_key", "variables",
  ]
  private static let overrideKeys = ["args", "entry_point", "run_config"]

  init(_ path: String?) throws {
    guard let path else { return }
    self = try LaunchFile(try Document.read(path), named: path)
  }

  init(_ document: Value, named path: String) throws {
    guard case .object(var fields) = document else { throw LocalFailure("\(path) must hold a table") }
    try Self.refuse(unknownIn: fields, known: Self.keys, what: "\(path)", path)
    if let overrides = fields["overrides"] {
      guard case .object(let inner) = overrides else { throw LocalFailure("`overrides` in \(path) must be a table") }
      try Self.refuse(unknownIn: inner, known: Self.overrideKeys, what: "`overrides` in \(path)", path)
    }
    fields["job"] = fields["job"] ?? ""
    fields["queue"] = fields["queue"] ?? ""
    do {
      submission = try Value.object(fields).decode(Submission.self)
    } catch DecodingError.typeMismatch(_, let context) {
      throw LocalFailure("\(Self.place(context)) in \(path) is of the wrong kind", hint: Self.hint(context))
    } catch DecodingError.dataCorrupted(let context) {
      throw LocalFailure("\(Self.place(context)) in \(path) is not one of its values", hint: Self.hint(context))
    }
  }

  private static func refuse(
    unknownIn fields: [String: Value], known: [String], what: String, _ path: String
  ) throws(LocalFailure) {
    guard let unknown = fields.keys.sorted().first(where: { !known.contains($0) }) else { return }
    throw LocalFailure(
      "\(what) has no key `\(unknown)`",
      hint: closest(to: unknown, among: known).map { "did you mean `\($0)`?" }
        ?? "keys: \(known.joined(separator: ", "))")
  }

  private static func place(_ context: DecodingError.Context) -> String {
    "`" + context.codingPath.map { $0.intValue.map { "[\($0 + 1)]" } ?? $0.stringValue }.joined(separator: ".") + "`"
  }

  private static func hint(_ context: DecodingError.Context) -> String? {
    switch context.codingPath.first?.stringValue {
    case "overrides": "args and entry_point are lists of text, run_config is a table"
    case "resource_args": "a table for each target: {\"process\": {...}}"
    case "priority": "one of \(Priority.allCases.map(\.rawValue).joined(separator: ", "))"
    default: nil
    }
  }
}

/// Values of a queue's variables as people type them.
enum VariableText {
  /// `4` for an integer is the number, for a text it is the text.
  static func value(_ text: String, for variable: VariableView?) -> Value {
    let type = variable?.type ?? ""
    if ["text", "duration", "size"].contains(where: type.hasPrefix) { return .string(text) }
    guard let value = try? Value(json: text) else { return .string(text) }
    // A choice among texts may look like a number.
    if type.hasPrefix("one of"), type.contains(Value.string(text).json()) { return .string(text) }
    return value
  }
}
