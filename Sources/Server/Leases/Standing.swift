import Model
import Scripting
import Storage

/// What an agent may be given now: of the queues that it polls those that it covers, and why not the others.
struct Standing: Sendable {
  /// Queues whose needs it covers, in the order in which it named them.
  var queues: [Queue] = []
  /// Of each queue it gets nothing of, in words.
  var notes: [String] = []
  var report: Coverage.Report

  init(_ agent: Agent, in configuration: Configuration) {
    var checked: [(name: String, needs: [Need])] = []
    var known: [(reference: String, queue: Queue)] = []
    for reference in agent.queues {
      let id = QueueID(reference: reference, entity: agent.entity)
      if let queue = configuration.queues[id] {
        known.append((reference, queue))
        checked.append((reference, queue.needs))
      } else {
        notes.append("queue `\(reference)` gives this agent nothing: it is not in the configuration")
      }
    }
    report = Coverage.report(agent: agent.name, queues: checked, offer: agent.offer)
    let refused = report.refused
    queues = known.filter { !refused.contains($0.reference) }.map(\.queue)
    for entry in report.entries {
      notes.append(
        "queue `\(entry.queue)` gives this agent nothing: it needs \(entry.gap.need.text), because "
          + "\(entry.gap.need.why); \(entry.gap.fact)")
    }
  }

  /// Takes away what the agent's account may not be given any more: it may have left a team since the agent registered.
  mutating func keep(onlyFor account: Account) {
    for queue in queues where !account.isMember(of: queue.entity) {
      notes.append(
        "queue `\(queue.id.text)` gives this agent nothing: its account `\(account.name)` is no member of entity "
          + "`\(queue.entity)` any more")
    }
    queues.removeAll { !account.isMember(of: $0.entity) }
  }

  /// The queues as the store is asked for them.
  func leaseQueues(_ offer: Offer) -> [LeaseQueue] {
    queues.map { queue in
      LeaseQueue(queue.id, concurrency: queue.concurrency, priorities: queue.priorities) { needs in
        Coverage.covers(needs, offer)
      }
    }
  }
}

extension QueueID {
  /// A queue as agents and people name it: `name`, of `entity`; or `entity/name`.
  init(reference: String, entity: String) {
    let parts = reference.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2 {
      self.init(entity: String(parts[0]), name: String(parts[1]))
    } else {
      self.init(entity: entity, name: reference)
    }
  }
}
