import Model
import Scripting

extension Target {
  /// Kills what runs under a handle and clears it away. When it returns, the target has said that nothing of it runs.
  /// - Parameter seconds: fails where it still runs after so long; nil waits for as long as it takes.
  func evict(_ handle: Value, within seconds: Double?) async throws(DriverFailure) {
    let end = seconds.map { clock.uptime() + $0 }
    var backoff = Backoff(least: 0.2, most: 5)
    while true {
      if driver.provides.contains(.stop) {
        // Some targets take a stop and carry it out later, and some forget it.
        try await persist(.stop, tries: 5) { (driver) throws(DriverFailure) in
          try await driver.stop(handle, StopOrder(grace: 0))
        }
      }
      let rows = try await persist(.poll, tries: 5) { (driver) throws(DriverFailure) in try await driver.poll([handle])
      }
      if rows.first?.state.isOver ?? true { break }
      if let end, clock.uptime() > end {
        throw DriverFailure(.timeout, "it still runs \(Int(seconds ?? 0)) s after it was to stop", retry: .safe)
      }
      do { try await clock.sleep(backoff.next(clock.random())) } catch {
        throw DriverFailure(.cancelled, "the agent is stopping")
      }
    }
    try await persist(.forget, tries: 5) { (driver) throws(DriverFailure) in try await driver.forget(handle) }
  }
}
