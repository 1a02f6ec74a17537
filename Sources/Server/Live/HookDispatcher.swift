import Model
import Scripting
import Storage
import Synchronization

/// Calls the hooks that queues name. Called after the event was committed; what it does is not part of the event.
public protocol HookCaller: Sendable {
  /// - Throws: what went wrong, for the log; the call is not made again.
  func call(_ hook: String, event: HookEvent, run: RunView) async throws
}

extension HookEvent {
  /// What a step of a run is to hooks; nil where they are not told of it.
  init?(_ change: RunChange) {
    if change.from == change.to { return nil }
    switch (change.from, change.to) {
    case (nil, .queued): self = .queued
    case (.leased?, .queued), (.building?, .queued): return nil
    case (_, .queued): self = .retried
    case (_, .running): self = .started
    case (_, .succeeded): self = .finished
    case (_, .stopped): self = .killed
    case (_, .lost): self = .crashed
    case (_, .failed):
      self = VisibleState(.failed, reason: change.reason, served: true) == .crashed ? .crashed : .failed
    default: return nil
    }
  }
}

/// Calls hooks in the order of events, one at a time, through a bounded queue: a hook that hangs delays other hooks and
/// nothing else.
final class HookDispatcher: Sendable {
  /// Calls that may wait; later ones are dropped and counted.
  static let waitingMax = 1_024

  struct Call: Sendable {
    var hooks: [String]
    var event: HookEvent
    var run: String
  }

  enum Outcome: String, Sendable {
    case called, failed, dropped
  }

  private let calls: AsyncStream<Call>.Continuation
  private let work: Task<Void, Never>
  private let count: @Sendable (Outcome) -> Void

  /// - Parameters:
  ///   - view: a run as it is now; nil where it is gone.
  ///   - count: called with the outcome of each call.
  init(
    _ caller: (any HookCaller)?, view: @escaping @Sendable (String) async -> RunView?,
    log: @escaping @Sendable (String) -> Void, count: @escaping @Sendable (Outcome) -> Void
  ) {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Call.self, bufferingPolicy: .bufferingOldest(Self.waitingMax))
    calls = continuation
    self.count = count
    work = Task {
      for await call in stream {
        guard let caller, let run = await view(call.run) else { continue }
        for hook in call.hooks {
          do {
            try await caller.call(hook, event: call.event, run: run)
            count(.called)
          } catch {
            count(.failed)
            log("hook `\(hook)` failed on \(call.event.rawValue) of run \(call.run): \(error)")
          }
        }
      }
    }
  }

  func add(_ call: Call) {
    if case .dropped = calls.yield(call) { count(.dropped) }
  }

  /// Finishes what waits.
  func close() async {
    calls.finish()
    await work.value
  }
}
