import Model
import Scripting

/// Builds under way: one for each builder and key, however many runs wait for it. Each of them gets the whole output,
/// also what was printed before it came.
actor Builds {
  private struct Work {
    var task: Task<Void, Never>
    /// Nobody waits for it any more; it is ending.
    var isCancelled = false
    var printed: [UInt8] = []
    var listeners: [Int: @Sendable ([UInt8]) -> Void] = [:]
    var waiters: [Int: CheckedContinuation<Result<BuildResult, DriverFailure>, Never>] = [:]
  }
  private var works: [String: Work] = [:]
  private var next = 0

  /// Bytes of a build's output that are kept for runs that come later; what follows goes only to those that listen.
  private static let keptBytes = 4 << 20

  /// Builds, or waits for the same build under way.
  ///
  /// Where the task is cancelled, the build itself goes on as long as others wait for it.
  /// - Parameter listen: is given the output in order; called without waiting.
  func build(
    _ request: BuildRequest, key: String, with builder: any Builder, listen: @escaping @Sendable ([UInt8]) -> Void
  ) async throws(DriverFailure) -> BuildResult {
    let name = "\(builder.name)/\(key)"
    next += 1
    let number = next
    // Two builds of one key must not work on one folder at a time, though the first is being given up.
    while let ending = works[name], ending.isCancelled { await ending.task.value }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        join(name, number, continuation, listen, request, key, builder)
      }
    } onCancel: {
      Task { await leave(name, number) }
    }
    return try result.get()
  }

  private func join(
    _ name: String, _ number: Int, _ waiter: CheckedContinuation<Result<BuildResult, DriverFailure>, Never>,
    _ listen: @escaping @Sendable ([UInt8]) -> Void, _ request: BuildRequest, _ key: String, _ builder: any Builder
  ) {
    if Task.isCancelled {
      waiter.resume(returning: .failure(Builds.cancelled))
      return
    }
    if works[name] == nil {
      works[name] = Work(
        task: Task {
          let result: Result<BuildResult, DriverFailure>
          do throws(DriverFailure) {
            result = .success(
              try await builder.build(request, key: key) { [weak self] bytes in await self?.printed(name, bytes) })
          } catch {
            result = .failure(error)
          }
          finish(name, result)
        })
    }
    if let printed = works[name]?.printed, !printed.isEmpty { listen(printed) }
    works[name]?.listeners[number] = listen
    works[name]?.waiters[number] = waiter
  }

  private func printed(_ name: String, _ bytes: [UInt8]) {
    guard let work = works[name] else { return }
    if work.printed.count < Builds.keptBytes { works[name]?.printed += bytes }
    for listen in work.listeners.values { listen(bytes) }
  }

  private func finish(_ name: String, _ result: Result<BuildResult, DriverFailure>) {
    guard let work = works.removeValue(forKey: name) else { return }
    for waiter in work.waiters.values { waiter.resume(returning: result) }
  }

  private func leave(_ name: String, _ number: Int) {
    works[name]?.listeners[number] = nil
    guard let waiter = works[name]?.waiters.removeValue(forKey: number) else { return }
    waiter.resume(returning: .failure(Builds.cancelled))
    guard let work = works[name], work.waiters.isEmpty else { return }
    works[name]?.isCancelled = true
    work.task.cancel()
  }

  private static let cancelled = DriverFailure(.cancelled, "the build was cancelled")
}
