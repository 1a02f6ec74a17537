import Model
import Scripting

/// What the API takes and answers, by name; the types of Model, as JSON sees them.
enum Schemas {
  static let all: [String: JSONSchema] = {
    var all: [String: JSONSchema] = [:]
    for group in [general, runs, jobs, queues, agents, administration] {
      all.merge(group) { first, _ in first }
    }
    return all
  }()

  private typealias S = JSONSchema

  private static let general: [String: JSONSchema] = [
    "Error": .object([
      S.field(
        "error",
        .object([
          S.field("code", .choice(errorCodes), "Stable; what a program decides by."),
          S.field("message", .text, "One sentence: the fact."),
          S.maybe("hint", .text, "One thing to do."),
          S.maybe("problems", .list(.named("Diagnostic")), "Everything that is wrong with the request."),
          S.maybe("report", .named("CoverageReport"), "Why an agent was refused."),
        ])),
      S.maybe("size", .integer(), "Bytes that the server has, where a part of a log left a gap."),
    ]),
    "Diagnostic": .object([
      S.field("code", .text), S.field("severity", .choice(["error", "warning"])), S.field("message", .text),
      S.maybe("place", .named("Place")), S.maybe("label", .text),
      S.maybe("because", .object([S.field("place", .named("Place")), S.field("label", .text)])),
      S.field("notes", .list(.text)), S.maybe("help", .text),
    ]),
    "Place": .object([
      S.field("file", .text), S.field("line", .integer()), S.field("column", .integer()), S.field("length", .integer()),
    ]),
    "Size": .object([S.field("size", .integer(), "Bytes.")]),
    "Health": .object([
      S.field("status", .choice(["ok"])), S.field("generation", .integer()), S.field("stale", .boolean),
      S.maybe("stale_since", .timestamp), S.field("errors", .integer()),
    ]),
  ]

  /// Every code that an answer may carry: those of the API, and those of HTTP itself.
  private static let errorCodes =
    ServiceError.Code.allCases.map(\.rawValue) + [
      "method_not_allowed", "malformed_path", "malformed_query", "malformed_header", "body_too_large",
      "headers_too_large", "too_many_connections", "answer_timeout", "server_closing", "upload_not_stored",
    ]

  private static let runs: [String: JSONSchema] = [
    "Submission": .object([
      S.field("job", .text(.jobReference), "`name`, `name:alias`, `project/name:v2` or `entity/project/name`."),
      S.field("queue", .text(.queueReference), "The queue's name, or `entity/name`."),
      S.maybe("entity", .name, "The queue's; your default where left out."),
      S.maybe("project", .name, "Where the run is listed; the job's where left out."),
      S.maybe("overrides", .named("Overrides")),
      S.maybe("resource_args", .map(.any, max: 100), "By target, laid over the queue's resource as far as it allows."),
      S.maybe("priority", .choice(Priority.self)),
      S.maybe("variables", .map(.any, max: 1_000), "Values for the queue's variables."),
      S.maybe("name", .name, "Two words and a number where left out."),
      S.maybe("submit_key", .text(.line(256)), "Submitting again with the same key gives the first run."),
    ]),
    "Overrides": .object([
      S.maybe("args", .list(.text(.argument), 0...Limits.argumentsMax), "After the entry point."),
      S.maybe("run_config", .map(.any, max: 10_000), "The program's config."),
      S.maybe("entry_point", .list(.text(.argument), 1...Limits.argumentsMax)),
    ]),
    "Run": .object([
      S.field("id", .runID), S.field("name", .text),
      S.field("state", .choice(VisibleState.self), "What people see."),
      S.field("inner_state", .choice(RunState.self), "The engine's finer word."),
      S.field("reason", .choice(Reason.self).orNull, "Why it ended so."),
      S.field("message", .text.orNull), S.field("exit_code", .integer(-1_000_000...1_000_000).orNull),
      S.field("signal", .integer().orNull), S.field("attempt", .integer()), S.field("retries", .integer()),
      S.field("entity", .text), S.field("project", .text), S.field("queue", .text), S.field("target", .text),
      S.field("priority", .choice(Priority.self)), S.field("job", .text.orNull, "`entity/project/name:v3`"),
      S.field("author", .text, "Who submitted it."), S.field("agent", .text.orNull, "The id of who has it."),
      S.field("stop_requested", .boolean), S.field("created_at", .timestamp), S.field("queued_at", .timestamp),
      S.field("started_at", .timestamp.orNull), S.field("finished_at", .timestamp.orNull),
      S.field("duration", .number().orNull, "Seconds."), S.field("log_size", .integer(), "Bytes."),
      S.field("args", .list(.text)), S.field("run_config", .map(.any)), S.field("resource", .any),
    ]),
    "Explanation": .object([
      S.field("summary", .text), S.field("facts", .list(.text)), S.field("help", .list(.text)),
    ]),
    "RunEvent": .object([
      S.field("number", .integer()), S.field("attempt", .integer()), S.field("at", .timestamp),
      S.maybe("from", .choice(RunState.self)), S.field("to", .choice(RunState.self)),
      S.maybe("reason", .choice(Reason.self)), S.maybe("exit_code", .integer(-1_000_000...1_000_000)),
      S.maybe("agent", .text), S.maybe("message", .text),
    ]),
    "Sample": .object([
      S.field("run", .runID), S.field("at", .number(), "Seconds since 1970."),
      S.maybe("cpu", .number(Sample.cpuRange), "Cores in use."),
      S.maybe("memory", .integer(Sample.bytesRange), "Bytes."),
      S.maybe("gpu", .number(Sample.gpuRange)), S.maybe("gpu_memory", .integer(Sample.bytesRange), "Bytes."),
    ]),
  ]

  private static let jobs: [String: JSONSchema] = [
    "JobRequest": .object([
      S.maybe("entity", .name), S.field("project", .name),
      S.maybe("name", .name, "Made from the source where left out."),
      S.field("source", .either(.named("CodeSource"), .named("GitSource"), .named("ImageSource"))),
      S.maybe(
        "inputs", .map(.any, max: 100), "What its config may hold, as JSON Schema; as it was where left out."),
      S.maybe("aliases", .list(.name, 0...100), "Beside `latest`; none may look like a version."),
    ]),
    "AliasRequest": .object([S.field("version", .integer(0...Int64(Int32.max)))]),
    "CodeSource": .object([
      S.field("kind", .choice([SourceKind.code.rawValue])),
      S.field("manifest", .sha256, "The folder's manifest; it and its files must have been uploaded."),
      S.field("entry_point", .list(.text(.argument), 1...Limits.argumentsMax), "Program and first arguments."),
      S.maybe("python", .text(.line(32)), "Version that the program asks for."),
      S.maybe("requirements", .text(.line(4_096)), "Path of the dependency list inside the source."),
    ]),
    "GitSource": .object([
      S.field("kind", .choice([SourceKind.git.rawValue])), S.field("git", .named("Commit")),
      S.field("entry_point", .list(.text(.argument), 1...Limits.argumentsMax), "Program and first arguments."),
      S.maybe("python", .text(.line(32)), "Version that the program asks for."),
      S.maybe("requirements", .text(.line(4_096)), "Path of the dependency list inside the job's folder."),
    ]),
    "Commit": .object([
      S.field("url", .text(.line(2_048)), "`https://host/path`, `ssh://user@host/path` or `user@host:path`."),
      S.field("commit", .text(.commit), "What runs, whatever becomes of the branch."),
      S.maybe("ref", .text(.line(512)), "The branch or tag that it was; for people."),
      S.maybe("folder", .text(.line(4_096)), "The part of the repository that is the job's folder."),
      S.maybe("secret", .name, "The agent's secret that opens the repository: `git-HOST`, or `git-HOST_` and more."),
      S.maybe("user", .text(.line(256)), "Whose token or password that is."),
    ]),
    "ImageSource": .object([
      S.field("kind", .choice([SourceKind.image.rawValue])),
      S.field("image", .text(.line(1_024)), "`alpine:3.20`, `registry.example:5000/team/app@sha256:...`"),
      S.maybe("entry_point", .list(.text(.argument), 0...Limits.argumentsMax), "The image's own where empty."),
    ]),
    "Source": .object([
      S.field("kind", .choice(SourceKind.self)), S.maybe("manifest", .sha256), S.maybe("git", .named("Commit")),
      S.maybe("image", .text, "Whole, and with its digest where the registry told it."),
      S.field("entry_point", .list(.text)), S.maybe("python", .text), S.maybe("requirements", .text),
    ]),
    "JobVersion": .object([
      S.field("entity", .text), S.field("project", .text), S.field("name", .text), S.field("version", .integer()),
      S.field("aliases", .list(.text)), S.field("source", .named("Source")),
      S.maybe("inputs", .map(.any), "What its config may hold, as JSON Schema."), S.field("digest", .text),
      S.field("author", .text), S.field("created_at", .number(), "Seconds since 1970."),
    ]),
    "JobAnswer": .object([
      S.field("job", .named("JobVersion")), S.field("created", .boolean, "False where nothing changed."),
    ]),
    "BlobQuestion": .object([S.field("sha256", .list(.sha256, 0...10_000))]),
    "BlobAnswer": .object([S.field("missing", .list(.sha256))]),
  ]

  private static let queues: [String: JSONSchema] = [
    "Queue": .object([
      S.field("name", .text), S.field("entity", .text), S.field("target", .text),
      S.field("gate", .choice(["open", "paused", "draining"])),
      S.field("counts", .map(.integer()), "Runs by the eight words."),
      S.field("agents", .list(.text), "Active agents that can run it."),
      S.field("refused", .list(.text), "Active agents that poll it and cannot, each with why."),
      S.field("variables", .map(.named("Variable"))), S.field("source", .text, "Where it is declared, or `api`."),
      S.field("settings", .map(.any), "In the words of a queue file."),
    ]),
    "Variable": .object([
      S.field("type", .text), S.field("required", .boolean), S.field("default", .any), S.maybe("doc", .text),
    ]),
    "NewQueue": .object(
      [S.field("name", .name), S.maybe("entity", .name), S.field("target", .name)]
        + Grammar.queue.fields.filter { !["entity", "target"].contains($0.key) }.map {
          S.maybe($0.key, .any, $0.schema.doc)
        }),
  ]

  private static let administration: [String: JSONSchema] = [
    "Viewer": .object([
      S.field("name", .text), S.field("role", .choice(Account.Role.self)), S.field("entities", .list(.text)),
      S.field("default_entity", .text),
    ]),
    "KeyRequest": .object([
      S.field("account", .name), S.maybe("role", .choice(Account.Role.self), "`member` for a new account."),
      S.maybe("entities", .list(.name, 0...100), "Teams; `default` for a new account."),
      S.maybe("label", .text(.line(256)), "For people: what it is for."),
    ]),
    "Key": .object([
      S.field("id", .text), S.maybe("key", .text, "Only in the answer that makes it."), S.field("account", .text),
      S.field("role", .choice(Account.Role.self)), S.field("entities", .list(.text)), S.field("label", .text),
      S.field("created_at", .timestamp), S.maybe("used_at", .timestamp), S.maybe("revoked_at", .timestamp),
    ]),
    "Configuration": .object([
      S.field("generation", .integer()), S.field("loaded_at", .timestamp),
      S.field("stale", .boolean, "The files have errors, and the last good generation goes on."),
      S.maybe("stale_since", .timestamp),
      S.field("diagnostics", .list(.map(.any)), "As `check --format json` writes them."),
      S.field("files", .list(.text)),
    ]),
  ]
}
