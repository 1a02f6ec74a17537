import Model
import Scripting

extension Attempt {
  /// Earlier attempts that are asked for at most; each that came to a start has asked for those before it.
  private static let earlierMax = 100

  /// Ends earlier attempts of the run that the target still has.
  ///
  /// The server gave them up for lost because it heard nothing of their agent, and nobody has asked the target: on a
  /// cluster they may well be alive. No run may run twice, so this one starts only when the target says that they are
  /// over.
  func endEarlier(_ target: Target) async throws(Halt) {
    for attempt in (max(1, lease.attempt - Attempt.earlierMax)..<lease.attempt).reversed() {
      try await untilStopped { () throws(Halt) in try await end(attempt, target) }
    }
  }

  private func end(_ attempt: Int, _ target: Target) async throws(Halt) {
    guard let handle = try await find("\(lease.run)-\(attempt)", target) else { return }
    shop.log(
      event(
        .warning, "earlier_attempt", "attempt \(attempt) of run \(lease.name) is still on the target; ending it first",
        ["target": target.name]))
    shop.reporter.send(update(.starting, "ending attempt \(attempt), which is still on target `\(target.name)`"))
    while true {
      do throws(DriverFailure) {
        return try await target.evict(handle, within: nil)
      } catch {
        if Task.isCancelled || error.code == .cancelled { throw .suspended }
        guard error.retry != .never, error.code != .bug else {
          throw .ended(
            Ending(
              .failed, .start,
              message: "attempt \(attempt) is still on the target and cannot be ended: \(error.message)"))
        }
        shop.reporter.send(
          update(.starting, "attempt \(attempt) is still on target `\(target.name)`: \(error.message)"))
      }
    }
  }

  /// Does `body`, and cuts it off where a stop is asked for meanwhile.
  func untilStopped<Result: Sendable>(
    _ body: @escaping @Sendable () async throws(Halt) -> Result
  ) async throws(Halt) -> Result {
    let task = Task { () async -> Swift.Result<Result, Halt> in
      do throws(Halt) { return .success(try await body()) } catch { return .failure(error) }
    }
    charge.onStop { task.cancel() }
    let result = await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
    charge.onStop(nil)
    // A cancelled step fails in its own words; why it was cancelled counts.
    try heed()
    return try result.get()
  }
}
