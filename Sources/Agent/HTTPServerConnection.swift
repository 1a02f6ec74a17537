import Client
import Model

/// The talk with a server over HTTP.
public struct HTTPServerConnection: ServerConnection {
  private let client: APIClient

  public init(_ client: APIClient) { self.client = client }

  public var address: String { client.url }

  public func register(_ hello: AgentHello) async throws(ConnectionFailure) -> AgentWelcome {
    // Whoever starts an agent with a wrong address is to hear of it at once.
    do throws(APIError) {
      return try await client.register(hello)
    } catch { throw ConnectionFailure(error, isFinal: true) }
  }

  public func lease(_ agent: String, _ request: LeaseRequest) async throws(ConnectionFailure) -> LeaseAnswer {
    do throws(APIError) {
      return try await client.lease(agent: agent, request)
    } catch { throw ConnectionFailure(error, missing: .unknownAgent) }
  }

  public func report(_ agent: String, _ report: AgentReport) async throws(ConnectionFailure) -> AgentReceipt {
    do throws(APIError) {
      return try await client.report(agent: agent, report)
    } catch { throw ConnectionFailure(error, missing: .unknownAgent) }
  }

  public func appendLog(
    _ holding: Holding, at offset: Int64, _ bytes: [UInt8]
  ) async throws(ConnectionFailure) -> Int64 {
    let answer: APIClient.LogAnswer
    do throws(APIError) {
      answer = try await client.appendLog(holding, at: offset, bytes)
    } catch { throw ConnectionFailure(error, missing: .stale) }
    switch answer {
    case .taken(let next): return next
    case .gap(let size): throw .gap(size)
    }
  }

  public func fetch(blob sha256: String, to path: String) async throws(ConnectionFailure) {
    // What a refusal says has gone into the file, so that none of them can be read.
    do throws(APIError) {
      try await client.getBlob(sha256, to: path)
    } catch { throw ConnectionFailure(error, isFinal: true) }
  }
}

extension ConnectionFailure {
  /// Statuses under 500 that say nothing of the request: it took too long, or too much is asked now.
  private static let passingStatuses: Set<Int> = [408, 425, 429]

  /// - Parameters:
  ///   - missing: what it means that there is nothing of that name.
  ///   - isFinal: a refusal in words that are not the server's is one all the same.
  init(_ error: APIError, missing: ConnectionFailure? = nil, isFinal: Bool = false) {
    switch error {
    case .unreachable(let error) where error.code == .file:
      // Our own disk, and no fault of the server; for how long nobody knows.
      self = .invalid("\(error.fact) (\(error.hint))", [])
    case .unreachable(let error):
      // Whatever is wrong with the line or the server's certificate may be mended while the agent waits.
      self = .unreachable("\(error.fact) (\(error.hint))")
    case .unreadable(_, let url, let status, let fact):
      // These are not the server's words: a proxy that has lost it, or lets nobody through just now, answers in its own,
      // and knows nothing of what becomes of runs.
      let isRefusal = isFinal && (400..<500).contains(status) && !Self.passingStatuses.contains(status)
      self = isRefusal ? .invalid("\(url): \(fact)", []) : .unreachable("\(url): \(fact)")
    case .refused(let status, let body):
      let text = body.hint.map { "\(body.message) (\($0))" } ?? body.message
      if let report = body.report {
        self = .uncovered(report)
      } else if body.code == "stale" {
        self = .stale
      } else if status == 401 || status == 403 {
        self = .denied(text)
      } else if status == 404, let missing {
        self = missing
      } else if error.isTransient {
        self = .unreachable(text)
      } else {
        self = .invalid(text, body.problems ?? [])
      }
    }
  }
}
