import Model

/// Joins what the files declare: queues with their shared configs and their targets' drivers. Pure.
struct Resolver {
  var configuration: Configuration
  private(set) var diagnostics: [Diagnostic] = []

  init(_ configuration: Configuration) { self.configuration = configuration }

  mutating func resolve(_ declared: [DeclaredQueue]) {
    var firsts: [QueueID: DeclaredQueue] = [:]
    for queue in declared {
      let entity = queue.fields["entity"]?.value.stringValue ?? Configuration.defaultEntity
      if let problem = Name.problem(with: entity) {
        diagnostics.append(
          Diagnostic(
            "C0011", "the entity of \(queue.declaration.title) \(problem)",
            at: queue.declaration.value([.key("entity")])))
        continue
      }
      let id = QueueID(entity: entity, name: queue.name)
      if let first = firsts[id] {
        diagnostics.append(
          Diagnostic(
            "C0010", "queue `\(queue.name)` of entity `\(entity)` is declared twice", at: queue.declaration.namePlace,
            because: .init(first.declaration.namePlace, "first declared here"),
            help: "rename one of them, or give it another entity"))
        continue
      }
      firsts[id] = queue
      if let resolved = resolve(queue, id) { configuration.queues[id] = resolved }
    }
  }

  private mutating func resolve(_ declared: DeclaredQueue, _ id: QueueID) -> Queue? {
    let declaration = declared.declaration
    guard let target = declared.fields["target"]?.value.stringValue else { return nil }
    var variables = declared.variables
    var resource = declared.resource
    if let shared = shared(declared, target: target) {
      resource = shared.config.overlaid(with: resource)
      variables.merge(shared.variables) { own, _ in own }
    }
    guard let driver = configuration.drivers[target] else {
      reportTarget(target, declaration)
      return nil
    }
    let text = MisfitText(
      declaration: declaration, subject: "the resource of queue `\(declared.name)`", base: [.key("resource")],
      unknownKeyCode: "C0021",
      keysHelp: "the keys of this resource are listed by `lunaport plugin doc \(target)`")
    resource = resource.withDefaults(of: driver.resource, driver: target)
    diagnostics += driver.resource.misfits(of: resource).map(text.diagnostic)
    var queue = Queue(
      name: declared.name, entity: id.entity, target: target, resource: resource, variables: variables,
      place: declaration.place, takes: driver.provides)
    fill(&queue, from: declared)
    setBuilder(of: &queue, declared)
    queue.needs = needs(of: queue, declared, driver)
    checkStatic(queue, declared, driver)
    return queue
  }

  private mutating func shared(_ declared: DeclaredQueue, target: String) -> SharedResource? {
    guard let (name, place) = declared.extends else { return nil }
    guard let shared = configuration.resources[name] else {
      let known = configuration.resources.keys.sorted()
      diagnostics.append(
        Diagnostic(
          "C0014", "there is no resource config `\(name)`", at: place,
          label: closest(to: name, among: known).map { "did you mean `\($0)`?" },
          help: known.isEmpty
            ? "declare it: resource \"\(name)\" { target = \"\(target)\", config = { ... } }"
            : "resource configs: \(known.joined(separator: ", "))"))
      return nil
    }
    guard shared.target == target else {
      diagnostics.append(
        Diagnostic(
          "C0015",
          "resource config `\(name)` is for target `\(shared.target)`, queue `\(declared.name)` runs on `\(target)`",
          at: place, because: .init(shared.targetPlace, "the resource config is for this target")))
      return nil
    }
    return shared
  }

  private mutating func reportTarget(_ target: String, _ declaration: Declaration) {
    let known = configuration.drivers.keys.sorted()
    diagnostics.append(
      Diagnostic(
        "C0013", "there is no driver of target `\(target)`, which \(declaration.title) needs",
        at: declaration.value([.key("target")]),
        label: closest(to: target, among: known).map { "did you mean `\($0)`?" },
        notes: ["targets with a driver: \(known.isEmpty ? "none" : known.joined(separator: ", "))"],
        help: "install the plugin `\(target)`, or name one of the targets above"))
  }

  private mutating func fill(_ queue: inout Queue, from declared: DeclaredQueue) {
    let fields = declared.fields.mapValues(\.value)
    queue.priorities = fields["priorities"]?.boolValue ?? false
    queue.concurrency = fields["concurrency"]?.intValue.map(Int.init(clamping:))
    queue.timeout = fields["timeout"]?.seconds
    queue.queueTimeout = fields["queue_timeout"]?.seconds
    queue.grace = fields["grace"]?.seconds ?? queue.grace
    if let retry = fields["retry"], let max = retry["max"]?.intValue {
      queue.retry = RetryPolicy(
        max: Int(clamping: max),
        on: Set(
          (retry["on"]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap(RetryPolicy.Cause.init(rawValue:)) }),
        delay: retry["delay"]?.seconds ?? 0, delayMax: retry["delay_max"]?.seconds ?? 300)
    }
    queue.links = (fields["links"]?.arrayValue ?? []).compactMap { link in
      guard let label = link["label"]?.stringValue, let url = link["url"]?.stringValue else { return nil }
      return Queue.Link(label: label, url: url)
    }
    queue.hooks = (fields["hooks"]?.arrayValue ?? []).compactMap(\.stringValue)
    for (index, name) in queue.hooks.enumerated() where configuration.hooks[name] == nil {
      let known = configuration.hooks.keys.sorted()
      diagnostics.append(
        Diagnostic(
          "C0017", "there is no hook `\(name)`", at: declared.declaration.value([.key("hooks"), .index(index)]),
          label: closest(to: name, among: known).map { "did you mean `\($0)`?" },
          help: "hooks: \(known.isEmpty ? "none is installed" : known.joined(separator: ", "))"))
    }
    setOverride(fields["override"], of: &queue, declared)
  }

  private mutating func setBuilder(of queue: inout Queue, _ declared: DeclaredQueue) {
    guard let name = declared.fields["builder"]?.value.stringValue else { return }
    queue.builder = name
    if name == Queue.noBuilder { return }
    let target = queue.target
    let fitting = configuration.builders.values.filter { $0.targets.contains(target) }.map(\.header.name).sorted()
    let choices = "builders for `\(target)`: \((fitting + [Queue.noBuilder]).joined(separator: ", "))"
    let place = declared.declaration.value([.key("builder")])
    guard let builder = configuration.builders[name] else {
      let known = configuration.builders.keys.sorted() + [Queue.noBuilder]
      diagnostics.append(
        Diagnostic(
          "C0018", "there is no builder `\(name)`", at: place,
          label: closest(to: name, among: known).map { "did you mean `\($0)`?" }, help: choices))
      return
    }
    guard !builder.targets.contains(target) else { return }
    diagnostics.append(
      Diagnostic(
        "C0019", "builder `\(name)` makes nothing for target `\(target)`, which queue `\(queue.name)` runs on",
        at: place,
        because: .init(builder.header.place, "the builder is declared here"),
        notes: ["it builds for: \(builder.targets.sorted().joined(separator: ", "))"], help: choices))
  }

  private mutating func setOverride(_ value: Value?, of queue: inout Queue, _ declared: DeclaredQueue) {
    switch value {
    case .string("any")?: queue.override = .any
    case .string("none")?: queue.override = .none
    case .array(let names)?:
      queue.override = .only(names.compactMap(\.stringValue))
      guard let driver = configuration.drivers[queue.target] else { return }
      let known = queue.variables.keys.sorted() + driver.resource.fields.map(\.key)
      let isOpen = if case .table = driver.resource.kind { false } else { true }
      for (index, name) in names.enumerated() {
        guard let name = name.stringValue, !known.contains(name), !isOpen else { continue }
        diagnostics.append(
          Diagnostic(
            "C0032", "`\(name)` in `override` is neither a variable nor a key of the resource of queue `\(queue.name)`",
            at: declared.declaration.value([.key("override"), .index(index)]),
            label: closest(to: name, among: known).map { "did you mean `\($0)`?" }))
      }
    default: break
    }
  }

  /// What agents of this queue need: the target, what the owner requires, and what the config implies.
  private mutating func needs(
    of queue: Queue, _ declared: DeclaredQueue, _ driver: DriverDeclaration
  ) -> [Need] {
    let declaration = declared.declaration
    let target = queue.target
    var needs = [
      Need(
        .driver(target: target), why: "the queue's target is \(target)", place: declaration.value([.key("target")]))
    ]
    var seen: Set<Capability> = []
    func add(_ capability: Capability, _ why: String, _ place: Place) {
      if seen.insert(capability).inserted {
        needs.append(Need(.capability(capability, target: target), why: why, place: place))
      }
    }
    if queue.timeout != nil {
      add(.stop, "the queue sets a timeout, which is kept by stopping the run", declaration.key([.key("timeout")]))
    }
    for implied in driver.resource.implied(by: queue.resource) {
      let path: Path = [.key("resource")] + implied.path
      add(implied.capability, "the queue sets `\(path.text)`", implied.origin.place ?? declaration.key(path))
    }
    if !queue.resource.secrets.isEmpty {
      add(.secrets, "the resource refers to secrets", declaration.key([.key("resource")]))
    }
    var reader = PluginReader(folder: "", among: [])
    for (index, value) in (declared.fields["requires"]?.value.arrayValue ?? []).enumerated() {
      let path: Path = [.key("requires"), .index(index)]
      guard let name = value.stringValue else { continue }
      if let capability = reader.capability(name, declaration, at: path, code: "C0034") {
        add(capability, "the queue requires it", declaration.value(path))
      }
    }
    diagnostics += reader.diagnostics
    return needs
  }

  /// The capability check against what the installed driver declares: what no agent with these plugins can have.
  private mutating func checkStatic(_ queue: Queue, _ declared: DeclaredQueue, _ driver: DriverDeclaration) {
    let offer = Offer(drivers: [
      .init(target: driver.target, version: driver.header.version, provides: driver.provides, probe: Probe(.healthy))
    ])
    for gap in Coverage.gaps(queue.needs, in: offer) {
      diagnostics.append(
        Diagnostic(
          "Q0101", "queue `\(queue.name)` needs \(gap.need.text), which its driver does not provide",
          at: gap.need.place ?? queue.place, label: "needed because \(gap.need.why)",
          because: .init(driver.header.place, "the driver is declared here"), notes: [gap.fact],
          help: "leave it out of the queue, or use a target that provides it"))
    }
  }
}
