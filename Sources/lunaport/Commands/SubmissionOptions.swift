import Arguments
import Client
import Model

/// What every command takes that puts a job on a queue.
struct SubmissionOptions: Sendable {
  private let job: Key<JobReference?>
  private let queue: Key<String?>
  let entity: Key<String?>
  let project: Key<String?>
  private let config: Key<String?>
  private let variables: Key<[KeyValue]>
  private let priority: Key<Priority?>
  private let arguments: Key<[String]>

  init(_ declare: inout Declaration) {
    job = declare.option("job", short: "j", .jobReference, help: "The job: NAME, NAME:VERSION or PROJECT/NAME.")
    queue = declare.option("queue", short: "q", .name(from: "queues"), help: "The queue.")
    entity = declare.entity()
    project = declare.option(
      "project", short: "p", .string, help: "Where the run is listed; the job's project if nothing is said.")
    config = declare.option(
      "config", short: "c", .file, placeholder: "file", help: "A JSON file; - is standard input.")
    variables = declare.options(
      "variable", short: "v", .keyValue, placeholder: "name=value",
      help: "A variable of the queue; may be given again.")
    priority = declare.option(
      "priority", .choice(of: Priority.self), help: "Before whom it goes, where the queue has priorities.")
    arguments = declare.arguments("arguments", .string, help: "Arguments of the program, after --.")
  }

  /// The config file with what the command line says over it.
  /// - Parameter needsJob: false where the job is made by the command itself.
  func submission(_ values: Values, needsJob: Bool = true) throws -> Submission {
    var submission = try LaunchFile(values[config]).submission
    if let job = values[job] { submission.job = job.text }
    if let queue = values[queue] { submission.queue = queue }
    submission.entity = values[entity] ?? submission.entity
    submission.project = values[project] ?? submission.project
    submission.priority = values[priority] ?? submission.priority
    if !values[arguments].isEmpty {
      submission.overrides = submission.overrides ?? Overrides()
      submission.overrides?.args = values[arguments]
    }
    var missing: [String] = []
    if submission.job.isEmpty, needsJob { missing.append("Missing expected option '--job <job>'.") }
    if submission.queue.isEmpty { missing.append("Missing expected option '--queue <queue>'.") }
    guard missing.isEmpty else { throw UsageError(missing) }
    return submission
  }

  /// Puts the variables of the command line in, read as the queue takes them.
  func fill(_ submission: inout Submission, _ values: Values, from client: APIClient) async throws {
    guard !values[variables].isEmpty else { return }
    let view = try await client.queue(named: submission.queue, entity: submission.entity)
    var given = submission.variables ?? [:]
    for pair in values[variables] {
      given[pair.key] = VariableText.value(pair.value, for: view.variables[pair.key])
    }
    submission.variables = given
  }
}

extension Console {
  /// What the server wants said of what was queued.
  func report(warnings: [String]) {
    for warning in warnings { report(errors.paint("warning:", .bold, .yellow) + " " + printable(warning)) }
  }
}

/// Names one submit, so that a second try after a lost answer makes nothing twice.
enum SubmitKey {
  static func new() -> String {
    var random = SystemRandomNumberGenerator()
    return "cli-" + String(random.next(), radix: 36) + String(random.next(), radix: 36)
  }
}
