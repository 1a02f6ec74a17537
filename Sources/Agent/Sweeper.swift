import Model
import Scripting

/// Clears away what is on a target by this agent's doing and belongs to no attempt that it knows of: the leavings of a
/// start that seemed to fail, of a target that could not be reached when its run was cleared away, of a lost journal.
struct Sweeper: Sendable {
  let targets: [Target]
  let journal: Journal
  let roster: Roster
  let prober: Prober
  let clock: AgentClock
  let log: AgentLog

  /// Seconds between sweeps: what is left behind costs money, and a list is one request.
  private static let interval = 300.0
  /// Seconds in which what runs should obey its stop; else the next sweep sees it again.
  private static let patience = 60.0

  /// Sweeps at once, and then now and then until cancelled.
  func run() async {
    while !Task.isCancelled {
      for target in targets where target.driver.provides.contains(.list) {
        guard prober.offer.driver(for: target.name)?.probe.health == .healthy else { continue }
        await sweep(target)
      }
      try? await clock.sleep(Sweeper.interval)
    }
  }

  private func sweep(_ target: Target) async {
    // Looked at before and after: an attempt that begins meanwhile is known after, one that ends was known before.
    let before = known
    let listed: [Listed]
    do throws(DriverFailure) {
      listed = try await target.call(.list) { (driver) throws(DriverFailure) in try await driver.list() }
    } catch {
      if error.code != .cancelled {
        log(
          AgentEvent(
            .warning, "sweep_failed", "target `\(target.name)` cannot say what is on it: \(error.message)",
            ["target": target.name]))
      }
      return
    }
    let known = before.union(known)
    for orphan in listed where !known.contains(orphan.token) {
      if Task.isCancelled { return }
      await clear(orphan, target)
    }
  }

  private var known: Set<String> {
    Set(journal.all.map(\.token)).union(roster.all.map(\.token))
  }

  private func clear(_ orphan: Listed, _ target: Target) async {
    let fields = ["target": target.name, "token": orphan.token]
    do throws(DriverFailure) {
      try await target.evict(orphan.handle, within: Sweeper.patience)
      log(
        AgentEvent(
          .warning, "orphan_cleared",
          "cleared away \(orphan.token) on target `\(target.name)`, which no run of this agent knows of", fields))
    } catch {
      if error.code == .cancelled { return }
      log(
        AgentEvent(
          .warning, "orphan_left",
          "\(orphan.token) on target `\(target.name)` belongs to no run of this agent and cannot be cleared away: "
            + error.message, fields))
    }
  }
}
