/// What a queue's owner allows to be run again.
public struct RetryPolicy: Sendable, Hashable, Codable {
  /// Attempts after the first; 0 means never.
  public var max: Int
  /// Endings after which to try again.
  public var on: Set<Cause>
  /// Seconds before the first retry; doubled each time, up to `delayMax`.
  public var delay: Double
  public var delayMax: Double

  /// Endings that a policy may name.
  public enum Cause: String, Sendable, Hashable, Codable, CaseIterable {
    case failed, lost, preempted, timeout, build, start
    case outOfMemory = "out_of_memory"

    /// The cause that an ending counts as; nil for endings that are never retried (success, a person's stop).
    public init?(state: RunState, reason: Reason?) {
      switch (state, reason) {
      case (.lost, _), (.failed, .lost?): self = .lost
      case (.failed, .preempted?): self = .preempted
      case (.failed, .timeout?): self = .timeout
      case (.failed, .build?): self = .build
      case (.failed, .start?): self = .start
      case (.failed, .outOfMemory?): self = .outOfMemory
      case (.failed, .queueTimeout?): return nil
      case (.failed, _): self = .failed
      default: return nil
      }
    }
  }

  public init(max: Int = 0, on: Set<Cause> = [], delay: Double = 0, delayMax: Double = 300) {
    self.max = max
    self.on = on
    self.delay = delay
    self.delayMax = delayMax
  }

  public static let never = RetryPolicy()

  /// Seconds to wait before the next attempt, or nil where the run stays as it ended.
  /// - Parameter retries: retries this run has had so far.
  public func delay(after state: RunState, reason: Reason?, retries: Int) -> Double? {
    guard retries < max, let cause = Cause(state: state, reason: reason), on.contains(cause) else { return nil }
    var seconds = delay
    for _ in 0..<min(retries, 30) { seconds *= 2 }
    return min(seconds, delayMax)
  }
}

/// Order within a queue: all of a higher priority first, first in first out within one.
public enum Priority: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
  case critical, high, medium, low

  /// 0 is the most urgent.
  public var rank: Int {
    switch self {
    case .critical: 0
    case .high: 1
    case .medium: 2
    case .low: 3
    }
  }

  /// From most to least urgent.
  public static func < (a: Priority, b: Priority) -> Bool { a.rank < b.rank }
}
