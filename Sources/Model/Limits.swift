/// Bounds that hold everywhere, each with its unit and reason. Bounds of one subsystem live beside it.
public enum Limits {
  /// Levels of nesting in a document; real Kubernetes manifests stay under 20.
  public static let documentDepth = 64
  /// Levels of nesting in a message. Pages, leases, journals and stored runs wrap documents in fewer than the 16 levels
  /// between this and `documentDepth`; were the bounds one, whoever may submit a run could write one that nobody can read
  /// again.
  public static let messageDepth = 80
  /// Characters in a name of a queue, job, project, entity or agent; fits a DNS label and a file name with a suffix.
  public static let nameLength = 128
  /// Times a run may be tried again at most; beyond this a loop of failures is a mistake, not a policy.
  public static let retriesMax = 100
  /// Seconds of the longest duration a config may state: ten years.
  public static let durationSecondsMax: Int64 = 315_360_000
  /// Seconds a lease holds without renewal. With a heartbeat every third of it, an agent's death is noticed
  /// and its run leased again in under 45 s.
  public static let leaseSeconds: Double = 30
  /// Seconds before the end of its lease at which an agent that could not renew stops its local work, so that
  /// old and new holder never overlap.
  public static let leaseMarginSeconds: Double = 5
  /// Runs one request may enqueue.
  public static let bulkRunsMax = 10_000
  /// Runs one lease request may be given.
  public static let leaseBatchMax = 1_000
  /// Bytes of a run's config, overrides or resource arguments as JSON.
  public static let documentBytes = 1 << 20
  /// Arguments of a program and bytes of each; well under what execve takes.
  public static let argumentsMax = 4_096
}
