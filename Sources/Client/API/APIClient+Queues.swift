import HTTP
import Model

extension APIClient {
  /// - Parameter entity: all that the caller may see where nil.
  public func queues(
    entity: String?, limit: Int = 1_000, cursor: String? = nil
  ) async throws(APIError) -> PageView<QueueView> {
    try await call(.get, ["queues"], [("entity", entity), ("limit", String(limit)), ("cursor", cursor)])
  }

  public func queue(entity: String, name: String) async throws(APIError) -> QueueView {
    try await call(.get, ["queues", entity, name])
  }

  /// Makes a queue through the API. `settings` are the words of a queue's file, with `name` and `entity`.
  public func createQueue(_ settings: Value) async throws(APIError) -> QueueView {
    try await call(.post, ["queues"], body: try Self.json(settings))
  }

  /// Opens or shuts a queue for new runs, or for those that wait.
  public func setGate(_ gate: QueueGate, entity: String, name: String) async throws(APIError) -> QueueView {
    let word =
      switch gate {
      case .open: "resume"
      case .paused: "pause"
      case .draining: "drain"
      }
    return try await call(.post, ["queues", entity, name, word])
  }

  /// The queue as a Lua file.
  public func exportQueue(entity: String, name: String) async throws(APIError) -> String {
    String(decoding: try await answer(.get, ["queues", entity, name, "export"]).body, as: UTF8.self)
  }

  public func agents() async throws(APIError) -> PageView<AgentView> {
    try await call(.get, ["agents"], [("limit", "1000")])
  }

  /// Lets an agent finish what it has and take no more.
  public func drainAgent(_ id: String) async throws(APIError) -> AgentView {
    try await call(.post, ["agents", id, "drain"])
  }

  public func configuration() async throws(APIError) -> ConfigurationView { try await call(.get, ["configuration"]) }
}
