import Model
import Scripting

/// Keeps a driver's `watch` going for as long as runs are on its target, so that their changes are looked at the moment
/// they happen. Polls go on beside it: what it misses is seen a little later.
final class Watcher: Sendable {
  private let clock: AgentClock
  private let log: AgentLog

  /// Seconds between tries to watch a target that does not let us.
  private static let leastSeconds = 1.0
  private static let mostSeconds = 60.0

  init(clock: AgentClock, log: @escaping AgentLog) {
    self.clock = clock
    self.log = log
  }

  func run(_ target: Target) async {
    var backoff = Backoff(least: Watcher.leastSeconds, most: Watcher.mostSeconds)
    var told: String?
    while !Task.isCancelled {
      guard !target.poller.isEmpty else {
        await target.poller.presence.wait(nil, clock)
        continue
      }
      let begun = clock.uptime()
      let failure = await watch(target)
      if Task.isCancelled { return }
      // Once for each thing that goes wrong, not for each try.
      if let failure, failure.message != told {
        log(
          AgentEvent(
            .warning, "watch_failed",
            "target `\(target.name)` cannot be watched, only asked now and then: \(failure.message)",
            ["target": target.name, "detail": failure.detail ?? ""]))
      }
      told = failure?.message
      if clock.uptime() - begun > Watcher.mostSeconds { backoff.reset() }
      if !target.poller.isEmpty { try? await clock.sleep(backoff.next(clock.random())) }
    }
  }

  /// Watches until that ends, or nothing is on the target any more. Gives what went wrong, if it was the target.
  private func watch(_ target: Target) async -> DriverFailure? {
    await withTaskGroup(of: DriverFailure?.self) { group in
      group.addTask {
        do throws(DriverFailure) {
          // Not counted among the plugin's bugs: a driver that polls well is of use though its watch is broken.
          try await target.driver.watch { target.poller.wakeAll() }
          return nil
        } catch { return error.code == .cancelled ? nil : error }
      }
      group.addTask {
        while !Task.isCancelled, !target.poller.isEmpty { await target.poller.presence.wait(nil, self.clock) }
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
