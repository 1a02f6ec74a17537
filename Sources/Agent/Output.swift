import Model
import Processes
import Scripting
import Synchronization

/// The output of one attempt on its way to the server: first the preamble (what the builder printed, kept in a file),
/// then what the driver gives. Where it goes on is in the journal, so that no byte is lost or doubled by a restart.
final class Output: Sendable {
  private let held: Charge
  private let connection: any ServerConnection
  private let session: Session
  private let journal: Journal
  private let clock: AgentClock
  private let log: AgentLog
  /// File with what was printed before the program started.
  private let preamble: String
  private let preambleMax: Int64
  /// The server wants no more of it.
  private let isRefused = Mutex(false)

  /// Seconds between looks at output: short while it comes, longer while it does not.
  private static let busySeconds = 0.2
  private static let idleSeconds = 2.0
  /// Bytes of the preamble at most: what a builder prints in a loop must not fill the agent's disk.
  static let preambleMax: Int64 = 64 << 20
  /// Bytes of one request.
  private static let chunkBytes = 1 << 18
  /// Looks at the end of a target's output that find nothing, before it is taken for whole.
  private static let patience = 20
  /// Seconds for which the end of a run waits for output of a target that is away: an engine may be restarted.
  private static let awaySeconds = 300.0

  init(
    _ held: Charge, preamble: String, _ connection: any ServerConnection, _ session: Session, _ journal: Journal,
    clock: AgentClock, log: @escaping AgentLog, preambleMax: Int64 = Output.preambleMax
  ) {
    self.held = held
    self.preamble = preamble
    self.preambleMax = preambleMax
    self.connection = connection
    self.session = session
    self.journal = journal
    self.clock = clock
    self.log = log
  }

  private var progress: Progress? { journal[held.token]?.progress }

  /// Adds to the preamble. Only before the program has started.
  func print(_ bytes: [UInt8]) {
    let size = Disk.size(preamble) ?? 0
    guard size <= preambleMax, !bytes.isEmpty else { return }
    let fits = Array(bytes.prefix(Int(preambleMax - size)))
    let end = fits.count < bytes.count ? Array("\n[more was printed and is not kept]\n".utf8) : []
    // A full disk costs a part of the log and not the run.
    try? Disk.append(preamble, fits + end)
  }

  /// Sends output as it comes, until cancelled.
  func follow(_ target: Target?, _ handle: Value?) async {
    var wait = Output.busySeconds
    var backoff = Backoff(least: 0.5, most: 10)
    // A program that ends at once has its output sent when it has ended.
    try? await clock.sleep(wait)
    while !Task.isCancelled, !isRefused.withLock({ $0 }) {
      switch await step(target, handle) {
      case .sent, .rewound:
        wait = Output.busySeconds
        backoff.reset()
        continue
      case .nothing, .end:
        try? await clock.sleep(wait)
        wait = min(wait * 1.5, Output.idleSeconds)
      case .failed: try? await clock.sleep(backoff.next(clock.random()))
      case .refused: return
      }
    }
  }

  /// Sends what is left, to the end. Returns when the server has it all, does not want it, or the target does not come
  /// to an end with it; false where the task was cancelled.
  func drain(_ target: Target?, _ handle: Value?) async -> Bool {
    var backoff = Backoff(least: 0.2, most: 5)
    var patience = Output.patience
    let end = clock.uptime() + Output.awaySeconds
    while !Task.isCancelled, !isRefused.withLock({ $0 }) {
      switch await step(target, handle) {
      case .end, .refused: return true
      case .sent, .rewound: backoff.reset()
      case .nothing:
        patience -= 1
        if patience <= 0 {
          log(
            AgentEvent(
              .warning, "output_open", "the target does not say that the output of a run has ended; taken as it is",
              ["run": held.lease.run]))
          return true
        }
        try? await clock.sleep(Output.busySeconds)
      case .failed(let by):
        if by == .target || (by == .away && clock.uptime() > end) { patience -= 1 }
        if patience <= 0 { return true }
        try? await clock.sleep(backoff.next(clock.random()))
      }
    }
    return !Task.isCancelled
  }

  private enum Fault {
    /// The target does not give it, or cannot be reached.
    case target, away
    case server
  }

  private enum Step {
    case sent
    /// Nothing was taken: it goes on from an earlier place.
    case rewound
    case nothing
    case end
    case refused
    case failed(by: Fault)
  }

  /// Moves one piece.
  private func step(_ target: Target?, _ handle: Value?) async -> Step {
    guard let progress else { return .refused }
    let before = Disk.size(preamble) ?? 0
    if progress.sent < before {
      guard let bytes = Disk.read(preamble, from: progress.sent, limit: Output.chunkBytes), !bytes.isEmpty else {
        return .failed(by: .target)
      }
      return await send(bytes, at: progress.sent, cursor: progress.cursor)
    }
    guard let target, let handle, target.providesLogs else { return .end }
    let chunk: LogChunk
    do throws(DriverFailure) {
      chunk = try await target.call(.logs) { (driver) throws(DriverFailure) in
        try await driver.logs(handle, cursor: progress.cursor)
      }
    } catch { return .failed(by: error.code == .unavailable ? .away : .target) }
    if chunk.bytes.isEmpty {
      if chunk.cursor != progress.cursor, !chunk.cursor.isNull { keep(progress.sent, chunk.cursor) }
      return chunk.isEnd ? .end : .nothing
    }
    let step = await send(chunk.bytes, at: progress.sent, cursor: chunk.cursor)
    if case .sent = step, chunk.isEnd { return .end }
    return step
  }

  private func send(_ bytes: [UInt8], at offset: Int64, cursor: Value?) async -> Step {
    let begun = clock.uptime()
    do throws(ConnectionFailure) {
      _ = try await connection.appendLog(held.lease.holding, at: offset, bytes)
      session.heard(nil, asked: begun)
      keep(offset + Int64(bytes.count), cursor)
      return .sent
    } catch {
      session.heard(error, asked: begun)
      switch error {
      case .gap(let size): return await rewind(to: size)
      case .unreachable, .unknownAgent: return .failed(by: .server)
      case .stale, .denied, .invalid, .uncovered:
        isRefused.withLock { $0 = true }
        log(
          AgentEvent(
            .debug, "output_refused", "the server takes no more output: \(error.message)", ["run": held.lease.run]))
        return .refused
      }
    }
  }

  /// The server has lost the end of what it had (its machine lost power): the output is sent again from where its part
  /// ends. A driver's cursor cannot be set to a byte, so what it gives is read from its beginning, and what is there
  /// already the server skips.
  private func rewind(to size: Int64) async -> Step {
    let before = Disk.size(preamble) ?? 0
    keep(min(size, before), nil)
    return .rewound
  }

  private func keep(_ sent: Int64, _ cursor: Value?) {
    do throws(ProcessFailure) {
      try journal.change(held.token) {
        $0.sent = sent
        $0.cursor = cursor
      }
    } catch { log(AgentEvent(.warning, "journal_failed", "\(error)", ["run": held.lease.run])) }
  }
}
