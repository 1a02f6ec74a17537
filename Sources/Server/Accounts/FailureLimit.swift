import Synchronization

/// Counts failed logins by address, and says when one has had enough. Keys are too long to be guessed: this keeps a
/// misconfigured client from filling logs and asking the store for ever. A right key is never refused.
final class FailureLimit: Sendable {
  /// Failures an address may have at once.
  static let burst: Double = 200
  /// Failures a second after that.
  static let rate: Double = 2
  /// Addresses remembered; beyond this those that have recovered are forgotten, then all.
  static let addressesMax = 10_000

  private struct Bucket {
    var left: Double
    var at: Double
  }

  private let buckets = Mutex<[String: Bucket]>([:])

  /// Notes a failure. - Returns: seconds after which it may try again; nil where it may at once.
  func failed(_ address: String, now: Double) -> Double? {
    buckets.withLock { buckets in
      if buckets.count >= Self.addressesMax, buckets[address] == nil {
        buckets = buckets.filter { $0.value.left + (now - $0.value.at) * Self.rate < Self.burst }
        if buckets.count >= Self.addressesMax { buckets = [:] }
      }
      var bucket = buckets[address] ?? Bucket(left: Self.burst, at: now)
      bucket.left = min(Self.burst, bucket.left + max(0, now - bucket.at) * Self.rate) - 1
      bucket.at = now
      let wait = bucket.left < 0 ? -bucket.left / Self.rate : nil
      // A flood does not lengthen its own penalty.
      bucket.left = max(bucket.left, -Self.burst)
      buckets[address] = bucket
      return wait
    }
  }
}
