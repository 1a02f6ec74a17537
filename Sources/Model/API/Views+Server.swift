/// One step in a run's life.
public struct RunEventView: Sendable, Hashable, Codable {
  /// Grows with every event of the server.
  public var number: Int64
  public var attempt: Int
  public var at: String
  /// Nil for the first event.
  public var from: RunState?
  public var to: RunState
  public var reason: Reason?
  public var exitCode: Int?
  public var agent: String?
  public var message: String?

  enum CodingKeys: String, CodingKey {
    case number, attempt, at, from, to, reason, agent, message
    case exitCode = "exit_code"
  }

  public init(
    number: Int64, attempt: Int, at: String, from: RunState?, to: RunState, reason: Reason?, exitCode: Int?,
    agent: String?, message: String?
  ) {
    self.number = number
    self.attempt = attempt
    self.at = at
    self.from = from
    self.to = to
    self.reason = reason
    self.exitCode = exitCode
    self.agent = agent
    self.message = message
  }
}

/// How much the server has of a log or a blob.
public struct SizeView: Sendable, Hashable, Codable {
  /// Bytes.
  public var size: Int64
  public init(size: Int64) { self.size = size }
}

/// How a server is, for those who watch over it.
public struct HealthView: Sendable, Hashable, Codable {
  /// `ok`
  public var status: String
  public var generation: Int
  /// The configuration's files have errors, and the last good generation goes on.
  public var stale: Bool
  public var staleSince: String?
  /// Errors of the newest reading of the configuration.
  public var errors: Int

  enum CodingKeys: String, CodingKey {
    case status, generation, stale, errors
    case staleSince = "stale_since"
  }

  public init(status: String, generation: Int, stale: Bool, staleSince: String?, errors: Int) {
    self.status = status
    self.generation = generation
    self.stale = stale
    self.staleSince = staleSince
    self.errors = errors
  }
}
