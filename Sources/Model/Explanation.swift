/// Why a run is where it is, and what would move it: an answer in words from facts. Pure.
public struct Explanation: Sendable, Hashable, Codable {
  /// One sentence: where it stands.
  public var summary: String
  /// Facts behind it, in order.
  public var facts: [String]
  /// What a person can do.
  public var help: [String]

  public init(summary: String, facts: [String] = [], help: [String] = []) {
    self.summary = summary
    self.facts = facts
    self.help = help
  }
}

extension Explanation {
  /// All that the answer depends on.
  public struct Facts: Sendable {
    public var run: Run
    /// The queue of the running configuration; nil where it is gone.
    public var queue: Queue?
    public var gate: QueueGate
    /// Waiting runs before it.
    public var ahead: Int
    /// Live runs of the queue.
    public var live: Int
    /// Agents that poll the queue.
    public var agents: [Agent]
    /// Live runs of each agent, by id.
    public var jobs: [String: Int]
    public var now: Double

    /// Where it stands among those that wait.
    fileprivate var queueing: String {
      switch ahead {
      case 0: "no other is ahead of it"
      case 1: "1 run is ahead of it"
      default: "\(ahead) runs are ahead of it"
      }
    }

    public init(
      run: Run, queue: Queue?, gate: QueueGate, ahead: Int, live: Int, agents: [Agent], jobs: [String: Int],
      now: Double
    ) {
      self.run = run
      self.queue = queue
      self.gate = gate
      self.ahead = ahead
      self.live = live
      self.agents = agents
      self.jobs = jobs
      self.now = now
    }
  }

  public init(_ facts: Facts) {
    let run = facts.run
    let since = Quantity.text(seconds: max(0, facts.now - run.queuedAt))
    let agent = facts.agents.first { $0.id == run.agent }?.name ?? run.agent ?? "?"
    switch run.state {
    case .queued: self = Explanation.waiting(facts, since: since)
    case .leased, .building, .starting:
      let what =
        switch run.state {
        case .building: "its environment or image is being built"
        case .starting: "its target has not started it yet"
        default: "the agent is preparing it"
        }
      self.init(
        summary: "run \(run.id) is pending: agent \(agent) has it, and \(what)",
        facts: [run.message, Explanation.attemptFact(run)].compactMap { $0 },
        help: [
          run.state == .building
            ? "lunaport run logs \(run.id) --follow" : "to wait no longer: lunaport run stop \(run.id)"
        ])
    case .running:
      self.init(
        summary: "run \(run.id) is running on agent \(agent)",
        facts: [
          run.startedAt.map { "it started \(Quantity.text(seconds: max(0, facts.now - $0))) ago" },
          run.spec.timeout.map { "it is stopped after \(Quantity.text(seconds: $0))" },
          run.message,
          run.stopRequested
            ? "a stop was asked for; what has not ended \(Quantity.text(seconds: run.spec.grace)) later is killed"
            : nil,
          Explanation.attemptFact(run),
        ].compactMap { $0 },
        help: ["lunaport run logs \(run.id) --follow"])
    case .succeeded:
      self.init(summary: "run \(run.id) finished: its program exited with code 0")
    case .stopped:
      self.init(
        summary: "run \(run.id) was stopped by a person", facts: [run.message].compactMap { $0 },
        help: ["to run it again: lunaport run retry \(run.id)"])
    case .failed, .lost: self = Explanation.ended(run)
    }
  }

  private static func attemptFact(_ run: Run) -> String? {
    run.attempt > 1 ? "this is attempt \(run.attempt); \(run.retries) of \(run.retry.max) retries are used" : nil
  }

  private static func ended(_ run: Run) -> Explanation {
    let how: String =
      switch run.reason {
      case .exit: "its program exited with code \(run.exitCode.map(String.init) ?? "?")"
      case .signal: "its program was ended by signal \(run.signal.map(String.init) ?? "?"), which nobody here sent"
      case .outOfMemory: "its program was killed for want of memory"
      case .build: "its build failed"
      case .start: "the target could not start it"
      case .timeout: "it took longer than \(run.spec.timeout.map { Quantity.text(seconds: $0) } ?? "its timeout")"
      case .queueTimeout: "it waited longer than its queue allows"
      case .preempted: "the target took its resources away"
      default: "contact with it was lost" + (run.message == nil ? "; the work may still be alive" : "")
      }
    let word = VisibleState(run.state, reason: run.reason, served: true).rawValue.lowercased()
    var facts = [run.message, attemptFact(run)].compactMap { $0 }
    if run.retry.max == 0 {
      facts.append("its queue allows no retries")
    } else if run.retries >= run.retry.max {
      facts.append("all \(run.retry.max) retries are used")
    } else {
      facts.append("its queue retries only after: \(run.retry.on.map(\.rawValue).sorted().joined(separator: ", "))")
    }
    return Explanation(
      summary: "run \(run.id) \(word): \(how)", facts: facts,
      help: ["its output: lunaport run logs \(run.id)", "to run it again: lunaport run retry \(run.id)"])
  }

  private static func waiting(_ facts: Facts, since: String) -> Explanation {
    let run = facts.run
    let title = "run \(run.id) has waited \(since) in queue \(run.queue.name)"
    guard let queue = facts.queue else {
      return Explanation(
        summary: "\(title), which is no longer in the configuration",
        help: ["bring the queue back, or stop the run: lunaport run stop \(run.id)"])
    }
    if facts.gate == .paused {
      return Explanation(
        summary: "\(title): the queue is paused", help: ["lunaport queue resume \(queue.name)"])
    }
    if run.notBefore > facts.now {
      return Explanation(
        summary: "\(title): its next attempt is due in \(Quantity.text(seconds: run.notBefore - facts.now))",
        facts: [run.message].compactMap { $0 })
    }
    let active = facts.agents.filter { $0.isActive(now: facts.now) }
    if active.isEmpty {
      let others = facts.agents.map { agent in
        agent.refusal == nil
          ? "agent \(agent.name) was last heard from \(Quantity.text(seconds: facts.now - agent.heartbeatAt)) ago"
          : "agent \(agent.name) was refused: it does not cover its queues"
      }
      return Explanation(
        summary: "\(title): no active agent polls the queue", facts: others,
        help: ["start one: lunaport agent -q \(queue.id.text)"])
    }
    if run.spec.target != queue.target {
      return Explanation(
        summary: "\(title), which runs on \(queue.target) by now; the run was made for \(run.spec.target)",
        help: ["stop it and launch its job again: lunaport run stop \(run.id)"])
    }
    let needs = queue.needs + run.spec.needs
    let covering = active.filter { Coverage.covers(needs, $0.offer) }
    if covering.isEmpty {
      let gaps = active.flatMap { agent in
        Coverage.gaps(needs, in: agent.offer).map {
          "agent \(agent.name) lacks \($0.need.text) (needed because \($0.need.why)): \($0.fact)"
        }
      }
      return Explanation(
        summary: "\(title): no active agent that polls the queue can run it", facts: gaps,
        help: ["give an agent what it lacks, or start another that has it"])
    }
    let open = covering.filter { !$0.draining }
    if open.isEmpty {
      return Explanation(
        summary: "\(title): every agent that could run it is draining or has just left",
        help: ["start one: lunaport agent -q \(queue.id.text)"])
    }
    if let limit = queue.concurrency, facts.live >= limit {
      return Explanation(
        summary: "\(title): the queue's \(limit == 1 ? "only place is" : "\(limit) places are all") taken",
        facts: [facts.queueing],
        help: ["wait for one to end, or raise `concurrency` in \(queue.place?.text ?? "the queue")"])
    }
    let free = open.filter { (facts.jobs[$0.id] ?? 0) < $0.maxJobs }
    if free.isEmpty {
      let loads = open.map { "agent \($0.name) works on \(facts.jobs[$0.id] ?? 0) of \($0.maxJobs)" }
      return Explanation(
        summary: "\(title): every agent that can run it is full",
        facts: loads + [facts.queueing],
        help: ["wait, start another agent, or give one a higher --max-jobs"])
    }
    return Explanation(
      summary: "\(title) and is next for agent \(free[0].name)", facts: [facts.queueing])
  }
}
