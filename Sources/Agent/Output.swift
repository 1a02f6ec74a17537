import Model
import Processes
import Scripting
import Synchronization

/// The output of one attempt on its way to the server: first the preamble (what the builder printed, kept in a file),
/// then what the driver gives. Secrets are covered on the way. Where it goes on is in the journal, so that no byte is
/// lost or doubled by a restart.
///
/// The journal names only places where no secret may have begun: after a restart the output is read again from there,
/// what the server has it skips, and no rest of a secret is taken for something else because its beginning was sent.
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
  private let secrets: AttemptSecrets
  /// Where it is, once it has begun in this life.
  private let place = Mutex<Place?>(nil)
  /// The server wants no more of it.
  private let isRefused = Mutex(false)
  /// It was told that the output waits.
  private let isWithheld = Mutex(false)

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

  private struct Place {
    /// Bytes that the server has.
    var sent: Int64
    /// Of the driver.
    var cursor: Value?
    var stream = MaskedStream()
    /// The preamble is over.
    var isProgram = false
  }

  init(
    _ held: Charge, preamble: String, _ secrets: AttemptSecrets, _ connection: any ServerConnection,
    _ session: Session, _ journal: Journal, clock: AgentClock, log: @escaping AgentLog,
    preambleMax: Int64 = Output.preambleMax
  ) {
    self.held = held
    self.preamble = preamble
    self.preambleMax = preambleMax
    self.secrets = secrets
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
      switch await step(target, handle, isLast: false) {
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
      switch await step(target, handle, isLast: true) {
      case .end, .refused: return true
      case .sent, .rewound: backoff.reset()
      case .nothing:
        patience -= 1
        if patience <= 0 {
          log(
            AgentEvent(
              .warning, "output_open", "the target does not say that the output of a run has ended; taken as it is",
              ["run": held.lease.run]))
          if let here = place.withLock({ $0 }) { _ = await sendRest(here) }
          return true
        }
        try? await clock.sleep(Output.busySeconds)
      case .failed(let by):
        if by == .target || by == .secret || (by == .away && clock.uptime() > end) { patience -= 1 }
        if patience <= 0 {
          if by == .secret { await sayWithheld() }
          return true
        }
        try? await clock.sleep(backoff.next(clock.random()))
      }
    }
    return !Task.isCancelled
  }

  private enum Fault {
    /// The target does not give it, or cannot be reached.
    case target, away
    case server
    /// A secret that would have to be covered cannot be read.
    case secret
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
  /// - Parameter isLast: no more is printed than is there.
  private func step(_ target: Target?, _ handle: Value?, isLast: Bool) async -> Step {
    guard let progress else { return .refused }
    var here = place.withLock { $0 } ?? Place(sent: progress.sent, cursor: progress.cursor)
    let before = Disk.size(preamble) ?? 0
    let read = here.sent + Int64(here.stream.heldCount)
    if !here.isProgram, read < before {
      guard let bytes = Disk.read(preamble, from: read, limit: Output.chunkBytes), !bytes.isEmpty else {
        return .failed(by: .target)
      }
      here.stream.mask = secrets.mask
      return await send(here.stream.take(bytes), here)
    }
    guard let target, let handle, target.providesLogs else { return isLast ? await sendRest(here) : .end }
    let mask: Mask
    do throws(SecretFailure) { mask = try secrets.whole() } catch {
      noteWithheld(error)
      return .failed(by: .secret)
    }
    let chunk: LogChunk
    let cursor = here.cursor
    do throws(DriverFailure) {
      chunk = try await target.call(.logs) { (driver) throws(DriverFailure) in
        try await driver.logs(handle, cursor: cursor)
      }
    } catch { return .failed(by: error.code == .unavailable ? .away : .target) }
    // A secret does not begin in one and end in the other.
    var bytes = here.isProgram ? [] : here.stream.end()
    here.isProgram = true
    here.stream.mask = mask
    bytes += here.stream.take(chunk.bytes)
    if chunk.isEnd { bytes += here.stream.end() }
    if !chunk.bytes.isEmpty || !chunk.cursor.isNull { here.cursor = chunk.cursor }
    if bytes.isEmpty {
      keep(here)
      return chunk.isEnd ? .end : chunk.bytes.isEmpty ? .nothing : .sent
    }
    let step = await send(bytes, here)
    if case .sent = step, chunk.isEnd { return .end }
    return step
  }

  /// Nothing follows what was read so far.
  private func sendRest(_ here: Place) async -> Step {
    var here = here
    let rest = here.stream.end()
    return rest.isEmpty ? .end : await send(rest, here)
  }

  /// Sends bytes, after which it is at `next`, but for these bytes.
  private func send(_ bytes: [UInt8], _ next: Place) async -> Step {
    var next = next
    if bytes.isEmpty {
      // All of it may be the beginning of a secret.
      keep(next)
      return .sent
    }
    let begun = clock.uptime()
    do throws(ConnectionFailure) {
      _ = try await connection.appendLog(held.lease.holding, at: next.sent, bytes)
      session.heard(nil, asked: begun)
      next.sent += Int64(bytes.count)
      keep(next)
      return .sent
    } catch {
      session.heard(error, asked: begun)
      switch error {
      case .gap: return rewind()
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

  /// The server has lost the end of what it had (its machine lost power): the output is sent again from its beginning,
  /// and what is there already the server skips. A driver's cursor cannot be set to a byte, and where the server's part
  /// ends there may be the middle of a secret.
  private func rewind() -> Step {
    place.withLock { $0 = nil }
    note(0, nil)
    return .rewound
  }

  private func keep(_ here: Place) {
    place.withLock { $0 = here }
    if here.stream.heldCount == 0 { note(here.sent, here.cursor) }
  }

  private func note(_ sent: Int64, _ cursor: Value?) {
    do throws(ProcessFailure) {
      try journal.change(held.token) {
        $0.sent = sent
        $0.cursor = cursor
      }
    } catch { log(AgentEvent(.warning, "journal_failed", "\(error)", ["run": held.lease.run])) }
  }

  private func noteWithheld(_ failure: SecretFailure) {
    let isNew = isWithheld.withLock { isWithheld in
      defer { isWithheld = true }
      return !isWithheld
    }
    if !isNew { return }
    log(
      AgentEvent(
        .warning, "output_withheld",
        "the output of a run waits, for a secret that may stand in it cannot be covered: \(failure.message); "
          + failure.hint, ["run": held.lease.run]))
  }

  /// Tells people why a log ends early.
  private func sayWithheld() async {
    guard let here = place.withLock({ $0 }) ?? progress.map({ Place(sent: $0.sent, cursor: $0.cursor) }) else { return }
    let note = "\n[the rest is not shown: a secret of this run cannot be read any more, and would not be covered]\n"
    _ = await send(Array(note.utf8), here)
  }
}
