/// What runs print, attempt by attempt, kept by byte offset.
///
/// What `append` has taken survives the death of this process, however it dies. After a power cut, what was appended
/// since the last `sync` may be missing at the end: the agent then finds a smaller size and sends the rest again. No cut
/// leaves a log that cannot be continued.
public protocol RunLogs: Sendable {
  /// Appends bytes that begin at `offset` of an attempt's output. Bytes that are stored already are skipped, so that the
  /// same call twice is as once.
  /// - Throws: `gap` where bytes before `offset` are missing, with the size that is stored; `invalid`, `full`.
  func append(_ bytes: [UInt8], at offset: Int64, run: String, attempt: Int) async throws(StoreError) -> LogSize

  /// The state of a log; size 0 where nothing was appended yet.
  func size(run: String, attempt: Int) async throws(StoreError) -> LogSize

  /// At most `limit` bytes from `offset`; fewer at the end, none beyond it.
  func read(run: String, attempt: Int, from offset: Int64, limit: Int) async throws(StoreError) -> [UInt8]

  /// Puts on disk what was appended since the last time. To be called every few seconds and before closing.
  func sync() async throws(StoreError)

  /// Removes the logs of runs that are gone. Crash and call again as often as you like: what is left is found by the next.
  /// - Parameter known: those of the ids it is given that there are runs of. It is asked anew for every few logs, after
  ///   they were listed, so that the log of a run made meanwhile is kept.
  func removeOrphans(
    _ known: @escaping @Sendable ([String]) async throws(StoreError) -> Set<String>
  ) async throws(StoreError) -> Removal
}

/// What was removed of files.
public struct Removal: Sendable, Hashable {
  public var count: Int
  public var bytes: Int64

  public init(count: Int = 0, bytes: Int64 = 0) {
    self.count = count
    self.bytes = bytes
  }

  static func += (sum: inout Removal, more: Removal) {
    sum.count += more.count
    sum.bytes += more.bytes
  }
}

public struct LogSize: Sendable, Hashable {
  /// Bytes that can be read, with the marker at the end where it is truncated.
  public var stored: Int64
  /// The offset that the agent sends next.
  public var next: Int64
  /// The limit was reached: more output is taken and dropped.
  public var isTruncated: Bool

  public init(stored: Int64, next: Int64, isTruncated: Bool) {
    self.stored = stored
    self.next = next
    self.isTruncated = isTruncated
  }
}

public enum LogLimits {
  /// Bytes of one attempt's log at most: days of ordinary output; a program that prints in a loop does not fill the disk.
  public static let attemptBytesMax: Int64 = 256 << 20
  /// Bytes that one read gives at most.
  public static let readBytesMax = 4 << 20
}
