import FoundationEssentials

/// What the API says of things; the command line and the page read the same. Times are RFC 3339 in UTC.
public struct RunView: Sendable, Hashable, Codable {
  public var id: String
  public var name: String
  public var state: VisibleState
  /// The engine's finer word.
  public var innerState: RunState
  public var reason: Reason?
  public var message: String?
  public var exitCode: Int?
  public var signal: Int?
  public var attempt: Int
  public var retries: Int
  public var entity: String
  public var project: String
  public var queue: String
  public var target: String
  public var priority: Priority
  /// `entity/project/name:v3`
  public var job: String?
  public var author: String
  public var agent: String?
  public var stopRequested: Bool
  public var createdAt: String
  public var queuedAt: String
  public var startedAt: String?
  public var finishedAt: String?
  /// Seconds it ran, or runs.
  public var duration: Double?
  public var logSize: Int64
  public var args: [String]
  public var runConfig: [String: Value]
  public var resource: Value

  enum CodingKeys: String, CodingKey, CaseIterable {
    case id, name, state, reason, message, signal, attempt, retries, entity, project, queue, target, priority, job
    case author, agent, duration, args, resource
    case innerState = "inner_state"
    case exitCode = "exit_code"
    case stopRequested = "stop_requested"
    case createdAt = "created_at"
    case queuedAt = "queued_at"
    case startedAt = "started_at"
    case finishedAt = "finished_at"
    case logSize = "log_size"
    case runConfig = "run_config"
  }

  /// - Parameter served: whether an active agent polls the run's queue and covers the run's needs.
  public init(_ run: Run, served: Bool, now: Double) {
    id = run.id
    name = run.name
    state = VisibleState(run.state, reason: run.reason, served: served)
    innerState = run.state
    reason = run.reason
    message = run.message
    exitCode = run.exitCode
    signal = run.signal
    attempt = run.attempt
    retries = run.retries
    entity = run.entity
    project = run.project
    queue = run.queue.name
    target = run.spec.target
    priority = run.priority
    job = run.spec.job?.reference
    author = run.author
    agent = run.agent
    stopRequested = run.stopRequested
    createdAt = Timestamp.text(run.createdAt)
    queuedAt = Timestamp.text(run.queuedAt)
    startedAt = run.startedAt.map(Timestamp.text)
    finishedAt = run.finishedAt.map(Timestamp.text)
    duration = run.startedAt.map { max(0, (run.finishedAt ?? now) - $0) }
    logSize = run.logSize
    args = run.spec.overrides.args ?? []
    runConfig = run.spec.overrides.runConfig ?? [:]
    resource = run.spec.resource
  }

  /// Every field is always there, as null where there is nothing to say: people script against it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id, forKey: .id)
    try container.encode(name, forKey: .name)
    try container.encode(state, forKey: .state)
    try container.encode(innerState, forKey: .innerState)
    try container.encode(reason, forKey: .reason)
    try container.encode(message, forKey: .message)
    try container.encode(exitCode, forKey: .exitCode)
    try container.encode(signal, forKey: .signal)
    try container.encode(attempt, forKey: .attempt)
    try container.encode(retries, forKey: .retries)
    try container.encode(entity, forKey: .entity)
    try container.encode(project, forKey: .project)
    try container.encode(queue, forKey: .queue)
    try container.encode(target, forKey: .target)
    try container.encode(priority, forKey: .priority)
    try container.encode(job, forKey: .job)
    try container.encode(author, forKey: .author)
    try container.encode(agent, forKey: .agent)
    try container.encode(stopRequested, forKey: .stopRequested)
    try container.encode(createdAt, forKey: .createdAt)
    try container.encode(queuedAt, forKey: .queuedAt)
    try container.encode(startedAt, forKey: .startedAt)
    try container.encode(finishedAt, forKey: .finishedAt)
    try container.encode(duration, forKey: .duration)
    try container.encode(logSize, forKey: .logSize)
    try container.encode(args, forKey: .args)
    try container.encode(runConfig, forKey: .runConfig)
    try container.encode(resource, forKey: .resource)
  }
}

/// RFC 3339 in UTC with milliseconds.
public enum Timestamp {
  public static func text(_ seconds: Double) -> String {
    let bounded = seconds.isFinite ? min(max(seconds, -62_135_596_800), 253_402_300_799) : 0
    return Date(timeIntervalSince1970: bounded).formatted(
      Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }

  /// Seconds since 1970, or nil where `text` is no timestamp.
  public static func seconds(_ text: String) -> Double? {
    if let date = try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text) {
      return date.timeIntervalSince1970
    }
    return (try? Date.ISO8601FormatStyle().parse(text))?.timeIntervalSince1970
  }
}

/// A queue with its runs counted.
public struct QueueView: Sendable, Hashable, Codable {
  public var name: String
  public var entity: String
  public var target: String
  public var gate: QueueGate
  /// By the eight words, all of them.
  public var counts: [String: Int]
  /// Agents that poll it: active ones that cover it.
  public var agents: [String]
  /// Agents that poll it and do not cover it, each with why.
  public var refused: [String]
  public var variables: [String: VariableView]
  /// Where it is declared: `queues.d/gpu.lua:3:1`, or `api`.
  public var source: String
  /// The queue's own words, as its file says them.
  public var settings: Value

  public init(
    _ queue: Queue, gate: QueueGate, counts: [VisibleState: Int], agents: [String], refused: [String], settings: Value
  ) {
    name = queue.name
    entity = queue.entity
    target = queue.target
    self.gate = gate
    self.counts = Dictionary(uniqueKeysWithValues: VisibleState.allCases.map { ($0.rawValue, counts[$0] ?? 0) })
    self.agents = agents
    self.refused = refused
    variables = queue.variables.mapValues(VariableView.init)
    source = queue.place?.text ?? "api"
    self.settings = settings
  }
}

/// A variable of a queue, for forms and for `queue show`.
public struct VariableView: Sendable, Hashable, Codable {
  public var type: String
  public var required: Bool
  public var defaultValue: Value
  public var doc: String?

  enum CodingKeys: String, CodingKey {
    case type, required, doc
    case defaultValue = "default"
  }

  public init(_ schema: Schema) {
    type = schema.text
    required = schema.isRequired
    defaultValue = schema.defaultValue ?? .null
    doc = schema.doc
  }
}

public struct AgentView: Sendable, Hashable, Codable {
  public var id: String
  public var name: String
  public var entity: String
  public var host: String
  public var queues: [String]
  public var state: AgentState
  public var maxJobs: Int
  public var jobs: Int
  public var heartbeatAt: String
  /// Targets with a healthy driver.
  public var targets: [String]
  /// What it lacks, in words; empty where it covers all its queues.
  public var gaps: [String]

  enum CodingKeys: String, CodingKey {
    case id, name, entity, host, queues, state, jobs, targets, gaps
    case maxJobs = "max_jobs"
    case heartbeatAt = "heartbeat_at"
  }

  public init(_ agent: Agent, jobs: Int, gaps: [String], now: Double) {
    id = agent.id
    name = agent.name
    entity = agent.entity
    host = agent.host
    queues = agent.queues
    state = agent.state(jobs: jobs, now: now)
    maxJobs = agent.maxJobs
    self.jobs = jobs
    heartbeatAt = Timestamp.text(agent.heartbeatAt)
    targets = agent.offer.drivers.filter { $0.probe.health == .healthy }.map(\.target)
    self.gaps = gaps
  }
}

/// A page of a list; `next` continues it, nil at the end.
public struct PageView<Item: Sendable & Codable>: Sendable, Codable {
  public var items: [Item]
  public var next: String?

  public init(items: [Item], next: String?) {
    self.items = items
    self.next = next
  }
}

/// What a failed request answers: `{"error": {...}}`, with every problem of the request in `problems`.
public struct ErrorView: Sendable, Codable, Error {
  public struct Body: Sendable, Codable {
    /// `not_found`, `forbidden`, `invalid`, ...
    public var code: String
    public var message: String
    public var hint: String?
    public var problems: [Diagnostic]?
    /// Where an agent was refused.
    public var report: Coverage.Report?

    public init(
      code: String, message: String, hint: String? = nil, problems: [Diagnostic]? = nil,
      report: Coverage.Report? = nil
    ) {
      self.code = code
      self.message = message
      self.hint = hint
      self.problems = problems
      self.report = report
    }
  }
  public var error: Body
  /// Bytes that the server has, where a part of a log left a gap.
  public var size: Int64?

  public init(_ body: Body, size: Int64? = nil) {
    error = body
    self.size = size
  }
}
