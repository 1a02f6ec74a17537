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
      if !variable.misfits(of: Node(value, Origin(.run))).isEmpty {
        problems.append(
          Diagnostic(
            "S0003", "variable `\(name)` of queue `\(queue.name)` cannot be \(value.described)",
            because: variable.place.map { .init($0, "the variable is declared here") },
            help: "give it \(variable.text)"))
      }
    }
    var node = queue.resource.filled(with: variables ?? [:])
    for target in (resourceArgs ?? [:]).keys.sorted() where target != queue.target {
      problems.append(
        Diagnostic(
          "S0004", "resource_args for target `\(target)`, but queue `\(queue.name)` runs on `\(queue.target)`",
          help: "put them under `\(queue.target)`"))
    }
    if let arguments = resourceArgs?[queue.target] {
      if let fields = arguments.objectValue {
        for key in fields.keys.sorted() where !queue.override.allows(key: key) {
          problems.append(
            Diagnostic(
              "S0002", "queue `\(queue.name)` does not let a run set `\(key)`",
              because: queue.place.map { .init($0, "its `override` is declared here") },
              help: "ask its owner to list `\(key)` in `override`"))
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
