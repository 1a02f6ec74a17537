import Model

/// Runs: queue them, hand them out, follow them, look at them.
public protocol RunStore: Sendable {
  /// Queues runs, in order, all or none.
  ///
  /// A run whose `id` is empty is given one, and one whose `name` is empty is given one, by `identity`. A submit key
  /// that its author used before gives the run made then, as it is now, and queues nothing.
  /// - Throws: `closed` where a queue is draining, `exists` where a run's own `id` is taken.
  func enqueue(_ runs: [NewRun], identity: RunIdentity, now: Double) async throws(StoreError) -> [Enqueued]

  /// Hands waiting runs to an agent: at most `room`, in turns over `queues`, within a queue by priority (where the queue
  /// has priorities) and then first in first out. A run that the agent does not cover holds up none behind it.
  ///
  /// Nothing comes from a paused queue, nor above a queue's concurrency, nor before a run's `notBefore`; nothing goes to
  /// an agent that drains or was refused.
  /// - Throws: `notFound` where the agent is not registered.
  func lease(to agent: String, from queues: [LeaseQueue], room: Int, now: Double) async throws(StoreError) -> [Run]

  /// Takes an agent's news: renews what it holds, applies its updates in order, keeps its samples and its offer.
  /// The same report again changes nothing but the lease.
  /// - Throws: `notFound` where the agent is not registered.
  func report(_ report: AgentReport, from agent: String, now: Double) async throws(StoreError) -> AgentReceipt

  /// Ends the leases that ran out and the waits that grew too long, and readies delayed retries; at most `StoreLimits.lapseBatchMax`
  /// runs at once. Calling it late or twice does no harm.
  func lapse(now: Double) async throws(StoreError) -> Lapse

  /// Lets no lease end before `time`: a server that was away could not be asked to renew any, so it gives every agent the
  /// time to be heard from before it takes a run for lost.
  func extendLeases(to time: Double) async throws(StoreError)

  /// Asks for a run to stop; `person` is who asked. Stopping what has ended changes nothing.
  func requestStop(run id: String, by person: String, now: Double) async throws(StoreError) -> Run

  /// Queues an ended run again.
  /// - Throws: `refused` where it has not ended, or ended well.
  func retry(run id: String, by person: String, now: Double) async throws(StoreError) -> Run

  /// Notes that the server has `size` bytes of an attempt's log. A smaller size than before changes nothing.
  /// - Throws: `refused` where the holding is not the run's newest attempt.
  func logGrew(_ holding: Holding, size: Int64) async throws(StoreError)

  func run(_ id: String) async throws(StoreError) -> Run?

  /// Those of `ids` that there are runs of.
  func known(runs ids: [String]) async throws(StoreError) -> Set<String>

  /// Runs that fit `filter`, newest first.
  func runs(_ filter: RunFilter, after cursor: Cursor?, limit: Int) async throws(StoreError) -> Page<Run>

  /// Live runs of an agent, oldest first.
  func runs(heldBy agent: String) async throws(StoreError) -> [Run]

  /// Runs that ended badly (failed or lost) at or after `since`, newest first.
  func errors(_ filter: RunFilter, since: Double, limit: Int) async throws(StoreError) -> [Run]

  /// How many runs there are, by what decides which word people see for them.
  /// - Parameter queue: nil for all queues.
  func counts(queue: QueueID?) async throws(StoreError) -> [RunCount]

  /// Where a waiting run stands; nil where it does not wait.
  /// - Parameter priorities: whether its queue has priorities.
  func position(of run: String, priorities: Bool) async throws(StoreError) -> QueuePosition?

  /// What became of a run, oldest first.
  func events(of run: String) async throws(StoreError) -> [RunEvent]

  /// Events of all runs in the order of their commits, after the one numbered `number`.
  func events(after number: Int64, limit: Int) async throws(StoreError) -> [RunEvent]

  /// A run's use of resources over its life, oldest first, in at most `points` samples: means of CPU and GPU, highest of
  /// memory.
  func usage(of run: String, points: Int) async throws(StoreError) -> [Sample]
}

/// A run to be queued.
public struct NewRun: Sendable {
  /// Its `id` and `name` may be empty.
  public var run: Run
  /// The same key of the same author is the same run.
  public var submitKey: String?
  /// Seconds that it may wait, each time it waits; nil for ever.
  public var queueTimeout: Double?

  public init(_ run: Run, submitKey: String? = nil, queueTimeout: Double? = nil) {
    self.run = run
    self.submitKey = submitKey
    self.queueTimeout = queueTimeout
  }
}

/// Makes ids and names. Both may be called more often than there are runs, for an id may be taken.
public struct RunIdentity: Sendable {
  public var id: @Sendable () -> String
  /// Given the number of the run within its project, which counts from 1.
  public var name: @Sendable (Int64) -> String

  public init(id: @escaping @Sendable () -> String, name: @escaping @Sendable (Int64) -> String) {
    self.id = id
    self.name = name
  }

  /// From the system's random numbers.
  public static let random = RunIdentity(
    id: {
      var random = OneDraw()
      return Name.runID(using: &random)
    },
    name: { number in
      var random = OneDraw()
      return Name.runName(number: number, using: &random)
    })

  /// SplitMix64 from one random seed: the system is asked once for an id and not for each of its letters.
  private struct OneDraw: RandomNumberGenerator {
    private var state = UInt64.random(in: 0...UInt64.max)

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }
}

public struct Enqueued: Sendable, Hashable {
  public var run: Run
  /// False where the submit key had made it before.
  public var created: Bool

  public init(run: Run, created: Bool) {
    self.run = run
    self.created = created
  }
}

/// A queue that an agent asks for work of, with what the configuration says of it.
public struct LeaseQueue: Sendable {
  public var id: QueueID
  /// Live attempts at most; nil means no limit.
  public var concurrency: Int?
  /// Without them all runs are equal.
  public var priorities: Bool
  /// Whether the agent can run what has these needs, beyond those of the queue itself. Asked once for each distinct set,
  /// while the store works for others too: it must be quick, and must not call the store.
  public var covers: @Sendable ([Need]) -> Bool

  public init(
    _ id: QueueID, concurrency: Int? = nil, priorities: Bool = false, covers: @escaping @Sendable ([Need]) -> Bool
  ) {
    self.id = id
    self.concurrency = concurrency
    self.priorities = priorities
    self.covers = covers
  }
}

/// What `lapse` did.
public struct Lapse: Sendable, Hashable {
  public var changes: [RunChange]
  /// When it has something to do next: a lease, a wait or a delayed retry ends. Not later than `now` where it left
  /// something for the next call.
  public var next: Double?

  public init(changes: [RunChange], next: Double?) {
    self.changes = changes
    self.next = next
  }
}

/// Nil means: any.
public struct RunFilter: Sendable, Hashable {
  public var entity: String?
  public var project: String?
  public var queue: QueueID?
  /// Empty means any.
  public var states: Set<RunState>
  public var author: String?
  /// A job's name, in any of its versions.
  public var job: String?

  public init(
    entity: String? = nil, project: String? = nil, queue: QueueID? = nil, states: Set<RunState> = [],
    author: String? = nil, job: String? = nil
  ) {
    self.entity = entity
    self.project = project
    self.queue = queue
    self.states = states
    self.author = author
    self.job = job
  }
}

/// How many runs of a queue stand alike.
public struct RunCount: Sendable, Hashable {
  public var queue: QueueID
  public var state: RunState
  /// Of runs that failed; nil for others.
  public var reason: Reason?
  /// Of runs that wait: their needs beyond their queue's. Empty for others.
  public var needs: [Need]
  public var count: Int

  public init(queue: QueueID, state: RunState, reason: Reason?, needs: [Need], count: Int) {
    self.queue = queue
    self.state = state
    self.reason = reason
    self.needs = needs
    self.count = count
  }
}

public struct QueuePosition: Sendable, Hashable {
  /// Runs that come before it.
  public var ahead: Int
  /// Runs that wait in the queue, itself included.
  public var waiting: Int
  /// When a delayed retry is ready; nil where it is ready now.
  public var notBefore: Double?
  /// When it is given up; nil where it may wait for ever.
  public var deadline: Double?

  public init(ahead: Int, waiting: Int, notBefore: Double?, deadline: Double?) {
    self.ahead = ahead
    self.waiting = waiting
    self.notBefore = notBefore
    self.deadline = deadline
  }
}

/// One step in a run's life; never changed once written.
public struct RunEvent: Sendable, Hashable {
  /// Grows with every event in the store.
  public var number: Int64
  public var run: String
  public var attempt: Int
  public var at: Double
  /// Nil for the first event of a run.
  public var from: RunState?
  public var to: RunState
  public var reason: Reason?
  public var exitCode: Int?
  public var agent: String?
  public var message: String?

  public init(
    number: Int64, run: String, attempt: Int, at: Double, from: RunState?, to: RunState, reason: Reason?,
    exitCode: Int?, agent: String?, message: String?
  ) {
    self.number = number
    self.run = run
    self.attempt = attempt
    self.at = at
    self.from = from
    self.to = to
    self.reason = reason
    self.exitCode = exitCode
    self.agent = agent
    self.message = message
  }
}
