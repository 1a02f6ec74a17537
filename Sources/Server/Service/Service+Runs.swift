import Model
import Storage

extension Service {
  /// What a list of runs is asked for.
  struct RunQuestion: Sendable {
    var entity: String?
    var project: String?
    var queue: String?
    var states: [VisibleState] = []
    var author: String?
    var job: String?
    var limit = 100
    var cursor: String?
  }

  /// Runs read for one page at most where the words that people see cannot be asked of the store; then the page is
  /// short, and says how to go on.
  private static let scannedMax = 5_000

  func runs(_ question: RunQuestion, for account: Account) async throws -> PageView<RunView> {
    var filter = try filter(question, for: account)
    filter.states = Set(question.states.flatMap(\.runStates))
    let isExact = Set(question.states.flatMap(\.runStates).flatMap(\.visible)).isSubset(of: question.states)
    var served = served()
    var cursor = question.cursor
    var items: [RunView] = []
    var scanned = 0
    repeat {
      let page = try await page(after: cursor) {
        [filter, left = question.limit - items.count] (cursor) throws(StoreError) in
        try await store.runs(filter, after: cursor, limit: left)
      }
      items += page.items.map { served.view($0) }.filter { isExact || question.states.contains($0.state) }
      scanned += page.items.count
      cursor = page.next?.text
    } while cursor != nil && items.count < question.limit && scanned < Service.scannedMax
    return PageView(items: items, next: cursor)
  }

  private func filter(_ question: RunQuestion, for account: Account) throws -> RunFilter {
    // An admin who names no entity means all; a member cannot, and means its own.
    let isAll = account.role == .admin && question.entity == nil
    let entity = isAll ? nil : try self.entity(question.entity, for: account)
    let queue = question.queue.map { QueueID(reference: $0, entity: entity ?? account.defaultEntity) }
    if let queue, !account.isMember(of: queue.entity) { throw ServiceError.noSuch("queue", queue.text) }
    return RunFilter(
      entity: entity, project: question.project, queue: queue, author: question.author, job: question.job)
  }

  /// Runs that ended badly, newest first.
  func errors(
    _ question: RunQuestion, since: Double, for account: Account
  ) async throws -> PageView<RunView> {
    let runs = try await store.errors(try filter(question, for: account), since: since, limit: question.limit)
    var served = served()
    return PageView(items: runs.map { served.view($0) }, next: nil)
  }

  func stop(_ id: String, by account: Account) async throws -> RunView {
    let run = try await run(id, for: account)
    return view(try await store.requestStop(run: run.id, by: account.name, now: clock.now()))
  }

  func retry(_ id: String, by account: Account) async throws -> RunView {
    let run = try await run(id, for: account)
    return view(try await store.retry(run: run.id, by: account.name, now: clock.now()))
  }

  func history(_ id: String, for account: Account) async throws -> [RunEventView] {
    let run = try await run(id, for: account)
    return try await store.events(of: run.id).map(RunEventView.init)
  }

  func usage(_ id: String, points: Int, for account: Account) async throws -> [Sample] {
    let run = try await run(id, for: account)
    return try await store.usage(of: run.id, points: points)
  }

  /// Why a run is where it is, and what would move it.
  func explain(_ id: String, for account: Account) async throws -> Explanation {
    let run = try await run(id, for: account)
    let configuration = keeper.current
    let queue = configuration.queues[run.queue]
    let position = try await store.position(of: run.id, priorities: queue?.priorities ?? false)
    let counts = try await store.counts(queue: run.queue)
    let gates = try await store.gates()
    let (agents, jobs) = try await candidates(for: run, in: queue)
    return Explanation(
      Explanation.Facts(
        run: run, queue: queue, gate: gates[run.queue] ?? .open, ahead: position?.ahead ?? 0,
        live: counts.filter(\.state.isLeased).reduce(0) { $0 + $1.count }, agents: agents, jobs: jobs, now: clock.now())
    )
  }

  /// The agents that an explanation of a waiting run speaks of, and the live runs of those that could take it. One that
  /// has room ends the search: it would be asked first.
  private func candidates(for run: Run, in queue: Queue?) async throws -> ([Agent], [String: Int]) {
    let polling = roster.polling(run.queue)
    guard run.state == .queued, let queue else { return (polling, [:]) }
    let now = clock.now()
    let needs = queue.needs + run.spec.needs
    var agents: [Agent] = []
    var jobs: [String: Int] = [:]
    var hasRoom = false
    for agent in polling {
      let couldTake = agent.isActive(now: now) && !agent.draining && Coverage.covers(needs, agent.offer)
      if couldTake {
        if hasRoom { continue }
        guard let status = try await store.agent(agent.id) else { continue }
        jobs[agent.id] = status.jobs
        hasRoom = status.jobs < agent.maxJobs
      }
      agents.append(agent)
    }
    return (agents, jobs)
  }
}

extension VisibleState {
  /// The states of the engine that people see as this word, in some case or other.
  var runStates: [RunState] {
    switch self {
    case .idle, .queued: [.queued]
    case .pending: [.leased, .building, .starting]
    case .running: [.running]
    case .killed: [.stopped]
    case .crashed: [.lost, .failed]
    case .failed: [.failed]
    case .finished: [.succeeded]
    }
  }
}

extension RunState {
  /// The words that people may see for this state.
  fileprivate var visible: [VisibleState] { VisibleState.allCases.filter { $0.runStates.contains(self) } }
}

extension RunEventView {
  init(_ event: RunEvent) {
    self.init(
      number: event.number, attempt: event.attempt, at: Timestamp.text(event.at), from: event.from, to: event.to,
      reason: event.reason, exitCode: event.exitCode, agent: event.agent, message: event.message)
  }
}
