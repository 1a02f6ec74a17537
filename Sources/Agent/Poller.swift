import Model
import Scripting
import Synchronization

/// Asks a target where its runs stand, all that are due in one call.
final class Poller: Sendable {
  private struct Entry {
    var charge: Charge
    var handle: Value
    var due: Double
    var interval: Double
    /// When it was last looked at.
    var seen = 0.0
  }
  private let entries = Mutex<[String: Entry]>([:])
  private let bell = Bell()
  /// Rung when the first run comes, and when the last one goes.
  let presence = Bell()
  private let clock: AgentClock
  private let target: String

  /// Seconds to the first look at a run that was just started, and to the next ones: each time longer, up to the
  /// driver's own interval. Targets that notice an end by themselves wake us before.
  private static let firstSeconds = 0.1
  private static let growth = 1.6
  private let mostSeconds: Double
  /// Seconds by which looks are put together: one call for many runs. Longer intervals have a coarser grid, so that runs
  /// which began at different times come together as they grow old.
  private static let gridSeconds = 0.25
  /// Seconds between looks that a target's news ask for: a hundred changes at once are one look.
  private static let newsSeconds = 0.1
  /// Handles in one call.
  private static let batchMax = 500

  init(_ target: String, mostSeconds: Double, clock: AgentClock) {
    self.target = target
    self.mostSeconds = max(mostSeconds, Poller.firstSeconds)
    self.clock = clock
  }

  /// Looks at a run from now on.
  /// - Parameter soon: at once; else after the usual first wait.
  func add(_ charge: Charge, _ handle: Value, soon: Bool) {
    let due = soon ? 0 : clock.uptime() + Poller.firstSeconds
    entries.withLock {
      $0[charge.token] = Entry(charge: charge, handle: handle, due: due, interval: Poller.firstSeconds)
      // Its end may have been noticed before it was watched, while nobody could be woken.
      if charge.hasEnded { $0[charge.token]?.due = 0 }
    }
    bell.ring()
    presence.ring()
  }

  func remove(_ token: String) {
    let isLast = entries.withLock { entries in
      entries.removeValue(forKey: token)
      return entries.isEmpty
    }
    if isLast { presence.ring() }
  }

  /// Nothing is looked at.
  var isEmpty: Bool { entries.withLock { $0.isEmpty } }

  /// Looks at every run at once: something has changed on the target.
  func wakeAll() {
    let now = clock.uptime()
    entries.withLock { entries in
      for (token, entry) in entries {
        entries[token]?.due = min(entry.due, max(now, entry.seen + Poller.newsSeconds))
      }
    }
    bell.ring()
  }

  /// Looks at a run at once, and often again for a while. Gives false where it does not watch it.
  @discardableResult
  func wake(_ token: String) -> Bool {
    let isOurs = entries.withLock { entries in
      guard entries[token] != nil else { return false }
      entries[token]?.due = 0
      entries[token]?.interval = Poller.firstSeconds
      return true
    }
    if isOurs { bell.ring() }
    return isOurs
  }

  func run(_ target: Target) async {
    while !Task.isCancelled {
      let now = clock.uptime()
      let (due, next) = entries.withLock { entries in
        var due: [Entry] = []
        var next: Double?
        for (token, entry) in entries {
          if entry.due <= now, due.count < Poller.batchMax {
            // Before the call, so that a wake during it is not lost.
            entries[token]?.interval = min(entry.interval * Poller.growth, mostSeconds)
            entries[token]?.due = Poller.next(now, entry.interval)
            entries[token]?.seen = now
            due.append(entry)
          } else {
            next = min(next ?? entry.due, entry.due)
          }
        }
        return (due, next)
      }
      if due.isEmpty {
        await bell.wait(next.map { $0 - now }, clock)
      } else {
        await look(due, target)
      }
    }
  }

  /// When a run is due again: a point of the finest grid after `now`, or of a coarser one no later than the interval.
  static func next(_ now: Double, _ interval: Double) -> Double {
    var grid = gridSeconds
    while grid * 2 <= interval { grid *= 2 }
    let point = (now + interval) / grid
    return (interval < grid ? point.rounded(.up) : point.rounded(.down)) * grid
  }

  private func look(_ due: [Entry], _ target: Target) async {
    let handles = due.map(\.handle)
    do throws(DriverFailure) {
      let rows = try await target.call(.poll) { (driver) throws(DriverFailure) in try await driver.poll(handles) }
      for (entry, row) in zip(due, rows) { entry.charge.tell(row) }
    } catch {
      if due.count > 1, error.retry == .never {
        // One handle that the driver cannot read must not blind us for the others.
        for entry in due { await look([entry], target) }
        return
      }
      // What cannot be seen is not lost: it is looked for again, ever more rarely.
      for entry in due {
        entry.charge.tell(Observation(.unknown, message: "target `\(self.target)` cannot be asked: \(error.message)"))
      }
    }
  }
}
