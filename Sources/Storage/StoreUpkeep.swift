import Model

/// Looking after a store.
public protocol StoreUpkeep: Sendable {
  func metrics() async throws(StoreError) -> StoreMetrics

  /// Deletes runs that ended before `time`, those that ended first before the others, with all that the store has of
  /// them: their events, samples and submit keys. One call deletes a bounded number of rows, so that it holds nobody
  /// up; a run is there until all of it is deleted.
  ///
  /// Jobs, names and numbers stay: what a project counts its runs by never goes back.
  func prune(endedBefore time: Double) async throws(StoreError) -> Pruned

  /// What contradicts itself, one sentence each; empty where all is well. Reads everything: minutes for a large store.
  func check() async throws(StoreError) -> [String]

  /// Writes a whole and consistent copy, while work goes on.
  /// - Throws: `exists` where there is a file at `path` already.
  func backUp(to path: String) async throws(StoreError)

  /// Finishes what was accepted, then closes. Later operations throw `stopped`.
  func close() async
}

public struct Pruned: Sendable, Hashable {
  /// Runs that were deleted.
  public var runs: Int
  /// Nothing is left that the same call would delete.
  public var isDone: Bool

  public init(runs: Int, isDone: Bool) {
    self.runs = runs
    self.isDone = isDone
  }
}

public struct StoreMetrics: Sendable, Hashable {
  public var runs: [RunState: Int]
  /// Transactions since the store was opened.
  public var commits: Int
  /// Operations that changed something since then; divided by `commits`, how many share one.
  public var operations: Int
  /// Operations in the largest transaction.
  public var largestBatch: Int
  /// Seconds spent in making transactions durable since then.
  public var commitSeconds: Double
  /// Operations that wait for the writer now.
  public var waiting: Int
  /// Bytes of the store on disk.
  public var bytes: Int64

  public init(
    runs: [RunState: Int], commits: Int, operations: Int, largestBatch: Int, commitSeconds: Double, waiting: Int,
    bytes: Int64
  ) {
    self.runs = runs
    self.commits = commits
    self.operations = operations
    self.largestBatch = largestBatch
    self.commitSeconds = commitSeconds
    self.waiting = waiting
    self.bytes = bytes
  }
}
