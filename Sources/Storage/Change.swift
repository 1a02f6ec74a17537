import Model

/// Something that was committed. It says what to read again, not what it became in full.
public enum Change: Sendable, Hashable {
  /// A run was made, or its state or its message changed.
  case run(RunChange)
  /// Delayed retries of a queue may be handed out now.
  case ready(QueueID)
  /// A stop was asked of a live run: its agent has new orders.
  case orders(agent: String)
  /// An agent registered, left, or what is known of it changed (heartbeats do not count).
  case agent(id: String)
  /// A queue's gate changed, or it was created or deleted through the API.
  case queue(QueueID)
  /// The server has more bytes of a run's log.
  case log(run: String, attempt: Int, size: Int64)
  /// A job has a new version or other aliases.
  case job(entity: String, project: String, name: String)
  /// The subscriber was too slow, and changes before this one are missing.
  case overflow
}

/// One step of a run.
public struct RunChange: Sendable, Hashable {
  public var id: String
  public var entity: String
  public var project: String
  public var queue: QueueID
  public var author: String
  /// Nil where the run was just made; the same as `to` where only its message is another.
  public var from: RunState?
  public var to: RunState
  public var reason: Reason?
  public var attempt: Int
  /// Who holds it, or held it in this step.
  public var agent: String?
  /// Of a run that waits now: its needs beyond its queue's, so that only who covers them need be woken. Empty for others.
  public var needs: [Need]

  public init(
    id: String, entity: String, project: String, queue: QueueID, author: String, from: RunState?, to: RunState,
    reason: Reason?, attempt: Int, agent: String?, needs: [Need] = []
  ) {
    self.id = id
    self.entity = entity
    self.project = project
    self.queue = queue
    self.author = author
    self.from = from
    self.to = to
    self.reason = reason
    self.attempt = attempt
    self.agent = agent
    self.needs = needs
  }
}
