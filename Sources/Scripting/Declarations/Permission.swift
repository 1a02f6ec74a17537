/// What a plugin may be allowed to do beyond computing. Declared in `needs`, none by default.
public struct Permission: Sendable, Hashable, Codable {
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// `exec:NAME`: run this program.
    case exec
    /// Hold local processes.
    case process
    /// Read and write files in the plugin's own data folder, and run programs in it.
    case files
    /// `env:NAME`: read these variables of the agent's environment, and hand them to the programs it runs.
    case env
    /// `http:HOST`: send requests to this host.
    case http
    /// `socket:PATH`: send requests to this Unix socket.
    case socket
    /// `read:PATH`: read these files of the agent's machine.
    case read
  }
  public var kind: Kind
  /// The program, variable, host or path; `*` stands for any text. `$NAME` stands for what the operator's setting
  /// NAME says.
  public var subject: String?

  /// Reads `exec:sbatch`, `process`, `http:$endpoint`; nil where `text` is none.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let kind = parts.first.flatMap(Kind.init(rawValue:)) else { return nil }
    self.kind = kind
    switch kind {
    case .process, .files:
      guard parts.count == 1 else { return nil }
    case .exec, .env, .http, .socket, .read:
      guard parts.count == 2, !parts[1].isEmpty else { return nil }
      subject = parts[1]
      guard setting != nil || Self.isSubject(parts[1], of: kind) else { return nil }
    }
  }

  private static func isSubject(_ text: String, of kind: Kind) -> Bool {
    switch kind {
    case .exec, .env: !text.contains("/")
    case .http: !text.contains { "/@? ".contains($0) } && (text.hasPrefix("[") || !text.contains(":"))
    case .socket: text.hasPrefix("/")
    case .read: text.hasPrefix("/") || text.hasPrefix("~/")
    case .process, .files: false
    }
  }

  /// The operator's setting that says what is allowed: `endpoint` of `http:$endpoint`.
  public var setting: String? {
    guard [.http, .socket, .read].contains(kind), let subject, subject.hasPrefix("$") else { return nil }
    let name = subject.dropFirst()
    return !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } ? String(name) : nil
  }

  public var text: String { subject.map { "\(kind.rawValue):\($0)" } ?? kind.rawValue }

  /// What each kind allows, for the reference.
  public static let doc: [(form: String, doc: String)] = [
    ("exec:NAME", "run the program NAME, found on the agent's PATH"),
    ("process", "start, watch and stop local processes that outlive the agent"),
    ("files", "read and write files in the plugin's own data folder, and run programs in it"),
    ("env:NAME", "read the variable NAME of the agent's environment, and hand it to the programs that it runs"),
    ("http:HOST", "send requests to HOST, such as `*.amazonaws.com`; `http:$NAME`: to that of the setting NAME"),
    ("socket:PATH", "send requests to the Unix socket PATH; `socket:$NAME`: to that of the setting NAME"),
    ("read:PATH", "read the files PATH of the agent's machine; `read:$NAME`: the file or folder of the setting NAME"),
  ]
}
