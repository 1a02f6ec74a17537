/// What a submitter changed for one run, beside the queue's resource.
public struct Overrides: Sendable, Hashable, Codable {
  /// Arguments after the entry point.
  public var args: [String]?
  /// The program's config, given to it as a JSON file and as environment variables.
  public var runConfig: [String: Value]?
  public var entryPoint: [String]?

  enum CodingKeys: String, CodingKey {
    case args
    case runConfig = "run_config"
    case entryPoint = "entry_point"
  }

  public init(args: [String]? = nil, runConfig: [String: Value]? = nil, entryPoint: [String]? = nil) {
    self.args = args
    self.runConfig = runConfig
    self.entryPoint = entryPoint
  }
}

/// All that an agent needs to carry a run out, fixed when the run was queued: a later edit of the queue changes nothing
/// for it.
public struct RunSpec: Sendable, Hashable, Codable {
  public var job: JobVersion?
  public var source: Source
  public var overrides: Overrides
  public var target: String
  /// The merged resource with all holes filled; macros are filled when it starts.
  public var resource: Value
  /// Needs beyond the queue's own.
  public var needs: [Need]
  /// Seconds an attempt may take; nil means no limit.
  public var timeout: Double?
  public var grace: Double
  /// Whether the queue's owner lets a lost attempt be started again, so that local work must end with its lease.
  public var retriesLost: Bool
  /// Generation of the configuration that it was resolved in.
  public var generation: Int

  enum CodingKeys: String, CodingKey {
    case job, source, overrides, target, resource, needs, timeout, grace
    case retriesLost = "retries_lost"
    case generation
  }

  public init(
    job: JobVersion?, source: Source, overrides: Overrides, target: String, resource: Value, needs: [Need],
    timeout: Double?, grace: Double, retriesLost: Bool, generation: Int
  ) {
    self.job = job
    self.source = source
    self.overrides = overrides
    self.target = target
    self.resource = resource
    self.needs = needs
    self.timeout = timeout
    self.grace = grace
    self.retriesLost = retriesLost
    self.generation = generation
  }

  /// Program and its first arguments: the override's, or the job's. Empty for an image's own.
  public var entryPoint: [String] { overrides.entryPoint ?? source.entryPoint }
  public var args: [String] { overrides.args ?? [] }
  public var command: [String] { entryPoint + args }

  /// The builder that its queue named; nil where any may build it, and where nothing is to be built.
  public var builder: String? {
    for need in needs {
      if case .builder(_, _, let name) = need.kind { return name }
    }
    return nil
  }
}

/// One execution of a job. Times are seconds since 1970.
public struct Run: Sendable, Hashable, Codable {
  public var id: String
  public var name: String
  public var entity: String
  public var project: String
  public var queue: QueueID
  public var spec: RunSpec
  public var priority: Priority
  /// Who submitted it; never the agent.
  public var author: String

  public var state: RunState
  public var reason: Reason?
  /// For people: what went wrong, or what it waits for.
  public var message: String?
  /// The program's exit code; 128 + n where signal n ended it.
  public var exitCode: Int?
  public var signal: Int?

  /// Counts leases of this run; 0 before the first.
  public var attempt: Int
  /// Fencing: grows with every lease in the whole store, so that of two writers the older is always known.
  public var epoch: Int64
  public var agent: String?
  /// When the lease ends unless renewed. Never nil while leased: a missing first heartbeat must lapse too.
  public var leaseUntil: Double?
  public var retries: Int
  public var retry: RetryPolicy
  /// Before this time it is not leased.
  public var notBefore: Double
  /// Someone asked for it to stop.
  public var stopRequested: Bool

  public var createdAt: Double
  public var queuedAt: Double
  public var startedAt: Double?
  public var finishedAt: Double?
  /// Bytes of its log that the server has.
  public var logSize: Int64

  public init(
    id: String, name: String, entity: String, project: String, queue: QueueID, spec: RunSpec,
    priority: Priority = .medium, author: String, state: RunState = .queued, retry: RetryPolicy = .never,
    createdAt: Double
  ) {
    self.id = id
    self.name = name
    self.entity = entity
    self.project = project
    self.queue = queue
    self.spec = spec
    self.priority = priority
    self.author = author
    self.state = state
    self.retry = retry
    self.createdAt = createdAt
    attempt = 0
    epoch = 0
    retries = 0
    notBefore = 0
    stopRequested = false
    queuedAt = createdAt
    logSize = 0
  }

  /// Names an attempt on the target; drivers label what they start with it.
  public var token: String { "\(id)-\(attempt)" }
}
