import Model

/// What of an offer decides whether it covers a need: two offers of one reach cover the same, however their probes put
/// it. Ten thousand agents have few reaches.
struct Reach: Sendable, Hashable {
  private struct Build: Hashable {
    var source: SourceKind
    var target: String
    /// Nil for "any builder".
    var name: String?
  }

  private var drivers: [String: Set<Capability>]
  private var builds: Set<Build>

  init(_ offer: Offer) {
    drivers = Dictionary(
      offer.drivers.filter { $0.probe.health == .healthy }.map { ($0.target, $0.provides) },
      uniquingKeysWith: { first, _ in first })
    builds = []
    for builder in offer.builders where builder.probe.health == .healthy {
      for source in builder.sources {
        for target in builder.targets {
          builds.insert(Build(source: source, target: target, name: nil))
          builds.insert(Build(source: source, target: target, name: builder.name))
        }
      }
    }
  }

  /// The same as `Coverage.covers` of the offer, without walking it.
  func covers(_ needs: [Need]) -> Bool {
    needs.allSatisfy { need in
      switch need.kind {
      case .driver(let target): drivers[target] != nil
      case .capability(let capability, let target): drivers[target]?.contains(capability) ?? false
      case .builder(let source, let target, let name):
        builds.contains(Build(source: source, target: target, name: name))
      }
    }
  }
}
