import CLinux
import Glibc
import Model
import Processes
import Synchronization

/// What the agent must remember of one attempt across its own death.
struct Held: Sendable, Hashable {
  var lease: Lease
  var progress = Progress()

  var token: String { lease.token }
}

/// How far an attempt has come. Written at each step, so it is kept small.
struct Progress: Sendable, Hashable, Codable {
  /// The server has acknowledged `starting`, and the driver may have been asked to start it.
  var intent = false
  var handle: Value?
  var handleVersion: Int?
  /// When its program started; seconds since 1970.
  var startedAt: Double?
  /// The target has said that it runs: a later life that cannot ask it must not say that it waits.
  var wasRunning = false
  /// Where the driver's output goes on, and how many bytes of the attempt's output the server has.
  var cursor: Value?
  var sent: Int64 = 0
  /// Why it is being stopped.
  var stop: StopCause?
  /// How it ended; kept until the server has taken it.
  var ending: Ending?
  var endedAt: Double?
}

/// Why an attempt is stopped before its own end.
enum StopCause: String, Sendable, Hashable, Codable {
  /// A person asked for it.
  case person
  /// It took longer than it may.
  case timeout
  /// The server gave it to somebody else, or gave it up.
  case gone
  /// Its lease could not be renewed in time, and its owner lets it be started elsewhere.
  case fence
}

/// The held attempts on disk: an append-only file of whole records, the newest of each attempt counting. It survives the
/// death of the agent at any moment; what a power cut tears off is at most the last second.
///
/// A line that is not whole, or not readable, is skipped: the attempt then has its state of one record earlier, which
/// every step of an attempt can be repeated from.
final class Journal: Sendable {
  private struct State {
    var file: Int32
    var bytes: Int
    /// Bytes that it had when it was last written anew.
    var leastBytes: Int
    var held: [String: Held]
    var isDirty = false
    /// A write failed half-way: what follows must not be glued to its torn line.
    var isTorn = false
  }

  private let path: String
  private let log: AgentLog
  private let state: Mutex<State>

  /// Bytes from which on the file is written anew with only what is held, where that was much less the last time.
  private let compactFrom: Int
  /// How many times larger the file may get than it was when it was last written anew. What is held may itself be large:
  /// a journal that were written anew at each step would hold up every attempt.
  private static let slack = 4

  /// Opens the journal, and reads what an earlier life has left in it.
  init(_ path: String, compactFrom: Int = 4 << 20, log: @escaping AgentLog) throws(ProcessFailure) {
    self.path = path
    self.compactFrom = compactFrom
    self.log = log
    var held: [String: Held] = [:]
    var skipped = 0
    // One that cannot be read is not empty: an agent that took it for that would clear away all that runs.
    for line in (try Disk.contents(path) ?? []).split(separator: UInt8(ascii: "\n")) {
      guard let line = try? JSON.decode(JournalLine.self, Array(line)) else {
        skipped += 1
        continue
      }
      Journal.apply(line, to: &held)
    }
    if skipped > 0 {
      log(
        AgentEvent(
          .warning, "journal_damaged", "\(skipped) lines of the journal were not whole and are skipped",
          ["path": path]))
    }
    // Written anew at each start: it is short, and a torn line at its end must not be continued.
    let file = try Journal.rewrite(path, held)
    state = Mutex(State(file: file.descriptor, bytes: file.bytes, leastBytes: file.bytes, held: held))
  }

  deinit { state.withLock { _ = close($0.file) } }

  /// Every attempt that is held, in the order of their tokens.
  var all: [Held] { state.withLock { $0.held.values.sorted { $0.token < $1.token } } }

  subscript(token: String) -> Held? { state.withLock { $0.held[token] } }

  func put(_ held: [Held]) throws(ProcessFailure) {
    try write { _ in held.map { JournalLine(token: $0.token, lease: $0.lease, progress: $0.progress) } }
  }

  /// Notes how far an attempt has come. One that is not held stays unknown.
  ///
  /// Several tasks of one attempt note what each of them knows: what another noted in between must not be undone.
  func change(_ token: String, _ body: (inout Progress) -> Void) throws(ProcessFailure) {
    try write { held in
      guard let old = held[token]?.progress else { return [] }
      var new = old
      body(&new)
      return new == old ? [] : [JournalLine(token: token, lease: nil, progress: new)]
    }
  }

  func remove(_ token: String) throws(ProcessFailure) {
    try write { _ in [JournalLine(token: token, lease: nil, progress: nil)] }
  }

  /// Puts on disk what was written since the last time; to be called every second or so.
  func sync() {
    let file = state.withLock { state -> Int32? in
      guard state.isDirty else { return nil }
      state.isDirty = false
      let copy = linux_duplicate(state.file, 3)
      return copy >= 0 ? copy : nil
    }
    guard let file else { return }
    fdatasync(file)
    close(file)
  }

  /// - Parameter lines: what is to be written, given what is held.
  private func write(_ lines: ([String: Held]) -> [JournalLine]) throws(ProcessFailure) {
    let result = state.withLock { state -> Result<Void, ProcessFailure> in
      let lines = lines(state.held)
      if lines.isEmpty { return .success(()) }
      // Memory first: an attempt goes on though the disk is full; it is only found again with less.
      for line in lines { Journal.apply(line, to: &state.held) }
      defer { state.isDirty = true }
      return Result { () throws(ProcessFailure) in
        let mustRewrite = state.isTorn
        state.isTorn = true
        if mustRewrite || state.bytes > max(compactFrom, Journal.slack * state.leastBytes) {
          let file = try Journal.rewrite(path, state.held)
          close(state.file)
          state.file = file.descriptor
          state.bytes = file.bytes
          state.leastBytes = file.bytes
        } else {
          let bytes = Journal.encode(lines)
          try Disk.append(state.file, bytes, path)
          state.bytes += bytes.count
        }
        state.isTorn = false
      }
    }
    try result.get()
  }

  private static func apply(_ line: JournalLine, to held: inout [String: Held]) {
    if let progress = line.progress {
      if let lease = line.lease { held[line.token] = Held(lease: lease) }
      held[line.token]?.progress = progress
    } else {
      held[line.token] = nil
    }
  }

  private static func encode(_ lines: [JournalLine]) -> [UInt8] {
    var bytes: [UInt8] = []
    for line in lines {
      bytes += JSON.bytes(of: line)
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }

  private static func rewrite(
    _ path: String, _ held: [String: Held]
  ) throws(ProcessFailure) -> (descriptor: Int32, bytes: Int) {
    let bytes = encode(
      held.values.sorted { $0.token < $1.token }.map {
        JournalLine(token: $0.token, lease: $0.lease, progress: $0.progress)
      })
    try Disk.replace(path, with: bytes, durable: true)
    let file = linux_open(path, O_WRONLY | O_APPEND, 0)
    guard file >= 0 else { throw ProcessFailure(errno: -file, "open \(path)") }
    return (file, bytes.count)
  }
}
