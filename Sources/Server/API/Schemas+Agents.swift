import Model

extension Schemas {
  private typealias S = JSONSchema

  /// Things of one kind that an agent may hold or tell of at once; its `--max-jobs` is far below.
  private static let manyMax = 10_000

  static let agents: [String: JSONSchema] = [
    "AgentHello": .object([
      S.field("name", .name), S.maybe("entity", .name), S.field("host", .text(.line(256))),
      S.field("queues", .list(.text(.queueReference), 1...1_000)), S.field("max_jobs", .integer(1...1_000_000)),
      S.field("offer", .named("Offer")),
      S.field("allow_partial", .boolean, "Poll what is covered, instead of being refused."),
      S.field("protocol", .integer(0...1_000)), S.field("holding", .list(.named("Holding"), 0...manyMax)),
    ]),
    "Offer": .object([
      S.field(
        "drivers",
        .list(
          .object([
            S.field("target", .name), S.field("version", .text(.line(64))),
            S.field("provides", .list(.text(.line(64)), 0...100)), S.field("probe", .named("Probe")),
          ]), 0...100)),
      S.field(
        "builders",
        .list(
          .object([
            S.field("name", .name), S.field("sources", .list(.choice(SourceKind.self), 0...100)),
            S.field("targets", .list(.name, 0...100)), S.field("probe", .named("Probe")),
          ]), 0...100)),
    ]),
    "Probe": .object([
      S.field("health", .choice(["healthy", "unhealthy", "undetected"])),
      S.field("detail", .text(.free(AgentProtocol.messageMax))),
      S.field("attributes", .map(.any, max: 1_000)), S.field("lacks", .list(.text(.line(64)), 0...100)),
    ]),
    "Holding": .object([
      S.field("run", .runID), S.field("attempt", .integer(0...1_000_000_000)), S.field("epoch", .integer()),
    ]),
    "AgentWelcome": .object([
      S.field("id", .runID), S.field("queues", .list(.text)), S.field("heartbeat_seconds", .number()),
      S.field("lease_seconds", .number()), S.field("report", .named("CoverageReport")),
    ]),
    "CoverageReport": .object([
      S.field("agent", .text),
      S.field(
        "entries",
        .list(
          .object([
            S.field("queue", .text),
            S.field("gap", .object([S.field("need", .named("Need")), S.field("fact", .text)])),
          ]))),
    ]),
    "Need": .object([
      S.field(
        "kind",
        .object([
          S.maybe("driver", .map(.text)), S.maybe("capability", .map(.text)), S.maybe("builder", .map(.text)),
        ])),
      S.field("why", .text), S.maybe("place", .named("Place")),
    ]),
    "LeaseRequest": .object([
      S.field("room", .integer(0...Int64(Limits.leaseBatchMax)), "Runs it has room for; 0 asks for orders only."),
      S.field("wait", .number(0...AgentProtocol.waitSecondsMax), "Seconds the answer may be held back."),
      S.field("seen", .integer(), "The newest order that it has seen."),
    ]),
    "LeaseAnswer": .object([
      S.field("leases", .list(.named("Lease"))), S.field("stops", .list(.named("Holding"))), S.field("drain", .boolean),
      S.field("seen", .integer()), S.field("notes", .list(.text)),
    ]),
    "Lease": .object([
      S.field("run", .runID), S.field("name", .text), S.field("entity", .text), S.field("project", .text),
      S.field("queue", .text), S.field("author", .text), S.field("attempt", .integer()), S.field("epoch", .integer()),
      S.field("seconds", .number()), S.field("spec", .named("RunSpec")),
    ]),
    "RunSpec": .object([
      S.maybe("job", .named("JobVersion")), S.field("source", .named("Source")),
      S.field("overrides", .named("Overrides")), S.field("target", .text), S.field("resource", .any),
      S.field("needs", .list(.named("Need"))), S.maybe("timeout", .number()), S.field("grace", .number()),
      S.field("retries_lost", .boolean), S.field("generation", .integer()),
    ]),
    "AgentReport": .object([
      S.field("holding", .list(.named("Holding"), 0...manyMax)),
      S.field("updates", .list(.named("RunUpdate"), 0...manyMax)),
      S.field("samples", .list(.named("Sample"), 0...manyMax)), S.maybe("offer", .named("Offer")),
      S.field("draining", .boolean),
    ]),
    "RunUpdate": .object([
      S.field("holding", .named("Holding")), S.maybe("state", .choice(["building", "starting", "running"])),
      S.maybe("ending", .named("Ending")), S.maybe("message", .text(.free(AgentProtocol.messageMax))),
      S.field("at", .number(), "Seconds since 1970."),
    ]),
    "Ending": .object([
      S.field("state", .choice(["succeeded", "failed", "stopped", "lost"])), S.field("reason", .choice(Reason.self)),
      S.maybe("exit_code", .integer(-1_000_000...1_000_000)), S.maybe("signal", .integer(0...1_000)),
      S.maybe("message", .text(.free(AgentProtocol.messageMax))),
    ]),
    "AgentReceipt": .object([
      S.field(
        "refusals",
        .list(
          S.object([
            S.maybe("stale", .map(.integer())), S.maybe("illegal", .map(.text)), S.maybe("unknown", .map(.any)),
          ]).orNull), "For each update why it was refused; null where it was taken."),
      S.field("gone", .list(.named("Holding")), "What of `holding` is no longer the agent's."),
    ]),
    "Agent": .object([
      S.field("id", .runID), S.field("name", .text), S.field("entity", .text), S.field("host", .text),
      S.field("queues", .list(.text)), S.field("state", .choice(AgentState.self)), S.field("max_jobs", .integer()),
      S.field("jobs", .integer()), S.field("heartbeat_at", .timestamp), S.field("targets", .list(.text)),
      S.field("gaps", .list(.text), "What it lacks; empty where it covers all its queues."),
    ]),
  ]
}
