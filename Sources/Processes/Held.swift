/// A program to be held: started so that it outlives the agent, and found again by its token.
public struct HeldSpec: Sendable, Hashable {
  /// Program and arguments. The program is looked up in the PATH of `environment`, or in `folder` where it has a slash.
  public var arguments: [String]
  /// The whole environment; nothing else is inherited. May carry secrets: it reaches no file and no command line.
  public var environment: [String: String]
  /// Working folder; nil means `/`.
  public var folder: String?
  /// Bytes of memory for the program and all it starts; refused where this machine cannot keep it.
  public var memory: Int64?
  /// Cores for the program and all it starts; refused where this machine cannot keep it.
  public var cpus: Double?
  /// Seconds between TERM and KILL where an order to stop names none.
  public var grace: Double
  /// Where set, the program is killed unless `renew` is called again and again: first within these seconds.
  public var lease: Double?

  public init(
    arguments: [String], environment: [String: String], folder: String? = nil, memory: Int64? = nil,
    cpus: Double? = nil, grace: Double = 10, lease: Double? = nil
  ) {
    self.arguments = arguments
    self.environment = environment
    self.folder = folder
    self.memory = memory
    self.cpus = cpus
    self.grace = grace
    self.lease = lease
  }
}

/// Where a held program stands.
public enum HeldStatus: Sendable, Hashable {
  /// Nothing was ever started with this token, or what was is removed.
  case absent
  case running(HeldStart)
  case ended(HeldEnding)
  /// It was started, and neither it nor a note of its end is there: somebody killed it together with the process that
  /// held it, or the machine was restarted.
  case vanished
  /// It was started, and its notes cannot be read now, as where this process has no file descriptor left. Where it stands
  /// nobody knows until they can be.
  case unreadable(ProcessFailure)

  public var isRunning: Bool { if case .running = self { true } else { false } }
  /// Nobody has said that it is over.
  public var mayRun: Bool {
    switch self {
    case .running, .unreadable: true
    case .absent, .ended, .vanished: false
    }
  }
}

public struct HeldStart: Sendable, Hashable {
  /// Process id of the program, also of its session and group.
  public var process: Int32
  /// Process id of what holds it.
  public var holder: Int32
  /// Seconds since 1970.
  public var at: Double
}

public struct HeldEnding: Sendable, Hashable {
  /// nil where a signal ended the program.
  public var exitCode: Int?
  public var signal: Int?
  /// The kernel killed the program, or a process that it started, because the memory limit was reached.
  public var outOfMemory: Bool
  /// It was asked to stop before it ended.
  public var wasStopped: Bool
  /// It was killed because its lease was not renewed in time.
  public var wasFenced: Bool
  /// Seconds since 1970.
  public var startedAt: Double
  public var endedAt: Double
  /// Seconds of processor time of the program and the children it waited for.
  public var cpuSeconds: Double
  /// Bytes of the largest resident set of any one process.
  public var memoryPeak: Int64
}

/// What a held program uses: it and every process it started.
public struct HeldUsage: Sendable, Hashable {
  /// Cores, over the time since the last sample (or its start).
  public var cpu: Double
  /// Bytes resident.
  public var memory: Int64
  public var processes: Int
}
