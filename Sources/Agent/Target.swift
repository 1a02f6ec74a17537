import Model
import Scripting
import Synchronization

enum DriverFunction: String, Sendable, Hashable {
  case plan, start, find, poll, stop, forget, logs, stats, list
}

/// One driver with what the agent keeps about it: how often its plugin broke, and the runs it watches.
final class Target: Sendable {
  let driver: any Driver
  let poller: Poller
  let sampler: Sampler?
  private let watcher: Watcher?
  private let breaker = Mutex(Breaker())
  let clock: AgentClock
  private let log: AgentLog
  /// Called when it is to be probed again, or its offer changed.
  private let suspect: @Sendable () -> Void

  /// Raised errors in a row after which a plugin is taken out of service.
  static let bugsMax = 5
  /// Seconds for which it then gets no run, before it is probed and tried again.
  static let restSeconds = 60.0

  private struct Breaker {
    /// By function: one that always works must not hide one that never does.
    var bugs: [DriverFunction: Int] = [:]
    var openUntil = 0.0
    var message = ""
  }

  init(
    _ driver: any Driver, clock: AgentClock, log: @escaping AgentLog, samples: @escaping @Sendable ([Sample]) -> Void,
    suspect: @escaping @Sendable () -> Void
  ) {
    self.driver = driver
    self.clock = clock
    self.log = log
    self.suspect = suspect
    poller = Poller(driver.target, mostSeconds: driver.pollInterval, clock: clock)
    sampler = driver.provides.contains(.stats) ? Sampler(clock: clock, give: samples) : nil
    watcher = driver.provides.contains(.watch) ? Watcher(clock: clock, log: log) : nil
  }

  var name: String { driver.target }
  var providesLogs: Bool { driver.provides.contains(.logs) }
  /// It runs folders of code, not images.
  var takesFolders: Bool { !driver.provides.isDisjoint(with: [.codeSource, .gitSource]) }

  /// Why it is out of service, where it is.
  var outage: String? {
    breaker.withLock { breaker in
      guard breaker.openUntil > clock.uptime() else { return nil }
      return "its plugin failed \(Target.bugsMax) times in a row, the last time so: \(breaker.message)"
    }
  }

  /// Seconds until it may be tried again, where it is out of service.
  var rest: Double? {
    breaker.withLock { $0.openUntil > clock.uptime() ? $0.openUntil - clock.uptime() : nil }
  }

  /// Calls the driver once, and counts how that went.
  func call<Result>(
    _ function: DriverFunction, _ body: (any Driver) async throws(DriverFailure) -> Result
  ) async throws(DriverFailure) -> Result {
    do throws(DriverFailure) {
      let result = try await body(driver)
      breaker.withLock { _ = $0.bugs.removeValue(forKey: function) }
      return result
    } catch {
      count(error, function)
      throw error
    }
  }

  private func count(_ failure: DriverFailure, _ function: DriverFunction) {
    if failure.code == .cancelled { return }
    guard failure.code == .bug else {
      breaker.withLock { _ = $0.bugs.removeValue(forKey: function) }
      if failure.code == .unavailable || failure.code == .auth { suspect() }
      return
    }
    let isOut = breaker.withLock { breaker in
      breaker.bugs[function, default: 0] += 1
      breaker.message = failure.message
      guard breaker.bugs[function, default: 0] >= Target.bugsMax else { return false }
      // One more after the rest opens it again.
      breaker.bugs[function] = Target.bugsMax - 1
      let wasOut = breaker.openUntil > clock.uptime()
      breaker.openUntil = clock.uptime() + Target.restSeconds
      return !wasOut
    }
    let why = failure.message + (failure.hint.map { "; \($0)" } ?? "")
    log(
      AgentEvent(
        .error, "driver_bug", "the plugin of target `\(name)` failed: \(why)",
        ["target": name, "detail": failure.detail ?? ""]))
    if isOut {
      log(
        AgentEvent(
          .error, "driver_out",
          "target `\(name)` gets no runs for \(Int(Target.restSeconds)) s: its plugin failed \(Target.bugsMax) times "
            + "in a row", ["target": name]))
      suspect()
    }
  }

  /// Calls the driver until it answers, or fails in a way that trying again does not mend.
  /// - Parameters:
  ///   - tries: calls at most; nil goes on for as long as the failures may pass.
  ///   - failed: is told each failure after which it is tried again.
  @discardableResult
  func persist<Result>(
    _ function: DriverFunction, tries: Int?, failed: (DriverFailure) -> Void = { _ in },
    _ body: (any Driver) async throws(DriverFailure) -> Result
  ) async throws(DriverFailure) -> Result {
    var backoff = Backoff(least: 0.2, most: 10)
    var left = tries ?? .max
    while true {
      do throws(DriverFailure) {
        return try await call(function, body)
      } catch {
        left -= 1
        let wait: Double
        switch error.retry {
        case .safe, .unknownEffect: wait = backoff.next(clock.random())
        // A target may ask for patience, but not without end.
        case .after(let seconds): wait = min(max(seconds, 0.05), 300)
        case .never: throw error
        }
        guard left > 0, error.code != .bug else { throw error }
        failed(error)
        do { try await clock.sleep(wait) } catch { throw DriverFailure(.cancelled, "the agent is stopping") }
      }
    }
  }

  /// Watches its runs until cancelled.
  func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.poller.run(self) }
      if let sampler { group.addTask { await sampler.run(self) } }
      if let watcher { group.addTask { await watcher.run(self) } }
    }
  }
}
