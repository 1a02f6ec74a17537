/// The capability check: one pure comparison of what is needed with what is offered. `check`, an agent's start,
/// registration, reload, enqueue and every lease use this function and these words.
public enum Coverage {
  /// A need that an offer does not meet.
  public struct Gap: Sendable, Hashable, Codable {
    public var need: Need
    /// What the offer has instead: `no driver named slurm is installed`, `its probe says: sbatch not found in PATH`.
    public var fact: String

    public init(need: Need, fact: String) {
      self.need = need
      self.fact = fact
    }
  }

  /// Every need that `offer` does not meet, in the order of `needs`. Empty means: covered.
  public static func gaps(_ needs: [Need], in offer: Offer) -> [Gap] {
    var missingDrivers: Set<String> = []
    return needs.compactMap { need in
      switch need.kind {
      case .driver(let target):
        guard let fact = driverFact(target, offer) else { return nil }
        missingDrivers.insert(target)
        return Gap(need: need, fact: fact)
      case .capability(let capability, let target):
        if let fact = driverFact(target, offer) {
          // The missing driver is told once, by the need that names it; its capabilities would only repeat it.
          if missingDrivers.contains(target) { return nil }
          return Gap(need: need, fact: fact)
        }
        guard let driver = offer.driver(for: target), !driver.provides.contains(capability) else { return nil }
        if driver.probe.lacks.contains(capability) {
          let detail = driver.probe.detail.isEmpty ? "" : ": \(driver.probe.detail)"
          return Gap(need: need, fact: "driver `\(target)` has it, but not on this machine\(detail)")
        }
        let provided = driver.provides.sorted().map(\.rawValue).joined(separator: ", ")
        return Gap(need: need, fact: "driver `\(target)` provides: \(provided.isEmpty ? "nothing" : provided)")
      case .builder(let source, let target, let name):
        guard let fact = builderFact(source, target, name, offer) else { return nil }
        return Gap(need: need, fact: fact)
      }
    }
  }

  /// Whether `offer` meets every need. The same as `gaps(...).isEmpty`, without making the report.
  public static func covers(_ needs: [Need], _ offer: Offer) -> Bool {
    needs.allSatisfy { need in
      switch need.kind {
      case .driver(let target): offer.driver(for: target)?.probe.health == .healthy
      case .capability(let capability, let target):
        offer.driver(for: target).map { $0.probe.health == .healthy && $0.provides.contains(capability) } ?? false
      case .builder(let source, let target, let name): builderFact(source, target, name, offer) == nil
      }
    }
  }

  private static func driverFact(_ target: String, _ offer: Offer) -> String? {
    guard let driver = offer.driver(for: target) else {
      let targets = offer.drivers.map(\.target).joined(separator: ", ")
      return "no driver of target `\(target)` is installed; installed: \(targets.isEmpty ? "none" : targets)"
    }
    if driver.probe.health == .healthy { return nil }
    let detail = driver.probe.detail.isEmpty ? driver.probe.health.rawValue : driver.probe.detail
    return "driver `\(target)` is installed, but its probe says: \(detail)"
  }

  private static func builderFact(
    _ source: SourceKind, _ target: String, _ name: String?, _ offer: Offer
  ) -> String? {
    let named = offer.builders.filter { name == nil || $0.name == name }
    let candidates = named.filter { $0.sources.contains(source) && $0.targets.contains(target) }
    if candidates.contains(where: { $0.probe.health == .healthy }) { return nil }
    if let sick = candidates.first {
      let detail = sick.probe.detail.isEmpty ? sick.probe.health.rawValue : sick.probe.detail
      return "builder `\(sick.name)` is installed, but its probe says: \(detail)"
    }
    if let other = named.first, name != nil {
      let sources = other.sources.map(\.rawValue).sorted().joined(separator: ", ")
      return "builder `\(other.name)` makes \(sources) jobs for \(other.targets.sorted().joined(separator: ", "))"
    }
    let names = offer.builders.map(\.name).joined(separator: ", ")
    let installed = "installed: \(names.isEmpty ? "none" : names)"
    if let name { return "no builder `\(name)` is installed; \(installed)" }
    return "no builder makes \(source.rawValue) jobs for target `\(target)`; \(installed)"
  }
}

extension Coverage {
  /// The outcome of checking one agent against the queues it polls.
  public struct Report: Sendable, Hashable, Codable {
    public struct Entry: Sendable, Hashable, Codable {
      public var queue: String
      public var gap: Gap
      public init(queue: String, gap: Gap) {
        self.queue = queue
        self.gap = gap
      }
    }
    public var agent: String
    public var entries: [Entry]

    public init(agent: String, entries: [Entry]) {
      self.agent = agent
      self.entries = entries
    }

    public var isCovered: Bool { entries.isEmpty }
    /// Queues with at least one gap.
    public var refused: Set<String> { Set(entries.map(\.queue)) }
  }

  /// Checks an agent's offer against every queue that it polls.
  public static func report(agent: String, queues: [(name: String, needs: [Need])], offer: Offer) -> Report {
    Report(
      agent: agent,
      entries: queues.flatMap { queue in
        gaps(queue.needs, in: offer).map { Report.Entry(queue: queue.name, gap: $0) }
      })
  }
}
