/// How often, and after what time, something is tried again that lost contact with the server.
public struct Retries: Sendable {
  /// Failures in a row that are borne: with the delays below, a server may be away for half a minute.
  private static let most = 10
  private static let firstDelay = Duration.milliseconds(100)
  private static let longestDelay = Duration.seconds(5)

  private var failures = 0

  public init() {}

  /// To be called once contact was made.
  public mutating func reset() { failures = 0 }

  /// Waits a moment before a stream that the server ended in order is opened again: one that ends each at once must not
  /// be asked without end.
  public func pause() async throws { try await Task.sleep(for: Self.firstDelay) }

  /// Waits before the next try; throws `error` where another try is of no use.
  public mutating func wait(after error: APIError) async throws {
    try Task.checkCancellation()
    guard error.isTransient, failures < Self.most else { throw error }
    var delay = Self.firstDelay
    for _ in 0..<failures { delay = min(delay * 2, Self.longestDelay) }
    failures += 1
    try await Task.sleep(for: delay)
  }
}
