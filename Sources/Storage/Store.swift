/// Everything the server keeps, as whole operations. Each one happens wholly or not at all, and is durable when it
/// returns. Nothing above this protocol knows what is beneath it.
///
/// Times are seconds since 1970 and always passed in. The rules of a run's life are those of `Run`: a store applies
/// them to what it holds, and has none of its own.
///
/// One exception to "durable when it returns": nothing is promised about the time of an API key's last use.
public protocol Store: RunStore, JobStore, AgentStore, QueueStore, AccountStore, StoreUpkeep {
  /// Every committed change from now on, in the order of their commits; what is committed together comes together.
  ///
  /// Each subscriber has its own bounded buffer. One that does not keep up finds `Change.overflow` in place of what it
  /// missed, and reads again what it needs. The stream ends when the store is closed.
  func changes() -> AsyncStream<[Change]>
}

/// A page of a longer list.
public struct Page<Item: Sendable>: Sendable {
  public var items: [Item]
  /// Asks for what comes after these; nil where there is nothing more.
  public var next: Cursor?

  public init(items: [Item], next: Cursor?) {
    self.items = items
    self.next = next
  }
}

/// Where a page ends. Opaque: only the store that gave it out can read it.
public struct Cursor: Sendable, Hashable {
  public var text: String
  public init(_ text: String) { self.text = text }
}

/// Bounds of stores, whatever they are made of.
public enum StoreLimits {
  /// Items in one page at most; a page of runs carries their specs.
  public static let pageItemsMax = 1_000
  /// Points of one plot of a run's use of resources: more than a screen has.
  public static let usagePointsMax = 10_000
  /// Operations that may wait for the writer; beyond this the caller is told to come back, for a queue that long has
  /// outlived its callers' patience.
  public static let waitingMax = 100_000
  /// Changes that one subscriber may leave unread.
  public static let unreadChangesMax = 65_536
  /// Tries to find a run id that is not taken. With 36^8 ids, two collisions in a row mean a broken generator.
  public static let identityTriesMax = 16
  /// Seconds for which the last use of an API key is not written again: it is read by people, and written for every
  /// request otherwise.
  public static let keyUseSeconds: Double = 60
  /// Runs that one call of `lapse` changes at most, so that a dead fleet does not hold every other writer up.
  public static let lapseBatchMax = 1_000
  /// Bytes of specs after which one lease hands out no more runs: an answer larger than its reader takes would be lost,
  /// its leases with it, again and again.
  public static let leaseBytesMax = 16 << 20
  /// Rows that one call of `prune` deletes, or little more: some milliseconds of the one writer.
  public static let pruneRowsMax = 2_000
  /// Samples one report may carry; more are dropped, oldest first.
  public static let reportSamplesMax = 10_000
}
