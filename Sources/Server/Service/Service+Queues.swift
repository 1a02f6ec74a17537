import Model
import Scripting
import Storage

extension Service {
  func queues(
    entity: String?, after cursor: String?, limit: Int, for account: Account
  ) async throws -> PageView<QueueView> {
    if let entity, !account.isMember(of: entity) { throw ServiceError.noSuch("entity", entity) }
    let queues = keeper.current.queues.values
      .filter { account.isMember(of: $0.entity) && (entity == nil || $0.entity == entity) }
    // Only the queues of the page are counted and described.
    let (shown, next) = Service.page(of: queues, after: cursor, limit: limit, key: \.id.text)
    return PageView(items: try await views(shown), next: next)
  }

  func queue(_ id: QueueID, viewedBy account: Account) async throws -> QueueView {
    try await view(queue(id, for: account))
  }

  func view(_ queue: Queue) async throws -> QueueView {
    guard let view = try await views([queue]).first else { throw ServiceError.noSuch("queue", queue.id.text) }
    return view
  }

  private func views(_ queues: [Queue]) async throws -> [QueueView] {
    let gates = try await store.gates()
    var served = served()
    var counts: [QueueID: [VisibleState: Int]] = [:]
    for count in try await store.counts(queue: queues.count == 1 ? queues[0].id : nil) {
      let isServed = count.state == .queued && served.by(count.queue, needs: count.needs)
      let word = VisibleState(count.state, reason: count.reason, served: isServed)
      counts[count.queue, default: [:]][word, default: 0] += count.count
    }
    return queues.map { queue in
      let active = roster.polling(queue.id).filter { $0.isActive(now: served.now) }
      var names: [String] = []
      var refused: [String] = []
      for agent in active {
        if let gap = Coverage.gaps(queue.needs, in: agent.offer).first {
          refused.append("\(agent.name): it lacks \(gap.need.text), needed because \(gap.need.why); \(gap.fact)")
        } else {
          names.append(agent.name)
        }
      }
      return QueueView(
        queue, gate: gates[queue.id] ?? .open, counts: counts[queue.id] ?? [:], agents: names, refused: refused,
        settings: .object(queue.settings))
    }
  }

  func setGate(_ gate: QueueGate, of id: QueueID, by account: Account) async throws -> QueueView {
    let queue = try queue(id, for: account)
    try await store.setGate(gate, of: queue.id)
    return try await view(queue)
  }

  /// Makes a queue out of the words of a queue file, judged as one.
  func createQueue(
    _ name: String, entity: String?, settings: [String: Value], by account: Account
  ) async throws -> QueueView {
    let id = QueueID(entity: try self.entity(entity, for: account), name: name)
    do {
      try await keeper.create(id, settings: .object(settings), author: account.name)
    } catch let rejected as ConfigurationKeeper.Rejected {
      throw rejection(rejected, of: id, settings)
    }
    return try await view(queue(id, for: account))
  }

  private func rejection(
    _ rejected: ConfigurationKeeper.Rejected, of id: QueueID, _ settings: [String: Value]
  ) -> ServiceError {
    let file = ConfigurationKeeper.file(id, .object(settings)).name
    let own = rejected.diagnostics.filter { $0.place?.file == file || $0.because?.place.file == file }
    if !own.isEmpty { return ServiceError.invalid(Array(own.prefix(JSONSchema.problemsMax))) }
    if rejected.diagnostics.isEmpty {
      return ServiceError(.invalid, "the settings declare no queue `\(id.text)`")
    }
    // Its own definition is good; the files around it are not, so no generation with it can go into service.
    return ServiceError(
      .conflict, "the configuration has errors now, so no queue can be added",
      hint: "lunaport check shows them; try again when they are mended")
  }

  func deleteQueue(_ id: QueueID, by account: Account) async throws {
    guard account.isMember(of: id.entity) else { throw ServiceError.noSuch("queue", id.text) }
    if !keeper.isCreated(id) {
      let queue = try queue(id, for: account)
      throw ServiceError(
        .conflict, "queue `\(id.text)` is declared in \(queue.place?.text ?? "a file")",
        hint: "take it out of that file")
    }
    try await keeper.delete(id)
  }

  /// A queue as a file of its own.
  func export(_ id: QueueID, for account: Account) throws -> String {
    LuaText.queue(id, settings: try queue(id, for: account).settings)
  }

  // MARK: The configuration

  func configuration() -> ConfigurationView { ConfigurationView(keeper.status) }

  func reload() async -> ConfigurationView { ConfigurationView(await keeper.reload()) }

  func health() -> HealthView {
    let status = keeper.status
    return HealthView(
      status: "ok", generation: status.generation, stale: status.isStale,
      staleSince: status.staleSince.map(Timestamp.text), errors: status.errorCount)
  }
}

extension ConfigurationView {
  init(_ status: ConfigurationKeeper.Status) {
    self.init(
      generation: status.generation, loadedAt: Timestamp.text(status.loadedAt), stale: status.isStale,
      staleSince: status.staleSince.map(Timestamp.text), diagnostics: status.diagnostics.map(DiagnosticFormat.json),
      files: status.files)
  }
}
