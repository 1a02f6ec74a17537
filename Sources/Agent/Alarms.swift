import Synchronization

/// Wakes many sleepers by one timer of the system.
///
/// `Task.sleep` sets a timer for each sleep, and one that is cancelled stays until its time would have come. A short run
/// sleeps several times and is over before any of them: hundreds of runs a second kept thousands of dead timers.
final class Alarms: Sendable {
  private struct Sleeper {
    var end: ContinuousClock.Instant
    /// Tells those apart that end at one time; grows.
    var number: UInt64
    var continuation: UnsafeContinuation<Void, any Error>

    func isAfter(_ other: (end: ContinuousClock.Instant, number: UInt64)) -> Bool {
      end == other.end ? number > other.number : end > other.end
    }
  }

  private struct State {
    /// The soonest last.
    var sleepers: [Sleeper] = []
    var next: UInt64 = 0
    var timer: (end: ContinuousClock.Instant, task: Task<Void, Never>)?

    /// Where a sleeper is, or where it would be.
    func place(_ end: ContinuousClock.Instant, _ number: UInt64) -> Int {
      var (low, high) = (0, sleepers.count)
      while low < high {
        let middle = (low + high) / 2
        if sleepers[middle].isAfter((end, number)) { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }
  private let state = Mutex(State())

  /// Suspends for so many seconds. - Throws: `CancellationError`.
  func sleep(_ seconds: Double) async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    let number = state.withLock { state in
      state.next += 1
      return state.next
    }
    try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        let isCancelled = state.withLock { state in
          // A cancellation after this finds the sleeper; one before it is seen here.
          if Task.isCancelled { return true }
          state.sleepers.insert(
            Sleeper(end: end, number: number, continuation: continuation), at: state.place(end, number))
          arm(&state)
          return false
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) }
      }
    } onCancel: {
      let sleeper = state.withLock { state -> Sleeper? in
        let place = state.place(end, number)
        guard place < state.sleepers.count, state.sleepers[place].number == number else { return nil }
        return state.sleepers.remove(at: place)
      }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }

  /// Has the timer go off when the first sleeper is to wake, or before.
  private func arm(_ state: inout State) {
    guard let first = state.sleepers.last?.end else { return }
    if let timer = state.timer {
      if timer.end <= first { return }
      timer.task.cancel()
    }
    state.timer = (
      first,
      Task {
        if (try? await Task.sleep(until: first)) != nil { self.ring(first) }
      }
    )
  }

  private func ring(_ end: ContinuousClock.Instant) {
    let now = ContinuousClock.now
    let woken = state.withLock { state -> ArraySlice<Sleeper> in
      // Another may have been set while this one went off.
      if state.timer?.end == end { state.timer = nil }
      let first = state.sleepers.firstIndex { $0.end <= now } ?? state.sleepers.count
      let woken = state.sleepers[first...]
      state.sleepers.removeSubrange(first...)
      arm(&state)
      return woken
    }
    for sleeper in woken.reversed() { sleeper.continuation.resume() }
  }
}
