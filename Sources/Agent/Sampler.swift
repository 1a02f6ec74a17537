import Model
import Scripting
import Synchronization

/// Samples what the runs of one target use: every second while they are young, for that is when memory grows, then
/// every five.
final class Sampler: Sendable {
  private struct Entry {
    var run: String
    var handle: Value
    var startedAt: Double
    var due: Double
  }
  private let entries = Mutex<[String: Entry]>([:])
  private let bell = Bell()
  private let clock: AgentClock
  private let give: @Sendable ([Sample]) -> Void

  private static let youngSeconds = 30.0
  private static let youngInterval = 1.0
  private static let interval = 5.0

  init(clock: AgentClock, give: @escaping @Sendable ([Sample]) -> Void) {
    self.clock = clock
    self.give = give
  }

  /// - Parameter startedAt: seconds since 1970.
  func add(_ token: String, run: String, _ handle: Value, startedAt: Double) {
    entries.withLock {
      $0[token] = Entry(
        run: run, handle: handle, startedAt: startedAt, due: clock.uptime() + Sampler.youngInterval)
    }
    bell.ring()
  }

  func remove(_ token: String) { entries.withLock { _ = $0.removeValue(forKey: token) } }

  func run(_ target: Target) async {
    while !Task.isCancelled {
      let uptime = clock.uptime()
      let now = clock.now()
      let (due, next) = entries.withLock { entries in
        var due: [Entry] = []
        var next: Double?
        for (token, entry) in entries {
          if entry.due <= uptime {
            let isYoung = now - entry.startedAt < Sampler.youngSeconds
            entries[token]?.due = uptime + (isYoung ? Sampler.youngInterval : Sampler.interval)
            due.append(entry)
          } else {
            next = min(next ?? entry.due, entry.due)
          }
        }
        return (due, next)
      }
      if due.isEmpty {
        await bell.wait(next.map { $0 - uptime }, clock)
      } else {
        await sample(due, target)
      }
    }
  }

  private func sample(_ due: [Entry], _ target: Target) async {
    let handles = due.map(\.handle)
    // A sample that fails is a gap in a plot and nothing else.
    guard
      let usages = try? await target.call(.stats, { (driver) throws(DriverFailure) in try await driver.stats(handles) })
    else { return }
    let now = clock.now()
    give(
      zip(due, usages).compactMap { entry, usage in
        usage.map {
          Sample(
            run: entry.run, at: now, cpu: $0.cpu, memory: $0.memory, gpu: $0.gpu, gpuMemory: $0.gpuMemory
          ).plausible
        }
      })
  }
}
