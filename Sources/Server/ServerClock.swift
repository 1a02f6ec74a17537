import FoundationEssentials
import Glibc

/// Time, passed in: seconds since 1970, and a sleep that ends early only by cancellation.
public struct ServerClock: Sendable {
  public var now: @Sendable () -> Double
  /// Sleeps until that time. - Throws: `CancellationError`.
  public var sleep: @Sendable (_ until: Double) async throws -> Void
  /// Seconds for which the machine was awake: of a clock that nobody sets, and that stands still while it sleeps.
  public var awake: @Sendable () -> Double

  /// - Parameter awake: the same as `now` where left out, as if nobody ever set the one or stopped the other.
  public init(
    now: @escaping @Sendable () -> Double, sleep: @escaping @Sendable (_ until: Double) async throws -> Void,
    awake: (@Sendable () -> Double)? = nil
  ) {
    self.now = now
    self.sleep = sleep
    self.awake = awake ?? now
  }

  /// Seconds slept at once at most: the wall clock may be set, and a sleep does not see that.
  private static let longestSleep: Double = 60

  public static let system = ServerClock(
    now: { Date().timeIntervalSince1970 },
    sleep: { until in
      while true {
        let left = until - Date().timeIntervalSince1970
        guard left > 0 else { return try Task.checkCancellation() }
        try await Task.sleep(for: .seconds(min(left, longestSleep)))
      }
    },
    awake: {
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    })
}
