import HTTP
import Model

/// What agents say to the server; see `AgentProtocol`.
extension APIClient {
  /// Introduces an agent. Refused with a report where it does not cover its queues.
  public func register(_ hello: AgentHello) async throws(APIError) -> AgentWelcome {
    try await call(.post, ["agents"], body: try Self.json(hello))
  }

  /// Asks for work and orders; held back by the server for up to `request.wait` seconds.
  public func lease(agent: String, _ request: LeaseRequest) async throws(APIError) -> LeaseAnswer {
    try await call(
      .post, ["agents", agent, "lease"], body: try Self.json(request),
      timeout: .seconds(request.wait + Self.leaseSlackSeconds))
  }

  /// Seconds beyond the wait that it asked for in which a lease request is answered; a lost connection is noticed then.
  private static let leaseSlackSeconds = 10.0

  /// Reports; the same report twice is as once.
  public func report(agent: String, _ report: AgentReport) async throws(APIError) -> AgentReceipt {
    // Well under a lease, so that one request that hangs does not cost it.
    try await call(.post, ["agents", agent, "report"], body: try Self.json(report), timeout: .seconds(10))
  }

  /// What the server makes of a part of an attempt's output.
  public enum LogAnswer: Sendable, Hashable {
    /// The offset to send next.
    case taken(Int64)
    /// It has only so many bytes: what lies between them and the offset is missing.
    case gap(Int64)
  }

  /// Appends output of an attempt from byte `offset` on.
  public func appendLog(_ holding: Holding, at offset: Int64, _ bytes: [UInt8]) async throws(APIError) -> LogAnswer {
    let parts = ["runs", holding.run, "log"]
    let response = try await answer(
      .put, parts,
      [("offset", String(offset)), ("attempt", String(holding.attempt)), ("epoch", String(holding.epoch))],
      body: .bytes(bytes), type: "application/octet-stream", accepting: 409)
    guard response.status == 409 else {
      let size: LogSize = try read(response, .put, parts)
      return .taken(size.size)
    }
    let view: ErrorView = try read(response, .put, parts)
    guard view.error.code == "gap", let size = view.size else { throw .refused(status: 409, view.error) }
    return .gap(size)
  }

  private struct LogSize: Decodable {
    var size: Int64
  }

  /// Fetches a blob's content into a file, which is made or emptied.
  public func getBlob(_ sha256: String, to path: String) async throws(APIError) {
    try await download(["blobs", sha256], to: path)
  }
}
