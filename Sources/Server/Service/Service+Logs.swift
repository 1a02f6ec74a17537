import Model
import Storage

extension Service {
  struct LogPage: Sendable {
    var bytes: [UInt8]
    /// Bytes of the whole log.
    var size: Int64
    var attempt: Int
  }

  /// A part of an attempt's log. - Parameter attempt: the newest where nil.
  func logPage(
    _ id: String, attempt: Int?, offset: Int64, limit: Int, for account: Account
  ) async throws -> LogPage {
    let run = try await run(id, for: account)
    let attempt = attempt ?? run.attempt
    return LogPage(
      bytes: try await logs.read(run: run.id, attempt: attempt, from: offset, limit: limit),
      size: try await logs.size(run: run.id, attempt: attempt).stored, attempt: attempt)
  }

  /// Hands out a log as it grows, until its attempt has ended. Where no attempt is named, the next one's log follows
  /// when there is one, until the run has ended. Ends on cancellation.
  func followLog(
    _ id: String, attempt given: Int?, offset: Int64, for account: Account,
    write: ([UInt8]) async throws -> Void
  ) async throws {
    let watcher = feed.watch { change in
      switch change {
      case .run(let run): run.id == id
      case .log(let run, _, _): run == id
      default: false
      }
    }
    defer { feed.forget(watcher) }
    var attempt = given
    var offset = offset
    while true {
      // The state first: what was printed before the end is there when the end is seen.
      let run = try await run(id, for: account)
      let current = attempt ?? run.attempt
      let isOver = run.attempt > current || run.state.isSettled || run.state == .queued && run.attempt == current
      if current > 0 {
        attempt = current
        while true {
          let bytes = try await logs.read(run: id, attempt: current, from: offset, limit: Service.followBytes)
          if bytes.isEmpty { break }
          offset += Int64(bytes.count)
          try await write(bytes)
        }
      }
      if run.state.isSettled && run.attempt <= current || isOver && given != nil && current > 0 { return }
      if isOver, run.attempt > current {
        attempt = current + 1
        offset = 0
        continue
      }
      guard await watcher.next() != nil else { return }
    }
  }

  /// Bytes read at once for a follower.
  private static let followBytes = 256 << 10

  /// Appends what an attempt printed.
  /// - Throws: `stale` where the attempt is not the run's newest, `gap` with the size that the server has.
  func appendLog(
    _ bytes: [UInt8], to id: String, attempt: Int, epoch: Int64, offset: Int64, by account: Account
  ) async throws -> SizeView {
    let run = try await run(id, for: account)
    do { try run.requireLive(attempt: attempt, epoch: epoch) } catch {
      throw ServiceError(
        .stale, "attempt \(attempt) of run `\(id)` is not its newest any more", hint: "stop sending its output")
    }
    // What ended or was queued again has no holder; its last output may come all the same.
    if let agent = run.agent { _ = try await ownAgent(agent, of: account) }
    let size = try await logs.append(bytes, at: offset, run: id, attempt: attempt)
    await syncer.changed()
    try await store.logGrew(Holding(run: id, attempt: attempt, epoch: epoch), size: size.stored)
    return SizeView(size: size.next)
  }
}

/// Puts logs on disk a little while after they grew: a power cut costs no more than that, and an idle server does nothing.
actor LogSyncer {
  /// Seconds between growth and disk.
  private static let delay: Double = 2

  private let logs: any RunLogs
  private let clock: ServerClock
  private let report: @Sendable (any Error) -> Void
  private var pending: Task<Void, Never>?

  init(_ logs: any RunLogs, clock: ServerClock, report: @escaping @Sendable (any Error) -> Void) {
    self.logs = logs
    self.clock = clock
    self.report = report
  }

  func changed() {
    guard pending == nil else { return }
    pending = Task { [clock] in
      try? await clock.sleep(clock.now() + Self.delay)
      await self.sync()
    }
  }

  /// Puts everything on disk now.
  func finish() async {
    pending?.cancel()
    await sync()
  }

  private func sync() async {
    pending = nil
    do { try await logs.sync() } catch { report(error) }
  }
}
