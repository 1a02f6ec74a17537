/// What a person asks for: one run of a job on a queue.
public struct Submission: Sendable, Hashable, Codable {
  /// `name`, `name:alias`, `project/name:v2`, `entity/project/name`.
  public var job: String
  public var queue: String
  /// The queue's and the run's entity; the submitter's default where nil.
  public var entity: String?
  /// Where the run is listed; the job's project where nil.
  public var project: String?
  public var overrides: Overrides?
  /// Per target, laid over the queue's resource as far as the queue allows: `{"process": {...}}`.
  public var resourceArgs: [String: Value]?
  public var priority: Priority?
  /// Values for the queue's variables.
  public var variables: [String: Value]?
  /// The run's name; two words and a number where nil.
  public var name: String?
  /// Submitting again with the same key gives the first run.
  public var submitKey: String?

  enum CodingKeys: String, CodingKey {
    case job, queue, entity, project, overrides, priority, variables, name
    case resourceArgs = "resource_args"
    case submitKey = "submit_key"
  }

  public init(
    job: String, queue: String, entity: String? = nil, project: String? = nil, overrides: Overrides? = nil,
    resourceArgs: [String: Value]? = nil, priority: Priority? = nil, variables: [String: Value]? = nil,
    name: String? = nil, submitKey: String? = nil
  ) {
    self.job = job
    self.queue = queue
    self.entity = entity
    self.project = project
    self.overrides = overrides
    self.resourceArgs = resourceArgs
    self.priority = priority
    self.variables = variables
    self.name = name
    self.submitKey = submitKey
  }
}

extension Submission {
  /// The queue's resource with this submission's variables and resource arguments, or everything that is wrong with
  /// them. Pure; used by enqueue and by `plan`.
  public func resource(in queue: Queue, schema: Schema? = nil) -> (node: Node, problems: [Diagnostic]) {
    var problems: [Diagnostic] = []
    for (name, value) in (variables ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let variable = queue.variables[name] else {
        let known = queue.variables.keys.sorted()
        problems.append(
          Diagnostic(
            "S0001", "queue `\(queue.name)` has no variable `\(name)`",
            because: queue.place.map { .init($0, "the queue is declared here") },
            help: known.isEmpty ? "it has no variables" : "its variables: \(known.joined(separator: ", "))"))
        continue
      }
      guard queue.override.allows(variable: name) else {
        problems.append(
          Diagnostic(
            "S0002", "queue `\(queue.name)` does not let a run set `\(name)`",
            because: queue.place.map { .init($0, "its `override` is declared here") }))
        continue
      }
      // A queue may fill a hole of a shared config and one of its own from one variable, each with its own bounds.
      let holes = queue.resource.holes.map(\.hole).filter { $0.name == name }.map(\.schema)
      for schema in Set([variable] + holes) {
        problems += misfits(value, name, schema, queue)
      }
    }
    problems += secretProblems(in: queue)
    var node = queue.resource.filled(with: variables ?? [:])
    for target in (resourceArgs ?? [:]).keys.sorted() where target != queue.target {
      problems.append(
        Diagnostic(
          "S0004", "resource_args for target `\(target)`, but queue `\(queue.name)` runs on `\(queue.target)`",
          help: "put them under `\(queue.target)`"))
    }
    if let arguments = resourceArgs?[queue.target] {
      if let fields = arguments.objectValue {
        for key in fields.keys.sorted() {
          problems += overrideProblems(key, fields[key] ?? .null, queue)
        }
        node = node.overlaid(with: Node(arguments, Origin(.run)))
      } else {
        problems.append(
          Diagnostic("S0005", "resource_args for `\(queue.target)` must be a table, not \(arguments.described)"))
      }
    }
    for (path, hole, _) in node.holes where hole.schema.isRequired {
      problems.append(
        Diagnostic(
          "S0006", "variable `\(hole.name)` of queue `\(queue.name)` has no default and was not given",
          because: hole.schema.place.map { .init($0, "it is required here, for `\(path.text)`") },
          help: "give it \(hole.schema.text)"))
    }
    if let schema, problems.isEmpty {
      node = schema.whole(node)
      problems += schema.misfits(of: node).map { misfit in
        Diagnostic("S0007", "`\(misfit.path.text)` does not fit target `\(queue.target)`: \(misfit.sentence)")
      }
    }
    if let priority, !queue.priorities {
      problems.append(
        Diagnostic(
          "S0008", "queue `\(queue.name)` has no priorities, so a run cannot ask for `\(priority.rawValue)`",
          because: queue.place.map { .init($0, "the queue is declared here") },
          help: "leave the priority out, or set `priorities = true` in the queue"))
    }
    return (node, problems)
  }

  /// Why the run's own `resource_args` may not set the key of the resource.
  private func overrideProblems(_ key: String, _ value: Value, _ queue: Queue) -> [Diagnostic] {
    guard queue.override.allows(key: key) else {
      return [
        Diagnostic(
          "S0002", "queue `\(queue.name)` does not let a run set `\(key)`",
          because: queue.place.map { .init($0, "its `override` is declared here") },
          help: "ask its owner to list `\(key)` in `override`")
      ]
    }
    // A name in `override` that is a variable's means the variable: its bounds hold whichever way it is given.
    guard case .only = queue.override, let variable = queue.variables[key] else { return [] }
    if case .table(let fields, _) = queue.resource, case .hole(let hole, _)? = fields[key], hole.name == key {
      return misfits(value, key, hole.schema, queue)
    }
    return [
      Diagnostic(
        "S0002", "`\(key)` in `override` of queue `\(queue.name)` is its variable, not the key of the resource",
        because: variable.place.map { .init($0, "the variable is declared here") }, help: "set it as a variable")
    ]
  }

  private func misfits(_ value: Value, _ name: String, _ schema: Schema, _ queue: Queue) -> [Diagnostic] {
    guard !schema.misfits(of: Node(value, Origin(.run))).isEmpty else { return [] }
    return [
      Diagnostic(
        "S0003", "variable `\(name)` of queue `\(queue.name)` cannot be \(value.described)",
        because: schema.place.map { .init($0, "the variable is declared here") }, help: "give it \(schema.text)")
    ]
  }
}

/// A run that could name any secret of its agent could read it: only queues name them, and variables of that type.
extension Submission {
  private static let marks: Set<String> = [Node.secretKey, Node.joinKey, Node.base64Key]

  fileprivate func secretProblems(in queue: Queue) -> [Diagnostic] {
    var problems: [Diagnostic] = []
    func add(_ what: String, _ path: Path, _ name: String?) {
      let secret = name.map { "the secret `\($0)`" } ?? "a secret"
      problems.append(
        Diagnostic(
          "S0014",
          "\(what) refer\(path.isEmpty ? "s" : "") to \(secret), which only a queue may"
            + (path.isEmpty ? "" : " (`\(path.text)`)"), help: "ask the queue's owner for a variable of type secret"))
    }
    for (target, arguments) in (resourceArgs ?? [:]).sorted(by: { $0.key < $1.key }) {
      for mark in Self.marked(arguments) { add("resource_args for `\(target)`", mark.path, mark.name) }
    }
    for (name, value) in (variables ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let variable = queue.variables[name], let mark = Self.marked(value).first else { continue }
      // A table with more in it than the mark is one again once it is merged, or a plugin has read it.
      if !variable.takesSecrets || Self.marked(value).contains(where: { $0.name == nil }) {
        add("variable `\(name)`", [], mark.name)
      }
    }
    return problems
  }

  /// Every table with a mark of a secret in it, with the secret's name where that is all there is in it.
  private static func marked(_ value: Value, _ path: Path = []) -> [(path: Path, name: String?)] {
    switch value {
    case .array(let items): return items.enumerated().flatMap { marked($1, path + [.index($0)]) }
    case .object(let fields):
      if fields.keys.contains(where: marks.contains) {
        return [(path, fields.count == 1 ? fields[Node.secretKey]?.stringValue : nil)]
      }
      return fields.keys.sorted().flatMap { marked(fields[$0] ?? .null, path + [.key($0)]) }
    default: return []
    }
  }
}

extension Schema {
  /// Whether a secret may stand in what it describes by its own word, and not because anything may.
  fileprivate var takesSecrets: Bool {
    switch kind {
    case .secret: true
    case .list(let item, _, _), .map(let item): item.takesSecrets
    case .table(let fields): fields.contains { $0.schema.takesSecrets }
    case .oneOf(let schemas): schemas.contains(where: \.takesSecrets)
    default: false
    }
  }
}

extension Queue {
  /// Why this queue takes no run of `source`: nothing is built for it, and the source would have to be built. Pure; used
  /// by enqueue and by `plan`.
  public func refusal(of source: Source) -> Diagnostic? {
    guard builder == Queue.noBuilder else { return nil }
    let build = Need.needs(of: source, target: target, targetTakes: takes).first { need in
      if case .builder = need.kind { true } else { false }
    }
    guard let build else { return nil }
    let way =
      takes.contains(.running(source.kind)) ? "leave the dependencies out" : "launch a job that is made from an image"
    return Diagnostic(
      "S0009", "queue `\(name)` builds nothing: its builder is `\(Queue.noBuilder)`, and \(build.why)",
      because: place.map { .init($0, "the queue is declared here") },
      help: "\(way), or choose a queue that has a builder")
  }
}

extension Misfit {
  /// The fact in a sentence: `it must be integer, 1 to 8, not text "4"`.
  public var sentence: String {
    switch problem {
    case .unknownKey(let key, _): "there is no key `\(key)`"
    case .missingKey(let key): "`\(key)` is missing"
    case .kind(let found), .value(let found): "it must be \(schema.text), not \(found)"
    case .plainSecret: "it must be a secret, such as secret \"name\", and never the text itself"
    }
  }
}
