import Model

/// What is kept about queues beside their runs: whether they are open, and those made through the API.
public protocol QueueStore: Sendable {
  /// Queues whose gate is not open.
  func gates() async throws(StoreError) -> [QueueID: QueueGate]
  func setGate(_ gate: QueueGate, of queue: QueueID) async throws(StoreError)

  /// Keeps a queue's definition as the API took it.
  /// - Throws: `exists`.
  func createQueue(_ id: QueueID, definition: Value, author: String, now: Double) async throws(StoreError)

  /// By entity and name.
  func createdQueues() async throws(StoreError) -> [CreatedQueue]

  /// Forgets a definition; runs of the queue stay as they are.
  /// - Throws: `notFound` where the API created no such queue.
  func deleteQueue(_ id: QueueID) async throws(StoreError)
}

public struct CreatedQueue: Sendable, Hashable {
  public var id: QueueID
  public var definition: Value
  public var author: String
  public var createdAt: Double

  public init(id: QueueID, definition: Value, author: String, createdAt: Double) {
    self.id = id
    self.definition = definition
    self.author = author
    self.createdAt = createdAt
  }
}
