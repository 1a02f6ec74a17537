/// A commit of a remote repository, and how an agent gets at it.
public struct GitSource: Sendable, Hashable, Codable {
  /// `https://host/path`, `ssh://user@host:port/path` or `user@host:path`. Never with a password.
  public var url: String
  /// The whole hash of the commit: what runs is this, whatever becomes of the branch.
  public var commit: String
  /// The branch or tag that meant the commit when the version was made; for people.
  public var ref: String?
  /// The part of the repository that is the job's folder; the whole where nil.
  public var folder: String?
  /// Name of the agent's secret that opens the repository: a token or password, or a private key.
  public var secret: String?
  /// Who the token or password is of, where the host asks for that too.
  public var user: String?

  public init(
    url: String, commit: String, ref: String? = nil, folder: String? = nil, secret: String? = nil, user: String? = nil
  ) {
    self.url = url
    self.commit = commit
    self.ref = ref
    self.folder = folder
    self.secret = secret
    self.user = user
  }
}

extension GitSource {
  /// Everything that keeps this from being fetched.
  public var problems: [SourceProblem] {
    var problems: [SourceProblem] = []
    var remote: GitRemote?
    do throws(SourceProblem) { remote = try GitRemote(url) } catch { problems.append(error) }
    if !Self.isCommit(commit) {
      problems.append(
        SourceProblem("`\(commit)` is no whole hash of a commit", hint: "40 (or 64) hexadecimal digits, lower case"))
    }
    if let ref, let problem = Self.problem(withRef: ref) { problems.append(problem) }
    if let folder, !Self.isPlainPath(folder) {
      problems.append(
        SourceProblem("`\(folder)` is no folder of a repository", hint: "a plain path such as services/train"))
    }
    if let user, user.isEmpty || user.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      problems.append(SourceProblem("the user name of the repository is empty or has control characters"))
    }
    if let secret, let remote, let problem = remote.problem(withSecret: secret) { problems.append(problem) }
    return problems
  }

  /// Whether `text` is the whole hash of a commit: SHA-1, or SHA-256.
  public static func isCommit(_ text: String) -> Bool {
    (text.utf8.count == 40 || text.utf8.count == 64)
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  /// Bytes of a branch's name at most; file systems bound a part of it at 255.
  private static let refBytesMax = 512

  /// Why `text` cannot name a branch or a tag. Git reads words that start with `-` as options.
  public static func problem(withRef text: String) -> SourceProblem? {
    let isPlain =
      !text.isEmpty && text.utf8.count <= refBytesMax && !text.hasPrefix("-") && !text.contains("..")
      && !text.unicodeScalars.contains {
        $0.value <= 0x20 || $0.value == 0x7F || "~^:?*[\\".unicodeScalars.contains($0)
      }
    return isPlain ? nil : SourceProblem("`\(text)` names no commit, branch or tag", hint: "such as main or v1.2")
  }

  /// Whether `path` is relative, without `.` and `..` and empty parts.
  public static func isPlainPath(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return path.utf8.count < 4_096 && !path.utf8.contains(0)
      && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && !$0.hasPrefix("-") && $0 != ".git" }
  }
}

/// Where a repository is, as its URL says it.
public struct GitRemote: Sendable, Hashable {
  public enum Way: String, Sendable, Hashable {
    case https, ssh
    /// Without TLS: public repositories only, for a commit's hash tells what was tampered with.
    case http
  }
  public var way: Way
  /// As git takes it.
  public var url: String
  public var host: String
  public var port: Int?
  /// Before the `@`.
  public var user: String?
  /// Without a slash at its beginning.
  public var path: String

  private static let urlBytesMax = 2_048

  /// Reads `https://host/path`, `ssh://user@host:port/path` and `user@host:path`.
  public init(_ text: String) throws(SourceProblem) {
    url = text
    let forms = "https://host/path, ssh://git@host/path or git@host:path"
    guard text.utf8.count <= Self.urlBytesMax,
      !text.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F })
    else { throw SourceProblem("the address of the repository is too long, or has spaces in it") }
    var rest: Substring
    if let scheme = text.firstRange(of: "://") {
      guard let way = Way(rawValue: String(text[..<scheme.lowerBound])) else {
        throw SourceProblem(
          "repositories are not fetched by `\(text[..<scheme.upperBound])`", hint: "write \(forms)")
      }
      self.way = way
      rest = text[scheme.upperBound...]
      let slash = rest.firstIndex(of: "/") ?? rest.endIndex
      path = String(rest[slash...].drop { $0 == "/" })
      rest = rest[..<slash]
    } else {
      guard let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/"), text[..<colon].contains("@") else {
        throw SourceProblem("`\(text)` is no address of a repository", hint: "write \(forms)")
      }
      way = .ssh
      path = String(text[text.index(after: colon)...])
      rest = text[..<colon]
      if let problem = Self.problem(withHost: rest.split(separator: "@").last ?? "") { throw problem }
    }
    if let at = rest.lastIndex(of: "@") {
      let person = rest[..<at]
      guard !person.contains(":") else {
        throw SourceProblem(
          "the address of the repository has a password in it, where everybody could read it",
          hint: "keep it as a secret of the agent, and name that: --secret git-HOST")
      }
      user = String(person)
      rest = rest[rest.index(after: at)...]
    }
    if let colon = rest.lastIndex(of: ":") {
      guard let number = HostName.port(rest[rest.index(after: colon)...]) else {
        throw SourceProblem("the address of the repository has no good port")
      }
      port = number
      rest = rest[..<colon]
    }
    host = rest.lowercased()
    if let problem = Self.problem(withHost: rest) { throw problem }
    if let user, user.isEmpty || user.hasPrefix("-") {
      throw SourceProblem("the address of the repository has no good user name")
    }
    guard !path.isEmpty, !path.hasPrefix("-") else {
      throw SourceProblem("the address of the repository has no path", hint: "write \(forms)")
    }
  }

  private static func problem(withHost host: Substring) -> SourceProblem? {
    let isHost =
      !host.isEmpty && !host.hasPrefix("-") && !host.hasPrefix(".")
      && host.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
          true
        default: false
        }
      }
    return isHost ? nil : SourceProblem("the address of the repository has no good host")
  }

  /// Why the secret `name` must not be used here.
  ///
  /// Whoever may make jobs chooses both the address and the name, so the name itself says to which host the secret may
  /// go: else any secret of an agent could be had by naming it together with a host of one's own.
  public func problem(withSecret name: String) -> SourceProblem? {
    let own = "git-\(host)"
    let lowered = name.lowercased()
    guard lowered == own || lowered.hasPrefix(own + "_") else {
      return SourceProblem(
        "the secret `\(name)` is not for \(host): secrets for git are named after the host that they may be sent to",
        hint: "name it \(own), or \(own)_ and more")
    }
    guard way != .http || isLoopback else {
      return SourceProblem(
        "a secret is not sent over http://, which everybody can read", hint: "use https:// or ssh://")
    }
    return nil
  }

  public var isLoopback: Bool { HostName.isLoopback(host) }

  /// `github.com/team/app`: for names and for people.
  public var short: String {
    var path = path[...]
    if path.hasSuffix("/") { path = path.dropLast() }
    if path.hasSuffix(".git") { path = path.dropLast(4) }
    return "\(host)/\(path)"
  }
}
