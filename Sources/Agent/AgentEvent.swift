import Model

/// Something that the agent tells whoever watches it: one line of its own log.
public struct AgentEvent: Sendable, Hashable {
  public enum Level: String, Sendable, Hashable, Comparable {
    case debug, info, warning, error

    public static func < (a: Level, b: Level) -> Bool { a.rank < b.rank }
    private var rank: Int {
      switch self {
      case .debug: 0
      case .info: 1
      case .warning: 2
      case .error: 3
      }
    }
  }
  public var level: Level
  /// Stable and short: `registered`, `leased`, `server_lost`.
  public var name: String
  /// For people, in one sentence.
  public var message: String
  /// For machines: run, queue, target and the like.
  public var fields: [String: String]

  public init(_ level: Level, _ name: String, _ message: String, _ fields: [String: String] = [:]) {
    self.level = level
    self.name = name
    self.message = message
    self.fields = fields
  }

  /// `warning server_lost: cannot reach ... (run=abc)`
  public var text: String {
    let tail = fields.keys.sorted().map { "\($0)=\(fields[$0] ?? "")" }.joined(separator: " ")
    return "\(level.rawValue) \(name): \(message)" + (tail.isEmpty ? "" : " (\(tail))")
  }
}

/// Where events go.
public typealias AgentLog = @Sendable (AgentEvent) -> Void
