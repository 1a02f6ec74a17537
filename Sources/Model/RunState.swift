/// Where a run stands, as the engine keeps it. People see `VisibleState`.
///
/// queued -> leased -> building -> starting -> running -> succeeded | failed | stopped | lost.
/// `lost` is not `failed`: contact with the work is gone, and it may still be alive. A lost run is settled for people,
/// yet its own attempt may still report (an agent that comes back finds its work again), as long as no newer attempt
/// was leased.
public enum RunState: String, Sendable, Hashable, Codable, CaseIterable {
  case queued, leased, building, starting, running, succeeded, failed, stopped, lost
}

extension RunState {
  /// Every legal change of state; all code changes a state through `advance`.
  ///
  /// - `leased`, `building` -> `queued`: the lease lapsed before anything was started, or the agent gave it back.
  /// - `starting`, `running` -> `queued`: only by retry, after the attempt ended; a lapse leads to `lost` instead.
  /// - `failed`, `stopped`, `lost` -> `queued`: a retry, by policy or by a person.
  /// - `lost` -> the states of live work: heard from again.
  public static let legal: [RunState: Set<RunState>] = [
    .queued: [.leased, .stopped, .failed],
    .leased: [.building, .starting, .queued, .failed, .stopped],
    .building: [.starting, .queued, .failed, .stopped],
    .starting: [.running, .queued, .succeeded, .failed, .stopped, .lost],
    .running: [.queued, .succeeded, .failed, .stopped, .lost],
    .lost: [.running, .queued, .succeeded, .failed, .stopped],
    .failed: [.queued],
    .stopped: [.queued],
    .succeeded: [],
  ]

  public func canBecome(_ next: RunState) -> Bool { RunState.legal[self]?.contains(next) ?? false }

  /// An agent holds a lease on the run.
  public var isLeased: Bool {
    switch self {
    case .leased, .building, .starting, .running: true
    default: false
    }
  }

  /// Nothing more is expected of the run unless somebody retries it (or, when lost, it is heard from again).
  public var isSettled: Bool {
    switch self {
    case .succeeded, .failed, .stopped, .lost: true
    default: false
    }
  }

  /// Where a run goes when its lease lapses. Before `starting` nothing can have been started, so it is queued again;
  /// from `starting` on the work may be alive, and only its owner's retry policy may start it twice.
  public var afterLapse: RunState? {
    switch self {
    case .leased, .building: .queued
    case .starting, .running: .lost
    default: nil
    }
  }
}

/// Why an attempt ended as it did; a closed set, so that retry policies and people can rely on it.
public enum Reason: String, Sendable, Hashable, Codable, CaseIterable {
  /// The program ended by itself; its exit code says how.
  case exit
  /// The program was ended by a signal that nobody here sent.
  case signal
  /// The kernel or the target killed the program for want of memory.
  case outOfMemory = "out_of_memory"
  /// The build failed.
  case build
  /// The target could not start the program.
  case start
  /// The run outlived its time limit.
  case timeout
  /// It waited in the queue longer than the queue allows.
  case queueTimeout = "queue_timeout"
  /// The target took the resources away.
  case preempted
  /// Contact was lost: the agent's lease lapsed, or the target no longer knows the work.
  case lost
  /// A person stopped it.
  case stopped
}

/// The eight words people see.
public enum VisibleState: String, Sendable, Hashable, Codable, CaseIterable {
  case idle = "Idle"
  case queued = "Queued"
  case pending = "Pending"
  case running = "Running"
  case killed = "Killed"
  case crashed = "Crashed"
  case failed = "Failed"
  case finished = "Finished"

  /// What people see of a run.
  /// - Parameter served: whether an active agent polls the run's queue and covers the run's needs.
  public init(_ state: RunState, reason: Reason?, served: Bool) {
    switch state {
    case .queued: self = served ? .queued : .idle
    case .leased, .building, .starting: self = .pending
    case .running: self = .running
    case .succeeded: self = .finished
    case .stopped: self = .killed
    case .lost: self = .crashed
    case .failed:
      switch reason {
      // The program never said how it ended: it was cut off, which is a crash and not an exit code.
      case .signal, .outOfMemory, .preempted, .lost: self = .crashed
      default: self = .failed
      }
    }
  }
}
