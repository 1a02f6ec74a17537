import Synchronization

/// A value that tasks can wait on.
final class Watched<Value: Sendable>: Sendable {
  private struct State {
    var value: Value
    var version: UInt64 = 0
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var next: UInt64 = 0
  }
  private let state: Mutex<State>

  init(_ value: Value) { state = Mutex(State(value: value)) }

  var value: Value { state.withLock { $0.value } }

  func change(_ body: (inout Value) -> Void) {
    let waiters = state.withLock { state in
      body(&state.value)
      state.version += 1
      defer { state.waiters = [:] }
      return state.waiters.values
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Waits until `pick` finds what it looks for; it is asked again after each change.
  func first<Found>(_ pick: (Value) throws -> Found?) async throws -> Found {
    while true {
      try Task.checkCancellation()
      let (value, version) = state.withLock { ($0.value, $0.version) }
      if let found = try pick(value) { return found }
      await change(since: version)
    }
  }

  private func change(since version: UInt64) async {
    let ticket = state.withLock { state in
      state.next += 1
      return state.next
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if state.version != version || Task.isCancelled { return true }
          state.waiters[ticket] = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume()
    }
  }
}

/// What was waited for did not come in time.
struct TooLate: Error, CustomStringConvertible {
  var what: String
  var seconds: Double

  var description: String { "not within \(seconds) s: \(what)" }
}

/// Does `body`, and fails where it takes longer than `seconds`.
@discardableResult
func within<Result: Sendable>(
  _ seconds: Double, _ what: String, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: .seconds(seconds))
      throw TooLate(what: what, seconds: seconds)
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw CancellationError() }
    return first
  }
}
