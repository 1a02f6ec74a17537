import Dispatch
import Synchronization

/// The one writer, with group commit: what arrives while a transaction is being made durable goes into the next one
/// together, and is answered after the commit. Nothing waits when it is idle.
///
/// An operation that is refused takes back only what it did itself. For that each would need a savepoint, which copies
/// every page it touches; refusals are rare, so a batch is first tried without, and once more with savepoints where one
/// of it was refused.
final class Writer: @unchecked Sendable {
  // Invariant: `session` and `backlog` are only touched on `thread`, which is serial; the rest is behind `state`.
  private let thread = DispatchQueue(label: "lunaport.store.writer")
  private var session: Transaction?
  private var backlog: ArraySlice<Work> = []
  private let state = Mutex(State())
  private let hub: ChangeHub

  private struct State {
    var waiting: [Work] = []
    var isDraining = false
    var isClosed = false
    var counts = Counts()
  }

  struct Counts: Sendable {
    var commits = 0
    var operations = 0
    var largest = 0
    var seconds = 0.0
    var waiting = 0
  }

  /// One operation: applied, perhaps more than once, then answered exactly once.
  private struct Work: Sendable {
    /// Gives back how to say that it is committed.
    let apply: @Sendable (Transaction) throws(StoreError) -> @Sendable () -> Void
    let fail: @Sendable (StoreError) -> Void
  }

  init(_ connection: sending Connection, hub: ChangeHub) {
    session = Transaction(connection)
    self.hub = hub
  }

  /// Runs `body` in a transaction; returns when that is durable. `body` may run more than once, so it only changes the
  /// database.
  func perform<T: Sendable>(
    _ body: @escaping @Sendable (Transaction) throws(StoreError) -> T
  ) async throws(StoreError) -> T {
    let result: Result<T, StoreError> = await withCheckedContinuation { continuation in
      submit(
        Work(
          apply: { (transaction) throws(StoreError) in
            let value = try body(transaction)
            return { continuation.resume(returning: .success(value)) }
          },
          fail: { continuation.resume(returning: .failure($0)) }))
    }
    return try result.get()
  }

  /// Runs `body` between two transactions.
  func aside(_ body: @escaping @Sendable (Connection) throws(StoreError) -> Void) async throws(StoreError) {
    let result: Result<Void, StoreError> = await withCheckedContinuation { continuation in
      thread.async {
        continuation.resume(
          returning: Result { () throws(StoreError) in
            guard let session = self.session else { throw Writer.stopped }
            try body(session.db)
          })
      }
    }
    try result.get()
  }

  private static let stopped = StoreError(.stopped, "the store is closed")

  var counts: Counts {
    state.withLock {
      var counts = $0.counts
      counts.waiting = $0.waiting.count
      return counts
    }
  }

  /// Finishes what was accepted, then lets go of the database.
  func close() async {
    state.withLock { $0.isClosed = true }
    await withCheckedContinuation { continuation in
      thread.async {
        self.session = nil
        continuation.resume()
      }
    }
  }

  private func submit(_ work: Work) {
    let refusal: StoreError? = state.withLock { state in
      if state.isClosed { return Writer.stopped }
      if state.waiting.count >= StoreLimits.waitingMax {
        return StoreError(.busy, "\(StoreLimits.waitingMax) operations wait for the database", hint: "try again later")
      }
      state.waiting.append(work)
      if !state.isDraining {
        state.isDraining = true
        thread.async { self.drain() }
      }
      return nil
    }
    if let refusal { work.fail(refusal) }
  }

  private func drain() {
    while true {
      if backlog.isEmpty {
        backlog = state.withLock { state in
          if state.waiting.isEmpty { state.isDraining = false }
          let taken = state.waiting
          state.waiting.removeAll(keepingCapacity: true)
          return taken[...]
        }
        if backlog.isEmpty { return }
      }
      guard let session else { return }
      commit(in: session)
    }
  }

  /// Nanoseconds after which a transaction takes no more operations, so that the first of a long backlog is not held up
  /// by the last.
  private static let batchNanoseconds: UInt64 = 5_000_000

  /// Commits one transaction of the oldest operations.
  private func commit(in session: Transaction) {
    let start = DispatchTime.now().uptimeNanoseconds
    var answers: [@Sendable () -> Void] = []
    do throws(StoreError) {
      try session.begin()
      for work in backlog {
        answers.append(try work.apply(session))
        if DispatchTime.now().uptimeNanoseconds - start > Writer.batchNanoseconds { break }
      }
      try commit(answers, in: session)
      backlog.removeFirst(answers.count)
    } catch {
      session.rollback()
      // The one that was refused, and those before it that its refusal took along.
      let batch = backlog.prefix(answers.count + 1)
      backlog.removeFirst(batch.count)
      if batch.count == 1 {
        batch.first?.fail(error)
      } else {
        commitCarefully(batch, in: session)
      }
    }
  }

  /// Commits operations of which at least one will be refused.
  private func commitCarefully(_ batch: ArraySlice<Work>, in session: Transaction) {
    var answers: [@Sendable () -> Void] = []
    do throws(StoreError) {
      try session.begin()
      for work in batch {
        do throws(StoreError) {
          answers.append(try session.savepoint(work.apply))
        } catch {
          // SQLite gave the whole transaction up: no space is left, say.
          if session.isBroken { throw error }
          answers.append { work.fail(error) }
        }
      }
      try commit(answers, in: session)
    } catch {
      session.rollback()
      if batch.count == 1 {
        batch.first?.fail(error)
        return
      }
      // One operation may have been too large for what all the others still fit into, so each is tried by itself.
      for index in batch.indices { commitCarefully(batch[index...index], in: session) }
    }
  }

  private func commit(_ answers: [@Sendable () -> Void], in session: Transaction) throws(StoreError) {
    let start = DispatchTime.now().uptimeNanoseconds
    try session.commit()
    count(answers.count, nanoseconds: DispatchTime.now().uptimeNanoseconds - start)
    let changes = session.takeChanges()
    if !changes.isEmpty { hub.publish(changes) }
    for answer in answers { answer() }
  }

  private func count(_ operations: Int, nanoseconds: UInt64) {
    state.withLock {
      $0.counts.commits += 1
      $0.counts.operations += operations
      $0.counts.largest = max($0.counts.largest, operations)
      $0.counts.seconds += Double(nanoseconds) / 1e9
    }
  }
}
