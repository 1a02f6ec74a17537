/// A queue as its owner defined it. What is in one generation of the configuration never changes; an edit makes a new
/// generation.
public struct Queue: Sendable, Hashable, Codable {
  public var name: String
  public var entity: String
  public var target: String
  /// Name of the builder that builds its jobs, or `noBuilder`; nil where any may.
  public var builder: String?
  /// The resource document, with defaults and shared configs merged in, holes still open.
  public var resource: Node
  /// What an agent needs to run this queue: the target, `requires`, and what the config implies.
  public var needs: [Need]
  /// Runs may state a priority; without this all are equal.
  public var priorities: Bool
  /// Live attempts at most; nil means no limit.
  public var concurrency: Int?
  public var retry: RetryPolicy
  /// Seconds an attempt may take from its start; nil means no limit.
  public var timeout: Double?
  /// Seconds a run may wait in the queue; nil means for ever.
  public var queueTimeout: Double?
  /// Seconds between the polite stop and the kill.
  public var grace: Double
  public var override: Override
  /// Holes of the resource by name; where several share a name, the first.
  public var variables: [String: Schema]
  public var links: [Link]
  /// Names of the hooks to call on this queue's events.
  public var hooks: [String]
  /// Where it is declared; nil for queues made through the API.
  public var place: Place?
  /// What the target's driver takes, so that a run's needs can be worked out without the driver.
  public var takes: Set<Capability>

  public struct Link: Sendable, Hashable, Codable {
    public var label: String
    public var url: String
    public init(label: String, url: String) {
      self.label = label
      self.url = url
    }
  }

  /// What a submitter may change.
  public enum Override: Sendable, Hashable, Codable {
    /// Nothing, variables neither.
    case none
    /// All variables and any part of the resource.
    case any
    /// These variables and these top-level keys of the resource.
    case only([String])
    /// Where the queue says nothing: every variable, no other part.
    case variables

    public func allows(variable name: String) -> Bool {
      switch self {
      case .none: false
      case .any, .variables: true
      case .only(let names): names.contains(name)
      }
    }

    public func allows(key: String) -> Bool {
      switch self {
      case .none, .variables: false
      case .any: true
      case .only(let names): names.contains(key)
      }
    }
  }

  public init(
    name: String, entity: String, target: String, builder: String? = nil, resource: Node, needs: [Need] = [],
    priorities: Bool = false,
    concurrency: Int? = nil, retry: RetryPolicy = .never, timeout: Double? = nil, queueTimeout: Double? = nil,
    grace: Double = 10, override: Override = .variables, variables: [String: Schema] = [:], links: [Link] = [],
    hooks: [String] = [], place: Place? = nil, takes: Set<Capability> = []
  ) {
    self.name = name
    self.entity = entity
    self.target = target
    self.builder = builder
    self.resource = resource
    self.needs = needs
    self.priorities = priorities
    self.concurrency = concurrency
    self.retry = retry
    self.timeout = timeout
    self.queueTimeout = queueTimeout
    self.grace = grace
    self.override = override
    self.variables = variables
    self.links = links
    self.hooks = hooks
    self.place = place
    self.takes = takes
  }

  /// `entity/name`, unique among queues.
  public var id: QueueID { QueueID(entity: entity, name: name) }

  /// What a queue names as its builder where nothing is to be built. No plugin has this name.
  public static let noBuilder = "noop"
}

public struct QueueID: Sendable, Hashable, Codable, Comparable {
  public var entity: String
  public var name: String
  public init(entity: String, name: String) {
    self.entity = entity
    self.name = name
  }
  public var text: String { "\(entity)/\(name)" }
  public static func < (a: QueueID, b: QueueID) -> Bool { (a.entity, a.name) < (b.entity, b.name) }
}

/// Whether a queue hands out runs.
public enum QueueGate: String, Sendable, Hashable, Codable {
  /// Takes and hands out runs.
  case open
  /// Takes runs, hands out none.
  case paused
  /// Takes no new runs, hands out what it has.
  case draining
}
