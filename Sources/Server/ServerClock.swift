import FoundationEssentials

/// Time, passed in: seconds since 1970, and a sleep that ends early only by cancellation.
public struct ServerClock: Sendable {
  public var now: @Sendable () -> Double
  /// Sleeps until that time. - Throws: `CancellationError`.
  public var sleep: @Sendable (_ until: Double) async throws -> Void

  public init(
    now: @escaping @Sendable () -> Double, sleep: @escaping @Sendable (_ until: Double) async throws -> Void
  ) {
    self.now = now
    self.sleep = sleep
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
    })
}
