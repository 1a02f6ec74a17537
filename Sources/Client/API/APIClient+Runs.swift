import HTTP
import Model

/// Which runs a list is to hold; nil means any.
public struct RunQuery: Sendable {
  public var entity: String?
  public var project: String?
  public var queue: String?
  public var states: [VisibleState] = []
  public var author: String?
  public var job: String?
  /// Runs of one page, 1 to 1000.
  public var limit = 100
  public var cursor: String?

  public init() {}
}

/// Queued runs, with what the server wants said of them.
public struct Submitted: Sendable {
  public var run: RunView
  public var warnings: [String]
}

extension APIClient {
  /// The longest time in which a stream without an end says nothing before its connection is taken to be dead. The
  /// reader then opens it anew where it was.
  private static let quietMax = Duration.seconds(90)

  /// Queues a run. The same submit key again gives the first run.
  public func submit(_ submission: Submission) async throws(APIError) -> Submitted {
    let response = try await answer(.post, ["runs"], body: try Self.json(submission))
    let run: RunView = try read(response, .post, ["runs"])
    return Submitted(run: run, warnings: response.headers.values("Lunaport-Warning"))
  }

  /// Queues runs, all or none. The same submit keys again give the first runs.
  public func submit(_ submissions: [Submission]) async throws(APIError) -> (runs: [RunView], warnings: [String]) {
    let response = try await answer(.post, ["runs"], body: try Self.json(submissions), timeout: Self.bulkPatience)
    return (try read(response, .post, ["runs"]), response.headers.values("Lunaport-Warning"))
  }

  /// Seconds for as many runs as one request may hold.
  private static let bulkPatience = Duration.seconds(120)

  public func runs(_ query: RunQuery) async throws(APIError) -> PageView<RunView> {
    var pairs: Query = [
      ("entity", query.entity), ("project", query.project), ("queue", query.queue), ("author", query.author),
      ("job", query.job), ("limit", String(query.limit)), ("cursor", query.cursor),
    ]
    pairs += query.states.map { ("state", $0.rawValue) }
    return try await call(.get, ["runs"], pairs)
  }

  public func run(_ id: String) async throws(APIError) -> RunView { try await call(.get, ["runs", id]) }
  public func stop(run id: String) async throws(APIError) -> RunView { try await call(.post, ["runs", id, "stop"]) }
  public func retry(run id: String) async throws(APIError) -> RunView { try await call(.post, ["runs", id, "retry"]) }

  public func explain(run id: String) async throws(APIError) -> Explanation {
    try await call(.get, ["runs", id, "explain"])
  }

  /// The bytes of a run's log from `offset` on, as they come.
  /// - Parameters:
  ///   - attempt: the newest where nil.
  ///   - follow: goes on until the run has ended.
  public func log(
    of id: String, attempt: Int? = nil, offset: Int64 = 0, follow: Bool
  ) async throws(APIError) -> HTTPStream {
    try await stream(
      ["runs", id, "log"],
      [("attempt", attempt.map(String.init)), ("offset", String(offset)), ("follow", follow ? "true" : nil)],
      stall: follow ? Self.quietMax : .seconds(30))
  }

  /// Changes of a queue's runs as they happen, as server-sent events.
  public func events(ofQueue queue: String, entity: String) async throws(APIError) -> HTTPStream {
    try await stream(["events"], [("entity", entity), ("queue", queue)], stall: Self.quietMax)
  }

  /// Changes of one run as they happen, as server-sent events.
  public func events(ofRun id: String) async throws(APIError) -> HTTPStream {
    try await stream(["events"], [("run", id)], stall: Self.quietMax)
  }
}
