import Git
import Model
import Scripting
import Synchronization

/// Finds out what this agent can do, now: every driver narrowed by its probe, and every builder.
final class Prober: Sendable {
  private let targets: [Target]
  private let builders: [any Builder]
  private let clock: AgentClock
  private let log: AgentLog
  private let latest = Mutex(Offer())
  private let bell = Bell()

  /// Seconds between looks at targets that are well; a failure brings the next one forward.
  private static let interval = 60.0
  /// Seconds that one probe may take: a command that hangs must not hold up the others.
  private static let patience = 30.0
  /// Seconds between looks that failures ask for.
  private static let leastInterval = 2.0

  init(_ targets: [Target], _ builders: [any Builder], clock: AgentClock, log: @escaping AgentLog) {
    self.targets = targets
    self.builders = builders
    self.clock = clock
    self.log = log
  }

  var offer: Offer { latest.withLock { $0 } }

  /// Probes everything soon.
  func hurry() { bell.ring() }

  /// Probes everything at once, and gives what the agent offers.
  @discardableResult
  func probe() async -> Offer {
    async let drivers = withTaskGroup(of: Offer.Driver.self) { group in
      for target in targets { group.addTask { await self.probe(target) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    async let makers = withTaskGroup(of: Offer.Builder.self) { group in
      for builder in builders { group.addTask { await self.probe(builder) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let offer = await Offer(drivers: drivers, builders: makers)
    latest.withLock { $0 = offer }
    return offer
  }

  private func probe(_ target: Target) async -> Offer.Driver {
    var probe = await bounded { await target.driver.probe() }
    if let outage = target.outage { probe = Probe(.unhealthy, detail: outage) }
    // Whoever runs it, the agent fetches it.
    if target.driver.provides.contains(.gitSource), !GitProgram.isInstalled() {
      probe.lacks.insert(.gitSource)
      probe.detail += (probe.detail.isEmpty ? "" : "; ") + "there is no git"
    }
    return Offer.Driver(
      target: target.name, version: target.driver.version,
      provides: target.driver.provides.subtracting(probe.lacks), probe: probe)
  }

  private func probe(_ builder: any Builder) async -> Offer.Builder {
    Offer.Builder(
      name: builder.name, sources: GitProgram.isInstalled() ? builder.sources : builder.sources.subtracting([.git]),
      targets: builder.targets,
      probe: await bounded { await builder.probe() })
  }

  private func bounded(_ body: @escaping @Sendable () async -> Probe) async -> Probe {
    await withTaskGroup(of: Probe.self) { group in
      group.addTask(operation: body)
      group.addTask {
        try? await self.clock.sleep(Prober.patience)
        return Probe(.unhealthy, detail: "its probe did not answer within \(Int(Prober.patience)) s")
      }
      let first = await group.next()
      group.cancelAll()
      var probe = first ?? Probe(.undetected, detail: "its probe was cancelled")
      probe.detail = AgentProtocol.message(probe.detail)
      return probe
    }
  }

  /// Probes again and again until cancelled, and hands over the offer where what matters of it has changed.
  func run(_ changed: (Offer) -> Void) async {
    while !Task.isCancelled {
      // A plugin that rests is to be back in service when its rest is over.
      let rest = targets.compactMap(\.rest).min()
      await bell.wait(min(Prober.interval, rest ?? Prober.interval), clock)
      if Task.isCancelled { return }
      let old = offer
      let new = await probe()
      if Task.isCancelled { return }
      if Prober.matters(old) != Prober.matters(new) {
        tell(old, new)
        changed(new)
      }
      try? await clock.sleep(Prober.leastInterval)
    }
  }

  /// An offer without what may differ from one look to the next and changes nothing, such as free memory.
  private static func matters(_ offer: Offer) -> Offer {
    Offer(
      drivers: offer.drivers.map { driver in
        var driver = driver
        driver.probe.attributes = [:]
        return driver
      },
      builders: offer.builders.map { builder in
        var builder = builder
        builder.probe.attributes = [:]
        return builder
      })
  }

  private func tell(_ old: Offer, _ new: Offer) {
    for driver in new.drivers {
      let before = old.driver(for: driver.target)?.probe.health
      guard before != driver.probe.health else { continue }
      log(
        AgentEvent(
          driver.probe.health == .healthy ? .info : .warning, "probe_changed",
          "target `\(driver.target)` is \(driver.probe.health.rawValue) now: \(driver.probe.detail)",
          ["target": driver.target]))
    }
    for builder in new.builders {
      let before = old.builders.first { $0.name == builder.name }?.probe.health
      guard before != builder.probe.health else { continue }
      log(
        AgentEvent(
          builder.probe.health == .healthy ? .info : .warning, "probe_changed",
          "builder `\(builder.name)` is \(builder.probe.health.rawValue) now: \(builder.probe.detail)",
          ["builder": builder.name]))
    }
  }
}
