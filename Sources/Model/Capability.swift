/// Something that a driver can do, declared by name in `provides` of its plugin. Absence means no.
public struct Capability: RawRepresentable, Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
  public var rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
  public init(_ name: String) { rawValue = name }
  public var description: String { rawValue }
  public static func < (a: Capability, b: Capability) -> Bool { a.rawValue < b.rawValue }

  public init(from decoder: any Decoder) throws { rawValue = try decoder.singleValueContainer().decode(String.self) }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
}

extension Capability {
  public static let imageSource = Capability("source.image")
  public static let codeSource = Capability("source.code")
  public static let gitSource = Capability("source.git")
  public static let stop = Capability("stop")
  public static let signal = Capability("signal")
  public static let logs = Capability("logs.tail")
  public static let stats = Capability("stats")
  public static let exec = Capability("exec")
  public static let list = Capability("list")
  public static let watch = Capability("watch")
  public static let gpu = Capability("gpu")
  public static let array = Capability("array")
  public static let nodes = Capability("nodes")
  public static let preemption = Capability("preempt.detect")
  public static let secrets = Capability("secrets")
  public static let memoryLimit = Capability("limit.memory")
  public static let cpuLimit = Capability("limit.cpu")

  /// One row of the registry: what a capability promises and what a plugin must define to declare it.
  public struct Entry: Sendable, Hashable {
    public var capability: Capability
    /// What it promises, in one sentence.
    public var doc: String
    /// Functions that a driver must define where it declares this, and only then.
    public var functions: [String]
  }

  /// Every capability there is. A name outside this table is an error where it is declared or required.
  public static let registry: [Entry] = [
    Entry(capability: .imageSource, doc: "runs jobs from a container image", functions: []),
    Entry(
      capability: .codeSource, doc: "runs jobs from a folder of code, in an environment that a builder made",
      functions: []),
    Entry(
      capability: .gitSource, doc: "runs jobs from a git checkout, in an environment that a builder made", functions: []
    ),
    Entry(capability: .stop, doc: "stops a run on request, with a grace period", functions: ["stop"]),
    Entry(capability: .signal, doc: "sends a run a signal", functions: ["signal"]),
    Entry(capability: .logs, doc: "gives a run's output while it runs, resumable at an offset", functions: ["logs"]),
    Entry(capability: .stats, doc: "samples a run's CPU, memory and GPU use", functions: ["stats"]),
    Entry(capability: .exec, doc: "runs a command beside a run", functions: ["exec"]),
    Entry(
      capability: .list, doc: "lists everything on the target that carries this agent's label", functions: ["list"]),
    Entry(
      capability: .watch, doc: "hears of changes on the target as they happen, beside being asked",
      functions: ["watch"]),
    Entry(capability: .gpu, doc: "gives runs GPUs", functions: []),
    Entry(capability: .array, doc: "runs arrays of tasks as one run", functions: []),
    Entry(capability: .nodes, doc: "runs one run on several nodes", functions: []),
    Entry(capability: .preemption, doc: "tells preemption from failure", functions: []),
    Entry(capability: .secrets, doc: "hands secrets to a run without showing them", functions: []),
    Entry(capability: .memoryLimit, doc: "holds a run to a memory limit", functions: []),
    Entry(capability: .cpuLimit, doc: "holds a run to a CPU limit", functions: []),
  ]

  public static let known: [Capability: Entry] = Dictionary(
    uniqueKeysWithValues: registry.map { ($0.capability, $0) })

  /// What a driver must provide to run a source of `kind` that no builder turned into an image.
  public static func running(_ kind: SourceKind) -> Capability {
    switch kind {
    case .code: .codeSource
    case .git: .gitSource
    case .image: .imageSource
    }
  }
}

/// Whether a target or builder is usable from an agent's machine now.
public struct Probe: Sendable, Hashable, Codable {
  public enum Health: String, Sendable, Hashable, Codable {
    case healthy, unhealthy, undetected
  }
  public var health: Health
  /// For people: `sbatch not found in PATH`.
  public var detail: String
  public var attributes: [String: Value]
  /// Capabilities that the driver declares and this machine has not: they are taken from its offer.
  public var lacks: Set<Capability>

  public init(
    _ health: Health, detail: String = "", attributes: [String: Value] = [:], lacks: Set<Capability> = []
  ) {
    self.health = health
    self.detail = detail
    self.attributes = attributes
    self.lacks = lacks
  }
}

/// What an agent can do, proved on its machine: drivers narrowed by their probes, and builders.
public struct Offer: Sendable, Hashable, Codable {
  public struct Driver: Sendable, Hashable, Codable {
    public var target: String
    public var version: String
    public var provides: Set<Capability>
    public var probe: Probe

    public init(target: String, version: String, provides: Set<Capability>, probe: Probe) {
      self.target = target
      self.version = version
      self.provides = provides
      self.probe = probe
    }
  }

  public struct Builder: Sendable, Hashable, Codable {
    public var name: String
    /// Kinds of source that it builds from.
    public var sources: Set<SourceKind>
    /// Targets whose runs it builds for.
    public var targets: Set<String>
    public var probe: Probe

    public init(name: String, sources: Set<SourceKind>, targets: Set<String>, probe: Probe) {
      self.name = name
      self.sources = sources
      self.targets = targets
      self.probe = probe
    }
  }

  public var drivers: [Driver]
  public var builders: [Builder]

  public init(drivers: [Driver] = [], builders: [Builder] = []) {
    self.drivers = drivers.sorted { $0.target < $1.target }
    self.builders = builders.sorted { $0.name < $1.name }
  }

  public func driver(for target: String) -> Driver? { drivers.first { $0.target == target } }
}
