import Dispatch
import Synchronization

/// Read-only connections, opened when first needed. A slow read holds up neither the writer nor, while there are others,
/// another read; and no thread of the cooperative pool ever waits for a disk.
final class Readers: Sendable {
  /// Two for short reads beside two slow ones (a check, a plot over a week).
  private static let connectionsMax = 4

  private let path: String
  private let threads = DispatchQueue(label: "lunaport.store.readers", attributes: .concurrent)
  private let state = Mutex(State())

  private struct State {
    var idle: [Reader] = []
    var opened = 0
    var waiting: [Work] = []
    var isClosed = false
    var whenClosed: CheckedContinuation<Void, Never>?
  }

  private final class Reader: @unchecked Sendable {
    // Invariant: used only by the one closure that took it out of `idle` or made it.
    let connection: Connection
    init(_ connection: Connection) { self.connection = connection }
  }

  private struct Work: Sendable {
    let run: @Sendable (Connection) -> Void
    let fail: @Sendable (StoreError) -> Void
  }

  init(path: String) { self.path = path }

  /// Runs `body` on one snapshot of the database.
  func perform<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws(StoreError) -> T
  ) async throws(StoreError) -> T {
    let result: Result<T, StoreError> = await withCheckedContinuation { continuation in
      submit(
        Work(
          run: { continuation.resume(returning: Readers.snapshot($0, body)) },
          fail: { continuation.resume(returning: .failure($0)) }))
    }
    return try result.get()
  }

  /// Runs `body` on a connection of its own, outside any transaction.
  func aside(_ body: @escaping @Sendable (Connection) throws(StoreError) -> Void) async throws(StoreError) {
    let path = path
    let result: Result<Void, StoreError> = await withCheckedContinuation { continuation in
      threads.async {
        continuation.resume(
          returning: Result { () throws(StoreError) in try body(Connection(path: path, mode: .readOnly)) })
      }
    }
    try result.get()
  }

  private static func snapshot<T>(
    _ connection: Connection, _ body: (Connection) throws(StoreError) -> T
  ) -> Result<T, StoreError> {
    do throws(StoreError) {
      try connection.execute("BEGIN")
      let value = try body(connection)
      try connection.execute("COMMIT")
      return .success(value)
    } catch {
      if !connection.isIdle { try? connection.execute("ROLLBACK") }
      return .failure(error)
    }
  }

  private enum Next {
    case use(Reader), open, wait, refuse
  }

  private func submit(_ work: Work) {
    let next: Next = state.withLock { state in
      if state.isClosed { return .refuse }
      if let reader = state.idle.popLast() { return .use(reader) }
      if state.opened < Readers.connectionsMax {
        state.opened += 1
        return .open
      }
      state.waiting.append(work)
      return .wait
    }
    switch next {
    case .wait: break
    case .refuse: work.fail(StoreError(.stopped, "the store is closed"))
    case .use(let reader): threads.async { self.serve(work, with: reader) }
    case .open: threads.async { self.open(for: work) }
    }
  }

  private func open(for work: Work) {
    do throws(StoreError) {
      let connection = try Connection(path: path, mode: .readOnly)
      try connection.script("PRAGMA query_only = ON; PRAGMA cache_size = -4000; PRAGMA trusted_schema = OFF")
      serve(work, with: Reader(connection))
    } catch {
      let stranded = state.withLock { state in
        state.opened -= 1
        // Without any connection nobody would ever come to serve those who wait.
        let stranded = state.opened == 0 ? state.waiting : []
        if state.opened == 0 { state.waiting = [] }
        return stranded
      }
      work.fail(error)
      for other in stranded { other.fail(error) }
      finishClosing()
    }
  }

  private func serve(_ first: Work, with reader: Reader) {
    var work = first
    while true {
      work.run(reader.connection)
      let next: Work? = state.withLock { state in
        if !state.waiting.isEmpty { return state.waiting.removeFirst() }
        if state.isClosed { state.opened -= 1 } else { state.idle.append(reader) }
        return nil
      }
      guard let next else { break }
      work = next
    }
    finishClosing()
  }

  private func finishClosing() {
    let closed = state.withLock { state in
      guard state.isClosed, state.opened == 0 else { return nil as CheckedContinuation<Void, Never>? }
      defer { state.whenClosed = nil }
      return state.whenClosed
    }
    closed?.resume()
  }

  /// Finishes the reads under way, then lets go of the database. Called once.
  func close() async {
    await withCheckedContinuation { continuation in
      let idle = state.withLock { state in
        state.isClosed = true
        state.whenClosed = continuation
        state.opened -= state.idle.count
        defer { state.idle = [] }
        return state.idle
      }
      _ = idle
      finishClosing()
    }
  }
}
