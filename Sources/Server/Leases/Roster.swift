import Model
import Storage
import Synchronization

/// The agents as this server last saw them, so that what people see of a waiting run costs no reading of the store.
/// The store is the truth; this follows its changes, and hears of heartbeats as they come in.
final class Roster: Sendable {
  private struct State {
    var agents: [String: Agent] = [:]
    var reaches: [String: Reach] = [:]
    var byQueue: [QueueID: Set<String>] = [:]
    var byName: [Named: String] = [:]
  }

  private struct Named: Hashable {
    var entity: String
    var name: String
  }

  private let state = Mutex(State())

  /// Takes everything anew.
  func replace(_ agents: [Agent]) {
    state.withLock { state in
      state = State()
      for agent in agents { put(agent, &state) }
    }
  }

  func put(_ agent: Agent) { state.withLock { put(agent, &$0) } }

  func remove(_ id: String) { state.withLock { remove(id, &$0) } }

  /// An agent was heard from.
  func heard(_ id: String, now: Double) {
    state.withLock { state in
      guard let agent = state.agents[id], agent.heartbeatAt < now else { return }
      state.agents[id]?.heartbeatAt = now
    }
  }

  subscript(id: String) -> Agent? { state.withLock { $0.agents[id] } }

  func agent(named name: String, of entity: String) -> Agent? {
    state.withLock { state in state.byName[Named(entity: entity, name: name)].flatMap { state.agents[$0] } }
  }

  /// The agents that use keys of an account.
  func agents(of account: String) -> [Agent] {
    state.withLock { $0.agents.values.filter { $0.account == account } }
  }

  /// Agents by the states that people see; those that work count as polling, for their runs are not looked at.
  func counts(now: Double) -> [AgentState: Int] {
    state.withLock { state in
      state.agents.values.reduce(into: [:]) { $0[$1.state(jobs: 0, now: now), default: 0] += 1 }
    }
  }

  /// The agents that poll a queue, active or not, by name.
  func polling(_ queue: QueueID) -> [Agent] {
    state.withLock { state in (state.byQueue[queue] ?? []).compactMap { state.agents[$0] } }
      .sorted { $0.name < $1.name }
  }

  /// Whether an active agent polls `queue` and covers its needs and these.
  func serves(_ queue: Queue, _ needs: [Need], now: Double) -> Bool {
    let all = queue.needs + needs
    return state.withLock { state in
      (state.byQueue[queue.id] ?? []).contains { id in
        guard let agent = state.agents[id], agent.isActive(now: now), !agent.draining else { return false }
        return state.reaches[id]?.covers(all) ?? false
      }
    }
  }

  private func put(_ agent: Agent, _ state: inout State) {
    let heard = state.agents[agent.id]?.heartbeatAt ?? 0
    remove(agent.id, &state)
    var agent = agent
    agent.heartbeatAt = max(agent.heartbeatAt, heard)
    state.agents[agent.id] = agent
    state.reaches[agent.id] = Reach(agent.offer)
    state.byName[Named(entity: agent.entity, name: agent.name)] = agent.id
    for reference in agent.queues {
      state.byQueue[QueueID(reference: reference, entity: agent.entity), default: []].insert(agent.id)
    }
  }

  private func remove(_ id: String, _ state: inout State) {
    guard let agent = state.agents.removeValue(forKey: id) else { return }
    state.reaches[id] = nil
    let name = Named(entity: agent.entity, name: agent.name)
    if state.byName[name] == id { state.byName[name] = nil }
    for reference in agent.queues {
      let queue = QueueID(reference: reference, entity: agent.entity)
      state.byQueue[queue]?.remove(id)
      if state.byQueue[queue]?.isEmpty ?? false { state.byQueue[queue] = nil }
    }
  }
}

/// Which waiting runs an active agent could take, answered once for each queue and set of needs: a page of runs asks the
/// same few questions a thousand times.
struct Served {
  private struct Question: Hashable {
    var queue: QueueID
    var needs: [Need]
  }

  let roster: Roster
  let queues: [QueueID: Queue]
  let now: Double
  private var answers: [Question: Bool] = [:]

  init(_ roster: Roster, queues: [QueueID: Queue], now: Double) {
    self.roster = roster
    self.queues = queues
    self.now = now
  }

  mutating func by(_ queue: QueueID, needs: [Need]) -> Bool {
    let question = Question(queue: queue, needs: needs)
    if let known = answers[question] { return known }
    let answer = queues[queue].map { roster.serves($0, needs, now: now) } ?? false
    answers[question] = answer
    return answer
  }

  mutating func view(_ run: Run) -> RunView {
    RunView(run, served: run.state == .queued && by(run.queue, needs: run.spec.needs), now: now)
  }
}
