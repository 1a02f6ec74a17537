import Hashing
import Model
import Storage

/// Deletes what is older than its owner wants it kept: ended runs, then the logs that are no run's, then content that no
/// job is made from. Without it everything is kept for ever.
///
/// The order makes it safe to be killed anywhere: what is left without an owner is found by the next sweep.
actor Retention {
  /// Seconds for which content that no job names is kept: a job is made moments after its source was sent, and a client
  /// that was cut off tries again on the next day.
  static let blobGrace: Double = 86_400
  /// Seconds between sweeps: a tenth of what is kept, but neither all the time nor as if it had been forgotten.
  private static let pause: ClosedRange<Double> = 60...21_600
  /// Seconds between two deletions, in which the one writer of the store is everybody's.
  private static let rest: Double = 0.02

  private let keep: Double
  private let store: any Store
  private let blobs: any Blobs
  private let logs: any RunLogs
  private let manifest: @Sendable (Digest) async throws -> Manifest?
  private let metrics: Metrics
  private let clock: ServerClock
  private let report: @Sendable (any Error) -> Void
  private var work: Task<Void, Never>?

  /// - Parameters:
  ///   - keep: seconds after its end that a run is kept.
  ///   - manifest: reads a manifest; nil where there is none.
  init(
    keep: Double, store: any Store, blobs: any Blobs, logs: any RunLogs,
    manifest: @escaping @Sendable (Digest) async throws -> Manifest?, metrics: Metrics, clock: ServerClock,
    report: @escaping @Sendable (any Error) -> Void
  ) {
    self.keep = keep
    self.store = store
    self.blobs = blobs
    self.logs = logs
    self.manifest = manifest
    self.metrics = metrics
    self.clock = clock
    self.report = report
  }

  /// Sweeps now and from time to time, until `stop`.
  func start() {
    let pause = min(max(keep / 10, Self.pause.lowerBound), Self.pause.upperBound)
    work = Task { [clock, report] in
      while !Task.isCancelled {
        do { try await self.sweep() } catch { if !Task.isCancelled { report(error) } }
        guard (try? await clock.sleep(clock.now() + pause)) != nil else { return }
      }
    }
  }

  func stop() async {
    work?.cancel()
    await work?.value
  }

  /// Removes what is too old now. What is without its owner because an earlier sweep was cut off goes too.
  func sweep() async throws {
    let time = clock.now() - keep
    while true {
      try Task.checkCancellation()
      let pruned = try await store.prune(endedBefore: time)
      metrics.count(Metrics.removed, Metrics.labels(("kind", "run")), by: Double(pruned.runs))
      if pruned.isDone { break }
      try await clock.sleep(clock.now() + Self.rest)
    }
    let store = store
    count(try await logs.removeOrphans { (ids) throws(StoreError) in try await store.known(runs: ids) }, "log")
    try Task.checkCancellation()
    count(try await blobs.removeUnused(try await used(), for: Self.blobGrace), "blob")
  }

  /// All that jobs are made from. Throws where a manifest cannot be read: then nobody knows what it names.
  private func used() async throws -> Set<Digest> {
    var used: Set<Digest> = []
    for hex in try await store.manifests() {
      guard let digest = Digest(hex: hex), let manifest = try await manifest(digest) else { continue }
      used.insert(digest)
      for file in manifest.files {
        if let digest = Digest(hex: file.sha256) { used.insert(digest) }
      }
    }
    return used
  }

  private func count(_ removal: Removal, _ kind: String) {
    metrics.count(Metrics.removed, Metrics.labels(("kind", kind)), by: Double(removal.count))
    metrics.count(Metrics.removedBytes, Metrics.labels(("kind", kind)), by: Double(removal.bytes))
  }
}
