/// Who wrote a value of a merged resource.
public struct Origin: Sendable, Hashable, Codable {
  public enum Author: Sendable, Hashable, Codable {
    /// A default of the target's driver.
    case driver(String)
    /// A shared resource config, by name.
    case resource(String)
    case queue(String)
    /// A variable of the queue: its default, or filled by the submitter.
    case variable(String, filled: Bool)
    /// The run's own `resource_args`.
    case run
  }
  public var author: Author
  public var place: Place?

  public init(_ author: Author, at place: Place? = nil) {
    self.author = author
    self.place = place
  }

  /// `queue gpu (queues.d/gpu.lua:9:5)`
  public var text: String {
    let who =
      switch author {
      case .driver(let name): "default of driver \(name)"
      case .resource(let name): "resource \(name)"
      case .queue(let name): "queue \(name)"
      case .variable(let name, let filled):
        filled ? "variable \(name), set by the run" : "variable \(name), its default"
      case .run: "the run's resource_args"
      }
    return place.map { "\(who) (\($0.text))" } ?? who
  }
}

/// A typed hole in a resource document, filled by a variable of the same name.
public struct Hole: Sendable, Hashable, Codable {
  public var name: String
  public var schema: Schema

  public init(name: String, schema: Schema) {
    self.name = name
    self.schema = schema
  }
}

/// A resource document on its way to a target: a value of which each part knows who wrote it, with typed holes and
/// references to secrets.
public indirect enum Node: Sendable, Hashable, Codable {
  case leaf(Value, Origin)
  case secret(String, Origin)
  case hole(Hole, Origin)
  case list([Node], Origin)
  case table([String: Node], Origin)

  public var origin: Origin {
    switch self {
    case .leaf(_, let origin), .secret(_, let origin), .hole(_, let origin), .list(_, let origin),
      .table(_, let origin):
      origin
    }
  }

  /// A plain value, all of one origin.
  public init(_ value: Value, _ origin: Origin) {
    switch value {
    case .array(let items): self = .list(items.map { Node($0, origin) }, origin)
    case .object(let fields):
      // A secret that was encoded as a value comes back as a secret.
      if fields.count == 1, let name = fields[Node.secretKey]?.stringValue {
        self = .secret(name, origin)
      } else {
        self = .table(fields.mapValues { Node($0, origin) }, origin)
      }
    default: self = .leaf(value, origin)
    }
  }

  /// How a reference to a secret stands in an encoded document: `{"$secret": "name"}`. The secret itself is only ever
  /// read by the agent, at the moment a run starts.
  public static let secretKey = "$secret"
  /// How a text stands that is joined or coded from parts with secrets in them; plugins make them.
  public static let joinKey = "$join"
  public static let base64Key = "$base64"

  /// The plain value. Holes that nobody filled are left out, as an unset hole removes its key.
  public var value: Value {
    switch self {
    case .leaf(let value, _): value
    case .secret(let name, _): .object([Node.secretKey: .string(name)])
    case .hole: .null
    case .list(let items, _): .array(items.compactMap { $0.isHole ? nil : $0.value })
    case .table(let fields, _): .object(fields.compactMapValues { $0.isHole ? nil : $0.value })
    }
  }

  public var isHole: Bool { if case .hole = self { true } else { false } }

  /// Every hole, by path, in the order of the paths.
  public var holes: [(path: Path, hole: Hole, origin: Origin)] {
    var found: [(path: Path, hole: Hole, origin: Origin)] = []
    walk { path, node in
      if case .hole(let hole, let origin) = node { found.append((path, hole, origin)) }
    }
    return found
  }

  /// Names of the secrets that the document refers to, sorted.
  public var secrets: [String] {
    var names: Set<String> = []
    walk { _, node in if case .secret(let name, _) = node { names.insert(name) } }
    return names.sorted()
  }

  /// Visits every node, parents first, tables in the order of their keys.
  public func walk(_ path: Path = [], _ visit: (Path, Node) -> Void) {
    visit(path, self)
    switch self {
    case .list(let items, _):
      for (index, item) in items.enumerated() { item.walk(path + [.index(index)], visit) }
    case .table(let fields, _):
      for key in fields.keys.sorted() { fields[key]?.walk(path + [.key(key)], visit) }
    default: break
    }
  }
}

public typealias Path = [PathStep]

/// One step into a document.
public enum PathStep: Sendable, Hashable, Codable {
  case key(String)
  /// Counts from 0.
  case index(Int)
}

extension Path {
  /// `spec.containers[1].image`; list positions count from 1, as Lua does.
  public var text: String {
    var out = ""
    for step in self {
      switch step {
      case .key(let key):
        let plain = key.unicodeScalars.allSatisfy {
          $0.isASCII && ($0.properties.isAlphabetic || $0 == "_" || ("0"..."9").contains($0))
        }
        if plain {
          out += out.isEmpty ? key : ".\(key)"
        } else {
          out += "[\"\(key)\"]"
        }
      case .index(let index): out += "[\(index + 1)]"
      }
    }
    return out
  }
}
