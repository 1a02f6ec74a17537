import Model

/// The keys of each kind of declaration, as schemas: they judge declarations, and the reference and the editors' types
/// are generated from them.
public enum Grammar {
  public static let queue = Schema(
    .table([
      field("entity", .string(pattern: nil), "user or team that owns the queue; `default` where left out"),
      field("target", .string(pattern: nil), "target resource that its runs execute on", required: true),
      field(
        "builder", .string(pattern: nil),
        "the plugin that builds its code and git jobs, or `\(Queue.noBuilder)` to build nothing; any that can where left out"
      ),
      field("doc", .string(pattern: nil), "one line for people"),
      field(
        "requires", .list(Schema(.string(pattern: nil)), min: nil, max: nil),
        "capabilities an agent must have beyond what the config implies"),
      field("priorities", .bool, "runs may state a priority"),
      field("concurrency", .int(min: 1, max: 1_000_000), "live runs at most"),
      field(
        "retry",
        .table([
          field("max", .int(min: 0, max: Int64(Limits.retriesMax)), "attempts after the first", required: true),
          field(
            "on",
            .list(
              Schema(.choice(RetryPolicy.Cause.allCases.map { .string($0.rawValue) })), min: 1, max: nil),
            "endings after which to try again", required: true),
          field("delay", .duration(min: nil, max: nil), "wait before the first retry, doubled each time"),
          field("delay_max", .duration(min: nil, max: nil), "longest wait between retries"),
        ]), "what may be run again"),
      field("timeout", .duration(min: 1, max: nil), "time an attempt may take from its start"),
      field("queue_timeout", .duration(min: 1, max: nil), "time a run may wait in the queue"),
      field("grace", .duration(min: 0, max: 86_400), "time between the polite stop and the kill; 10s where left out"),
      field(
        "resource", .oneOf([Schema(.map(Schema(.any))), Schema(.string(pattern: nil))]),
        "the target's own document with typed holes, or the name of a shared resource config"),
      field(
        "override",
        .oneOf([
          Schema(.choice(["any", "none"])), Schema(.list(Schema(.string(pattern: nil)), min: 1, max: nil)),
        ]), "what a run may change: `any`, `none`, or names of variables and keys of the resource"),
      field(
        "links",
        .list(
          Schema(
            .table([
              field("label", .string(pattern: nil), "text of the link", required: true),
              field("url", .string(pattern: "http*://*"), "where it leads; macros are filled", required: true),
            ])), min: nil, max: 50), "external links shown with the queue"),
      field("hooks", .list(Schema(.string(pattern: nil)), min: nil, max: 20), "hooks to call on the queue's events"),
    ]))

  public static let resource = Schema(
    .table([
      field("target", .string(pattern: nil), "target resource that it is for", required: true),
      field("doc", .string(pattern: nil), "one line for people"),
      field("config", .map(Schema(.any)), "the target's own document with typed holes", required: true),
    ]))

  public static let driver = Schema(
    .table(
      plugin + [
        field(
          "provides", .list(Schema(.string(pattern: nil)), min: 1, max: nil),
          "capabilities it has; absence means no", required: true),
        field(
          "resource", .any, "type of the resource document of its queues: table { ... }, or any()", required: true),
        field(
          "handle",
          .table([
            field("version", .int(min: 1, max: nil), "grows when the shape changes", required: true),
            field("shape", .any, "type of the handles that start returns", required: true),
          ]), "what it keeps of a started run", required: true),
        field(
          "poll_interval", .duration(min: 0.1, max: 3_600),
          "time between polls where the target tells nothing by itself; 5s where left out"),
      ]))

  public static let builder = Schema(
    .table(
      plugin + [
        field(
          "builds", .list(Schema(.choice(["code", "git", "image"])), min: 1, max: nil),
          "kinds of source it builds from",
          required: true),
        field(
          "targets", .list(Schema(.string(pattern: nil)), min: 1, max: nil), "targets it builds for", required: true),
      ]))

  public static let hook = Schema(
    .table(
      plugin + [
        field(
          "on",
          .list(Schema(.choice(HookEvent.allCases.map { .string($0.rawValue) })), min: 1, max: nil),
          "events it is called on", required: true)
      ]))

  /// Keys that every plugin has.
  private static let plugin = [
    field("name", .string(pattern: nil), "the plugin's folder has the same name", required: true),
    field("version", .string(pattern: "*.*.*"), "version of the plugin, such as 1.0.0", required: true),
    field(
      "api", .list(Schema(.int(min: 1, max: nil)), min: 1, max: nil), "versions of the plugin API it speaks",
      required: true),
    field("doc", .string(pattern: nil), "one line for people"),
    field(
      "needs", .list(Schema(.string(pattern: nil)), min: nil, max: nil),
      "permissions it must have; none where left out"),
    field(
      "uses", .list(Schema(.string(pattern: nil)), min: nil, max: nil),
      "plugins whose Lua files it requires, as \"docker/engine\""),
    field("config", .any, "type of the operator's settings of this plugin: table { ... }"),
  ]

  /// Every kind of declaration by its word.
  public static let declarations: [(word: String, schema: Schema, doc: String)] = [
    ("queue", queue, "an ordered list of runs to execute on one target resource"),
    ("resource", resource, "a shared resource config, used and extended by queues"),
    ("driver", driver, "a plugin that runs jobs on a target resource"),
    ("builder", builder, "a plugin that makes an environment or an image from a job"),
    ("hook", hook, "a plugin that is called on events of queues"),
  ]

  private static func field(
    _ key: String, _ kind: Schema.Kind, _ doc: String, required: Bool = false
  ) -> Schema.Field {
    Schema.Field(key: key, schema: Schema(kind, isRequired: required, doc: doc))
  }
}

/// Events that hooks are called on.
public enum HookEvent: String, Sendable, Hashable, Codable, CaseIterable {
  case queued, started, finished, failed, crashed, killed, retried
}

/// Versions of the plugin API that this host speaks.
public enum PluginAPI {
  public static let versions: Set<Int64> = [1]
}
