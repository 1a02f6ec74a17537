import Model

/// The agent's side of the talk with the server. Each call is made once; who calls decides what to do about a failure.
public protocol ServerConnection: Sendable {
  /// For people: where the server is.
  var address: String { get }
  func register(_ hello: AgentHello) async throws(ConnectionFailure) -> AgentWelcome
  /// Held back by the server for up to `request.wait` seconds.
  func lease(_ agent: String, _ request: LeaseRequest) async throws(ConnectionFailure) -> LeaseAnswer
  func report(_ agent: String, _ report: AgentReport) async throws(ConnectionFailure) -> AgentReceipt
  /// Appends output of an attempt from byte `offset` on. Gives the offset to send next.
  func appendLog(_ holding: Holding, at offset: Int64, _ bytes: [UInt8]) async throws(ConnectionFailure) -> Int64
  /// Fetches a blob into a file that it makes or empties. The caller verifies it.
  func fetch(blob sha256: String, to path: String) async throws(ConnectionFailure)
}

/// Why the server did not do what it was asked.
public enum ConnectionFailure: Error, Sendable {
  /// No answer, or one that says to try again: the network, a restart, too much to do.
  case unreachable(String)
  /// The agent does not cover its queues.
  case uncovered(Coverage.Report)
  /// The server does not know the agent (any more): it has to register again.
  case unknownAgent
  /// The attempt is not this agent's any more.
  case stale
  /// Output before the offset is missing at the server, which has so many bytes.
  case gap(Int64)
  /// The key is not accepted, or may not do this.
  case denied(String)
  /// The request is wrong, and will be every time.
  case invalid(String, [Diagnostic])

  /// Whether the same call may succeed later without anything being changed.
  var isPassing: Bool { if case .unreachable = self { true } else { false } }

  public var message: String {
    switch self {
    case .unreachable(let text), .denied(let text): text
    case .invalid(let text, let problems): ([text] + problems.map(\.message)).joined(separator: "; ")
    case .uncovered: "the agent does not cover its queues"
    case .unknownAgent: "the server does not know this agent"
    case .stale: "the attempt is not this agent's any more"
    case .gap(let size): "the server has only \(size) bytes of the output"
    }
  }
}
