import Model

/// Agents as the server knows them.
public protocol AgentStore: Sendable {
  /// Registers an agent. The same entity and name is the same agent come back: it keeps its id, and is no longer told to
  /// drain. What it holds is for its first report to renew; what it was leased, did not start and does not hold (it died
  /// before it could note the lease) is queued again at once.
  /// - Parameter id: an id for a new agent.
  func register(
    _ hello: AgentHello, id: String, entity: String, account: String, refusal: Coverage.Report?, now: Double
  ) async throws(StoreError) -> Agent

  func agent(_ id: String) async throws(StoreError) -> AgentStatus?

  /// By entity and name.
  /// - Parameter entity: nil for all.
  func agents(entity: String?) async throws(StoreError) -> [AgentStatus]

  /// Forgets an agent. Its leases lapse by themselves. One that is not there is no error.
  func removeAgent(_ id: String) async throws(StoreError)

  /// Tells an agent to take no more (or again), and leave when it is idle.
  func setDraining(_ draining: Bool, agent id: String) async throws(StoreError)

  /// Notes whether an agent's offer covers what it polls, found by the check after its offer or the configuration
  /// changed. A refused agent is given nothing.
  func setRefusal(_ refusal: Coverage.Report?, agent id: String) async throws(StoreError)

  /// What an agent is to do beside its runs.
  func orders(for agent: String) async throws(StoreError) -> AgentOrders
}

public struct AgentStatus: Sendable, Hashable {
  public var agent: Agent
  /// Live runs that it holds.
  public var jobs: Int

  public init(agent: Agent, jobs: Int) {
    self.agent = agent
    self.jobs = jobs
  }
}

public struct AgentOrders: Sendable, Hashable {
  /// Live attempts that are to stop.
  public var stops: [Holding]
  public var drain: Bool
  /// Grows with every new order.
  public var number: Int64

  public init(stops: [Holding], drain: Bool, number: Int64) {
    self.stops = stops
    self.drain = drain
    self.number = number
  }
}
