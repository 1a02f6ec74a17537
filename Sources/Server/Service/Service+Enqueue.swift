import Model
import Scripting
import Storage

extension Service {
  struct Enqueuing: Sendable {
    var runs: [Enqueued]
    /// What the submitter should know, each once: no agent can run it now.
    var warnings: [String]
  }

  /// Queues runs, all or none; every problem of every one is told at once.
  func enqueue(_ submissions: [Submission], by account: Account) async throws -> Enqueuing {
    var resolver = SubmissionResolver(self, account, isBulk: submissions.count > 1)
    var fresh: [NewRun] = []
    fresh.reserveCapacity(submissions.count)
    for (index, submission) in submissions.enumerated() {
      if let run = try await resolver.resolve(submission, at: index) { fresh.append(run) }
      if resolver.problems.count >= JSONSchema.problemsMax { break }
    }
    guard resolver.problems.isEmpty else { throw ServiceError.invalid(resolver.problems) }
    let batch = fresh
    let runs = try await metrics.time("enqueue") {
      try await store.enqueue(batch, identity: identity, now: clock.now())
    }
    return Enqueuing(runs: runs, warnings: warnings(runs.filter(\.created).map(\.run)))
  }

  /// Why the runs will wait, where no active agent can run them.
  private func warnings(_ runs: [Run]) -> [String] {
    var served = served()
    var warnings: [String] = []
    var seen: Set<String> = []
    for run in runs where !served.by(run.queue, needs: run.spec.needs) {
      guard let queue = served.queues[run.queue] else { continue }
      let needs = queue.needs + run.spec.needs
      let active = roster.polling(queue.id).filter { $0.isActive(now: served.now) && !$0.draining }
      let text: String
      if active.isEmpty {
        text = "no active agent polls queue \(queue.id.text); start one: lunaport agent -q \(queue.id.text)"
      } else {
        let gap = active.lazy.compactMap { agent in
          Coverage.gaps(needs, in: agent.offer).first.map { "agent \(agent.name) lacks \($0.need.text): \($0.fact)" }
        }.first
        text = "no active agent that polls queue \(queue.id.text) can run it; \(gap ?? "none covers its needs")"
      }
      if seen.insert(text).inserted, warnings.count < Service.warningsMax { warnings.append(text) }
    }
    return warnings
  }

  /// Warnings told of one request; each becomes a header.
  private static let warningsMax = 10
}

/// Turns submissions into runs, and gathers what is wrong with them. What many of one request share is looked up once.
private struct SubmissionResolver {
  private struct JobKey: Hashable {
    var text: String
    var entity: String
    var project: String?
  }

  private struct Shape: Hashable {
    var queue: QueueID
    var variables: [String: Value]?
    var resourceArgs: [String: Value]?
    var priority: Priority?
  }

  private struct Resolved {
    var resource: Value
    /// Capabilities that the run's own settings imply.
    var implied: [Need]
  }

  private let service: Service
  private let account: Account
  private let isBulk: Bool
  private let configuration: Configuration
  private let now: Double
  private var jobs: [JobKey: JobVersion] = [:]
  private var shapes: [Shape: Resolved] = [:]
  private(set) var problems: [Diagnostic] = []

  init(_ service: Service, _ account: Account, isBulk: Bool) {
    self.service = service
    self.account = account
    self.isBulk = isBulk
    configuration = service.keeper.current
    now = service.clock.now()
  }

  mutating func resolve(_ submission: Submission, at index: Int) async throws -> NewRun? {
    let before = problems.count
    defer {
      if isBulk {
        for position in problems.indices.dropFirst(before) {
          problems[position].message = "run \(index): \(problems[position].message)"
        }
      }
    }
    checkSizes(submission)
    let queue = queue(submission)
    let entity = queue?.entity ?? submission.entity ?? account.defaultEntity
    let job = try await job(submission, entity: entity)
    guard let queue else { return nil }
    let resolved = resource(submission, queue)
    var overrides = submission.overrides ?? Overrides()
    if let inputs = job?.inputs { complete(&overrides, inputs) }
    if let job, let refusal = queue.refusal(of: job.source) { problems.append(refusal) }
    guard var job, let resolved, problems.count == before else { return nil }
    // Of no use to who runs it, and written once for each run.
    job.inputs = nil

    let needs =
      Need.needs(of: job.source, target: queue.target, targetTakes: queue.takes, builder: queue.builder)
      + resolved.implied
    let spec = RunSpec(
      job: job, source: job.source, overrides: overrides, target: queue.target,
      resource: resolved.resource, needs: needs, timeout: queue.timeout, grace: queue.grace,
      retriesLost: queue.retry.max > 0 && queue.retry.on.contains(.lost), generation: configuration.generation)
    let run = Run(
      id: "", name: submission.name ?? "", entity: queue.entity, project: submission.project ?? job.project,
      queue: queue.id, spec: spec, priority: submission.priority ?? .medium, author: account.name, retry: queue.retry,
      createdAt: now)
    return NewRun(run, submitKey: submission.submitKey, queueTimeout: queue.queueTimeout)
  }

  private mutating func checkSizes(_ submission: Submission) {
    for (name, fields) in [
      ("overrides.run_config", submission.overrides?.runConfig), ("resource_args", submission.resourceArgs),
      ("variables", submission.variables),
    ] {
      guard let fields else { continue }
      let document = Value.object(fields)
      if document.depth > Limits.documentDepth {
        problems.append(
          Diagnostic(
            "S0015", "`\(name)` is nested deeper than \(Limits.documentDepth) levels",
            help: "put deep structures into the job's files"))
      }
      guard document.json().utf8.count > Limits.documentBytes else { continue }
      problems.append(
        Diagnostic(
          "S0015", "`\(name)` is larger than \(Quantity.text(bytes: Int64(Limits.documentBytes)))",
          help: "put large inputs into the job's files"))
    }
  }

  private mutating func queue(_ submission: Submission) -> Queue? {
    let name = submission.queue
    if let entity = submission.entity ?? (name.contains("/") ? account.defaultEntity : nil) {
      let id = QueueID(reference: name, entity: entity)
      if account.isMember(of: id.entity), let queue = configuration.queues[id] { return queue }
    } else {
      if let queue = configuration.queues[QueueID(entity: account.defaultEntity, name: name)] { return queue }
      let named = visible.filter { $0.name == name }
      if named.count == 1 { return named[0] }
      if named.count > 1 {
        problems.append(
          Diagnostic(
            "S0011", "several entities have a queue `\(name)`",
            help: "name one of them: \(named.map(\.id.text).sorted().joined(separator: ", "))"))
        return nil
      }
    }
    let known = visible.map(\.name).sorted()
    problems.append(
      Diagnostic(
        "S0010", "there is no queue `\(name)`\(submission.entity.map { " of entity `\($0)`" } ?? "")",
        help: closest(to: name, among: known).map { "did you mean `\($0)`?" }
          ?? (known.isEmpty ? "there is no queue at all" : "queues: \(known.prefix(10).joined(separator: ", "))")))
    return nil
  }

  private var visible: [Queue] { configuration.queues.values.filter { account.isMember(of: $0.entity) } }

  private mutating func job(_ submission: Submission, entity: String) async throws -> JobVersion? {
    let key = JobKey(text: submission.job, entity: entity, project: submission.project)
    if let known = jobs[key] { return known }
    guard let reference = JobReference(submission.job) else {
      problems.append(
        Diagnostic(
          "S0012", "`\(submission.job)` names no job", help: "write `name`, `name:alias` or `entity/project/name:v2`"))
      return nil
    }
    do {
      guard account.isMember(of: reference.entity ?? entity) else {
        throw StoreError(.notFound, "there is no job `\(submission.job)`")
      }
      let job = try await service.store.job(reference, entity: entity, project: submission.project)
      jobs[key] = job
      return job
    } catch let error as StoreError where error.code == .notFound || error.code == .ambiguous {
      problems.append(Diagnostic("S0013", error.fact, help: error.hint))
      return nil
    }
  }

  /// Holds the run's config against the job's inputs, and fills in the defaults of what it leaves out.
  private mutating func complete(_ overrides: inout Overrides, _ inputs: Inputs) {
    let config = inputs.completed(overrides.runConfig ?? [:])
    problems += inputs.problems(in: config)
    overrides.runConfig = config
  }

  private mutating func resource(_ submission: Submission, _ queue: Queue) -> Resolved? {
    let shape = Shape(
      queue: queue.id, variables: submission.variables, resourceArgs: submission.resourceArgs,
      priority: submission.priority)
    if let known = shapes[shape] { return known }
    let driver = configuration.drivers[queue.target]
    let (node, found) = submission.resource(in: queue, schema: driver?.resource)
    problems += found
    guard found.isEmpty else { return nil }
    var implied: [Need] = []
    if submission.variables != nil || submission.resourceArgs != nil {
      var seen = Set(queue.needs.map(\.kind))
      for (capability, path, _) in driver?.resource.implied(by: node) ?? [] {
        let need = Need(.capability(capability, target: queue.target), why: "the run sets `\(path.text)`")
        if seen.insert(need.kind).inserted { implied.append(need) }
      }
    }
    let resolved = Resolved(resource: node.value, implied: implied)
    shapes[shape] = resolved
    return resolved
  }
}
