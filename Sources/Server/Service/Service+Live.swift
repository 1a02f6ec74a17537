import FoundationEssentials
import HTTP
import Model
import Storage

extension Service {
  /// What somebody watches.
  struct EventQuestion: Sendable {
    var entity: String?
    var queue: String?
    var run: String?
    /// The id of the last event that they saw.
    var after: String?
  }

  /// Seconds between comments that show proxies, and the server, that a silent stream lives.
  static let keepAliveSeconds: Double = 15

  /// Writes what happens, as server-sent events, until the server closes or the task is cancelled.
  /// - Parameter write: given nil where there is nothing to say and the stream is to show that it lives.
  func events(
    _ question: EventQuestion, for account: Account, from watcher: Watcher,
    write: @escaping @Sendable (ServerSentEvent?) async throws -> Void
  ) async throws {
    defer { feed.forget(watcher) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await write(nil)
        while let news = await watcher.next() {
          for event in try await self.render(news, question, for: account) { try await write(event) }
        }
      }
      group.addTask { [clock] in
        while true {
          try await clock.sleep(clock.now() + Service.keepAliveSeconds)
          try await write(nil)
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Begins to watch; what happens from now on is not missed.
  func watcher(_ question: EventQuestion, for account: Account) throws -> Watcher {
    if let entity = question.entity { _ = try self.entity(entity, for: account) }
    let queue = question.queue.map { QueueID(reference: $0, entity: question.entity ?? account.defaultEntity) }
    return feed.watch(after: question.after) { change in
      switch change {
      case .run(let run):
        account.isMember(of: run.entity) && question.entity ?? run.entity == run.entity
          && question.run ?? run.id == run.id && queue ?? run.queue == run.queue
      case .queue(let id):
        account.isMember(of: id.entity) && question.entity ?? id.entity == id.entity && question.run == nil
          && queue ?? id == id
      case .agent: question.run == nil
      default: false
      }
    }
  }

  /// News as events; what is gone meanwhile is left out.
  private func render(
    _ news: LiveFeed.News, _ question: EventQuestion, for account: Account
  ) async throws -> [ServerSentEvent] {
    switch news {
    case .reset(let number):
      // What was missed is not told again: the watcher reads what it shows.
      return [ServerSentEvent(event: "reset", id: feed.id(of: number), data: "{}")]
    case .items(let items):
      var events: [ServerSentEvent] = []
      for item in items {
        guard let (name, data) = try await render(item.change, question, for: account) else { continue }
        events.append(ServerSentEvent(event: name, id: feed.id(of: item.number), data: data))
      }
      return events
    }
  }

  private func render(
    _ change: Change, _ question: EventQuestion, for account: Account
  ) async throws -> (String, String)? {
    switch change {
    case .run(let change):
      guard let run = try await store.run(change.id) else { return nil }
      return ("run", try Service.json(view(run)))
    case .queue(let id):
      guard let queue = keeper.current.queues[id] else {
        return ("queue_gone", try Service.json(["entity": id.entity, "name": id.name]))
      }
      return ("queue", try Service.json(try await view(queue)))
    case .agent(let id):
      guard let status = try await store.agent(id), account.isMember(of: status.agent.entity),
        question.entity ?? status.agent.entity == status.agent.entity
      else { return nil }
      if let queue = question.queue {
        // Either may name the entity or leave it out.
        let id = QueueID(reference: queue, entity: question.entity ?? account.defaultEntity)
        let polls = status.agent.queues.contains { QueueID(reference: $0, entity: status.agent.entity) == id }
        if !polls { return nil }
      }
      return ("agent", try Service.json(view(status)))
    default: return nil
    }
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
