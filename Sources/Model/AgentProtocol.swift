/// What agents and the server say to each other, as JSON over HTTP. The server answers; an agent never listens.
///
/// ```
/// A: POST /api/v1/agents                     AgentHello      -> AgentWelcome, or 422 with a coverage report
/// A: POST /api/v1/agents/{id}/lease          LeaseRequest    -> LeaseAnswer, held back up to `wait` seconds
/// A: POST /api/v1/agents/{id}/report         AgentReport     -> AgentReceipt
/// A: PUT  /api/v1/runs/{id}/log?offset=N&attempt=A&epoch=E   bytes -> {"size": M}
/// ```
/// Every write about a run carries its attempt and epoch; the server refuses stale ones, and the agent then stops what
/// it still has of that attempt.
public enum AgentProtocol {
  /// Version of this protocol; an agent of another version is refused with a sentence.
  public static let version = 1
  /// Seconds between heartbeats: a third of a lease, so that two may be lost.
  public static let heartbeatSeconds = Limits.leaseSeconds / 3
  /// Seconds a lease request may be held back at most; under the idle time-outs of proxies.
  public static let waitSecondsMax: Double = 50
  /// Characters of a message at most: what a target says in its own words is cut to so many before it is sent.
  public static let messageMax = 10_000

  /// A message as long as it may be.
  public static func message(_ text: String) -> String {
    // As many bytes as characters at most: nothing has to be counted.
    if text.utf8.count <= messageMax { return text }
    let scalars = text.unicodeScalars
    guard scalars.count > messageMax else { return text }
    return String(String.UnicodeScalarView(scalars.prefix(messageMax - 3))) + "..."
  }
}

/// An agent introduces itself. The same `name` and `entity` again is the same agent come back.
public struct AgentHello: Sendable, Hashable, Codable {
  public var name: String
  public var entity: String?
  public var host: String
  public var queues: [String]
  public var maxJobs: Int
  public var offer: Offer
  /// Poll the queues that are covered, instead of being refused when one is not.
  public var allowPartial: Bool
  public var protocolVersion: Int
  /// Attempts that the agent still holds from before its restart, for the server to renew.
  public var holding: [Holding]

  enum CodingKeys: String, CodingKey {
    case name, entity, host, queues, offer, holding
    case maxJobs = "max_jobs"
    case allowPartial = "allow_partial"
    case protocolVersion = "protocol"
  }

  public init(
    name: String, entity: String? = nil, host: String, queues: [String], maxJobs: Int, offer: Offer,
    allowPartial: Bool = false, holding: [Holding] = []
  ) {
    self.name = name
    self.entity = entity
    self.host = host
    self.queues = queues
    self.maxJobs = maxJobs
    self.offer = offer
    self.allowPartial = allowPartial
    protocolVersion = AgentProtocol.version
    self.holding = holding
  }
}

/// One attempt that an agent holds.
public struct Holding: Sendable, Hashable, Codable {
  public var run: String
  public var attempt: Int
  public var epoch: Int64

  public init(run: String, attempt: Int, epoch: Int64) {
    self.run = run
    self.attempt = attempt
    self.epoch = epoch
  }
}

public struct AgentWelcome: Sendable, Hashable, Codable {
  public var id: String
  /// Queues that it may be given runs of now.
  public var queues: [String]
  public var heartbeatSeconds: Double
  public var leaseSeconds: Double
  /// Gaps of queues that were let go because of `allow_partial`.
  public var report: Coverage.Report

  enum CodingKeys: String, CodingKey {
    case id, queues, report
    case heartbeatSeconds = "heartbeat_seconds"
    case leaseSeconds = "lease_seconds"
  }

  public init(id: String, queues: [String], report: Coverage.Report) {
    self.id = id
    self.queues = queues
    self.report = report
    heartbeatSeconds = AgentProtocol.heartbeatSeconds
    leaseSeconds = Limits.leaseSeconds
  }
}

/// Asks for work, and for orders. It is answered at once when there is either, or when `orders` changed.
public struct LeaseRequest: Sendable, Hashable, Codable {
  /// Runs that the agent has room for; 0 asks for orders only.
  public var room: Int
  /// Seconds the server may hold the request back.
  public var wait: Double
  /// The newest order number that the agent has seen.
  public var seen: Int64

  public init(room: Int, wait: Double, seen: Int64) {
    self.room = room
    self.wait = wait
    self.seen = seen
  }
}

public struct LeaseAnswer: Sendable, Hashable, Codable {
  public var leases: [Lease]
  /// Live attempts of this agent that people want stopped.
  public var stops: [Holding]
  /// The agent should take no more and leave when it is idle.
  public var drain: Bool
  /// To be sent as `seen` next time.
  public var seen: Int64
  /// Queues that stopped (or started again) being handed to this agent, in words; empty where all is well.
  public var notes: [String]

  public init(leases: [Lease], stops: [Holding], drain: Bool, seen: Int64, notes: [String] = []) {
    self.leases = leases
    self.stops = stops
    self.drain = drain
    self.seen = seen
    self.notes = notes
  }
}

/// One run handed to an agent.
public struct Lease: Sendable, Hashable, Codable {
  public var run: String
  public var name: String
  public var entity: String
  public var project: String
  public var queue: String
  public var author: String
  public var attempt: Int
  public var epoch: Int64
  /// Seconds from now for which the lease holds.
  public var seconds: Double
  public var spec: RunSpec

  public init(_ run: Run, now: Double) {
    self.run = run.id
    name = run.name
    entity = run.entity
    project = run.project
    queue = run.queue.name
    author = run.author
    attempt = run.attempt
    epoch = run.epoch
    seconds = max(0, (run.leaseUntil ?? now) - now)
    spec = run.spec
  }

  public var holding: Holding { Holding(run: run, attempt: attempt, epoch: epoch) }
  /// Names the attempt on the target.
  public var token: String { "\(run)-\(attempt)" }
}

/// News of an agent: a heartbeat, and what became of its runs. Sent again until acknowledged; the server takes the
/// same news twice as once.
public struct AgentReport: Sendable, Hashable, Codable {
  /// Everything the agent holds: the server renews these leases.
  public var holding: [Holding]
  /// In the order in which they happened.
  public var updates: [RunUpdate]
  public var samples: [Sample]
  /// A fresh offer, where a probe changed.
  public var offer: Offer?
  /// How many runs it is working on, and whether it is leaving.
  public var draining: Bool

  public init(
    holding: [Holding], updates: [RunUpdate] = [], samples: [Sample] = [], offer: Offer? = nil, draining: Bool = false
  ) {
    self.holding = holding
    self.updates = updates
    self.samples = samples
    self.offer = offer
    self.draining = draining
  }
}

/// One step of one attempt.
public struct RunUpdate: Sendable, Hashable, Codable {
  public var holding: Holding
  /// `building`, `starting`, `running`; nil where `ending` says how it ended, or to give the lease back unstarted.
  public var state: RunState?
  public var ending: Ending?
  /// What it waits for, for people.
  public var message: String?
  /// When it happened on the agent; the server bounds it by its own clock.
  public var at: Double

  public init(_ holding: Holding, state: RunState? = nil, ending: Ending? = nil, message: String? = nil, at: Double) {
    self.holding = holding
    self.state = state
    self.ending = ending
    self.message = message
    self.at = at
  }
}

public struct AgentReceipt: Sendable, Hashable, Codable {
  /// For each update, in order: nil where it was taken, else why it was refused. A refused update is not sent again.
  public var refusals: [RunRefusal?]
  /// Attempts among `holding` that are no longer this agent's: their local work must end.
  public var gone: [Holding]

  public init(refusals: [RunRefusal?], gone: [Holding]) {
    self.refusals = refusals
    self.gone = gone
  }
}

/// What a run used at one moment.
public struct Sample: Sendable, Hashable, Codable {
  public var run: String
  /// Seconds since 1970.
  public var at: Double
  /// Cores in use: 1.5 is one and a half.
  public var cpu: Double?
  /// Bytes resident.
  public var memory: Int64?
  /// 0 to 1 over the run's GPUs.
  public var gpu: Double?
  /// Bytes of GPU memory.
  public var gpuMemory: Int64?

  enum CodingKeys: String, CodingKey {
    case run, at, cpu, memory, gpu
    case gpuMemory = "gpu_memory"
  }

  /// What may be said of each; the rest is a mistake of who measured.
  public static let cpuRange = 0...1e6
  public static let gpuRange = 0.0...1.0
  /// Every number of bytes that JSON can say.
  public static let bytesRange: ClosedRange<Int64> = 0...(1 << 53)

  /// Only what can be true: a plugin may measure wrongly, and the report of everything else must not be refused for it.
  public var plausible: Sample {
    Sample(
      run: run, at: at, cpu: cpu.flatMap { Sample.cpuRange.contains($0) ? $0 : nil },
      memory: memory.flatMap { Sample.bytesRange.contains($0) ? $0 : nil },
      gpu: gpu.flatMap { Sample.gpuRange.contains($0) ? $0 : nil },
      gpuMemory: gpuMemory.flatMap { Sample.bytesRange.contains($0) ? $0 : nil })
  }

  public init(
    run: String, at: Double, cpu: Double? = nil, memory: Int64? = nil, gpu: Double? = nil, gpuMemory: Int64? = nil
  ) {
    self.run = run
    self.at = at
    self.cpu = cpu
    self.memory = memory
    self.gpu = gpu
    self.gpuMemory = gpuMemory
  }
}
