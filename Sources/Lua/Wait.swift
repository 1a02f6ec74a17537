import Synchronization

/// What a host function wants done before its coroutine goes on.
struct Wait {
  var name: String
  var operation: @Sendable () async throws -> [LuaValue]
}

/// How a wait ended.
enum WaitOutcome: Sendable {
  case values([LuaValue])
  case thrown(any Error)
  case cancelled
  case timeUp

  /// Runs the operation of a wait until it is done, `nanoseconds` have passed, or the task is cancelled. Returns
  /// then at once, even if the operation does not obey its cancellation.
  static func of(
    _ operation: @escaping @Sendable () async throws -> [LuaValue], nanoseconds: UInt64
  ) async -> WaitOutcome {
    let race = Race()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        race.start(continuation)
        race.add(
          Task {
            do {
              race.finish(.values(try await operation()))
            } catch {
              race.finish(.thrown(error))
            }
          })
        race.add(
          Task {
            // An error means cancelled: another has won.
            if (try? await Task.sleep(nanoseconds: nanoseconds)) != nil { race.finish(.timeUp) }
          })
      }
    } onCancel: {
      race.finish(.cancelled)
    }
  }
}

/// The first of several to finish answers; the others are cancelled.
private final class Race: Sendable {
  private struct State {
    var continuation: CheckedContinuation<WaitOutcome, Never>?
    var outcome: WaitOutcome?
    var tasks: [Task<Void, Never>] = []
  }
  private let state = Mutex(State())

  func start(_ continuation: CheckedContinuation<WaitOutcome, Never>) {
    let early = state.withLock { state in
      if state.outcome == nil { state.continuation = continuation }
      return state.outcome
    }
    if let early { continuation.resume(returning: early) }
  }

  func add(_ task: Task<Void, Never>) {
    let over = state.withLock { state in
      if state.outcome == nil { state.tasks.append(task) }
      return state.outcome != nil
    }
    if over { task.cancel() }
  }

  func finish(_ outcome: WaitOutcome) {
    let before = state.withLock { state in
      let before = state
      if state.outcome == nil { state = State(outcome: outcome) }
      return before
    }
    guard before.outcome == nil else { return }
    before.continuation?.resume(returning: outcome)
    for task in before.tasks { task.cancel() }
  }
}
