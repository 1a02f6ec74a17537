/// A Lua state on a thread of its own, whose calls may wait: each call is a coroutine, and thousands of them wait at
/// once on no thread. Calls that run Lua take turns; nothing interrupts one but its own waits and its budget.
public actor LuaRunner {
  private nonisolated let thread: LuaThread
  private let state: LuaState

  /// Throws where the machine has no room for a state or a thread.
  public init(sandbox: LuaSandbox = .run, limits: LuaLimits = .standard) throws(LuaError) {
    thread = try LuaThread()
    do {
      state = try LuaState(sandbox: sandbox, limits: limits)
    } catch {
      thread.stop()
      throw error
    }
  }

  deinit { thread.stop() }

  public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// Works with the state itself: makes environments, loads chunks, takes functions out of them.
  public func perform<Result: Sendable>(_ body: @Sendable (LuaState) throws -> Result) rethrows -> Result {
    try body(state)
  }

  /// Calls a function, which may wait, and copies its results.
  ///
  /// A cancelled task, or a spent `wallSeconds`, raises an error in Lua once, where the call waits or computes, so
  /// that `<close>` variables run; the call may not wait after that and has a tenth of a second to end. A spent
  /// budget of seconds or instructions in Lua ends it at once.
  public func call(
    _ function: LuaReference, _ arguments: [LuaValue] = [], budget: LuaBudget = .standard,
    limits: LuaTreeLimits = .standard
  ) async throws(LuaError) -> [LuaTree] {
    if Task.isCancelled { throw LuaError(.cancelled, "cancelled") }
    let coroutine = try state.takeCoroutine()
    coroutine.begin(budget)
    defer { state.giveBack(coroutine) }
    let cancellation = coroutine.cancellation
    do {
      return try await withTaskCancellationHandler {
        var slice = try state.start(coroutine, function, arguments, limits)
        while case .waiting(let wait) = slice {
          let outcome = await WaitOutcome.of(wait.operation, nanoseconds: coroutine.remaining)
          slice = try state.resume(coroutine, outcome, wait.name, limits)
        }
        guard case .finished(let results) = slice else { return [] }
        return results
      } onCancel: {
        cancellation.raise()
      }
    } catch let error as LuaError {
      throw error
    } catch {
      throw LuaError(.runtime, String(describing: error), underlying: error)
    }
  }
}
