/// An agent as the server knows it.
public struct Agent: Sendable, Hashable, Codable {
  public var id: String
  public var name: String
  public var entity: String
  public var host: String
  public var queues: [String]
  public var maxJobs: Int
  public var offer: Offer
  public var allowPartial: Bool
  /// Whose key it uses.
  public var account: String
  public var draining: Bool
  /// Set at registration where it was refused; such an agent gets nothing.
  public var refusal: Coverage.Report?
  /// Seconds since 1970.
  public var registeredAt: Double
  public var heartbeatAt: Double

  public init(
    id: String, hello: AgentHello, entity: String, account: String, refusal: Coverage.Report?, now: Double
  ) {
    self.id = id
    name = hello.name
    self.entity = entity
    host = hello.host
    queues = hello.queues
    maxJobs = hello.maxJobs
    offer = hello.offer
    allowPartial = hello.allowPartial
    self.account = account
    draining = false
    self.refusal = refusal
    registeredAt = now
    heartbeatAt = now
  }

  /// Heard from within a lease's length, and not refused.
  public func isActive(now: Double) -> Bool {
    refusal == nil && now - heartbeatAt <= Limits.leaseSeconds
  }

  public func state(jobs: Int, now: Double) -> AgentState {
    if refusal != nil { return .refused }
    if now - heartbeatAt > Limits.leaseSeconds { return .stale }
    if draining { return .draining }
    return jobs > 0 ? .busy : .polling
  }
}

public enum AgentState: String, Sendable, Hashable, Codable, CaseIterable {
  case polling, busy, draining, stale, refused
}

/// Who may do what.
public struct Account: Sendable, Hashable, Codable {
  public enum Role: String, Sendable, Hashable, Codable, CaseIterable {
    /// Everything.
    case admin
    /// Jobs, runs and queues of the entities that it is a member of.
    case member
    /// Registers agents of its entities and reports; submits nothing.
    case agent
  }
  public var name: String
  public var role: Role
  /// Its own entity is its name; these are the teams.
  public var entities: [String]

  public init(name: String, role: Role, entities: [String] = []) {
    self.name = name
    self.role = role
    self.entities = entities
  }

  public func isMember(of entity: String) -> Bool {
    role == .admin || entity == name || entities.contains(entity)
  }
}
