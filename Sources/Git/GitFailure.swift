import Processes

/// Why a repository could not be read, in words of people and not of git.
public struct GitFailure: Error, Sendable, Hashable {
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// There is no git on this machine.
    case noGit
    /// The repository is closed to who asks, or not there: hosts do not tell the two apart.
    case denied
    case notFound
    /// The host cannot be reached, or broke off.
    case unreachable
    /// The host's key is not known here.
    case unknownHost
    /// The host's certificate is of an authority that is not trusted here, is out of date or of another host.
    case untrusted
    /// The repository has no such commit, branch or tag.
    case noCommit
    case tooLarge
    case timeout
    case cancelled
    case other
  }
  public var code: Code
  /// One sentence without a full stop.
  public var message: String
  public var hint: String?

  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  /// The same may go well later.
  public var isPassing: Bool { code == .unreachable || code == .timeout }
}

extension GitFailure {
  /// What git printed before it gave up, and what that means. The texts are those of git in English.
  private static let signs: [(Code, [String])] = [
    (.unknownHost, ["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"]),
    (
      .untrusted,
      [
        "server certificate ", "SSL certificate problem", "SSL: certificate subject name",
        "SSL: no alternative certificate subject name", "Problem with the SSL CA cert", "error setting certificate",
      ]
    ),
    (
      .denied,
      [
        "Authentication failed", "could not read Username", "could not read Password", "Permission denied",
        "terminal prompts disabled", "requested URL returned error: 401", "requested URL returned error: 403",
        "Invalid username or", "Load key", "access denied",
      ]
    ),
    (.noCommit, ["not our ref", "unadvertised object", "couldn't find remote ref", "no matching remote head"]),
    (
      .notFound,
      [
        "Repository not found", "repository not found", "does not appear to be a git repository", "returned error: 404",
        "' not found", "does not exist", "Could not find repository",
      ]
    ),
    (.other, ["not supported or disabled in libcurl"]),
    (
      .unreachable,
      [
        "Could not resolve host", "Failed to connect", "Connection refused", "Connection timed out", "Connection reset",
        "Connection closed", "early EOF", "Operation too slow", "remote end hung up", "returned error: 5",
        "Network is unreachable", "No route to host", "Name or service not known",
        "Temporary failure in name resolution",
        "RPC failed", "SSL", "unable to access", "Operation timed out",
      ]
    ),
    // After those: a line that broke off ends with the last of these too.
    (
      .tooLarge,
      [
        "File too large", "File size limit exceeded", "died of signal 25",
        "fatal: fetch-pack: invalid index-pack output",
      ]
    ),
  ]

  /// - Parameter host: of the repository, for what is said.
  init(printed text: String, host: String) {
    let (code, signs) = GitFailure.signs.first { _, signs in signs.contains { text.contains($0) } } ?? (.other, [])
    let last = GitFailure.lastWords(text, signs)
    switch code {
    case .unknownHost:
      self.init(
        code, "the key of \(host) is not known on this machine",
        hint: "after checking it, add it to the known hosts: ssh-keyscan \(host)")
    case .untrusted:
      self.init(
        code, "the certificate of \(host) is not trusted on this machine: \(last)",
        hint:
          "if its authority is your own, name the file with its certificate: git config --global http.sslCAInfo FILE"
      )
    case .denied:
      self.init(
        code, "\(host) does not let us read the repository: \(last)",
        hint: "name a secret that opens it (--secret), and check that it is still valid; or there is no such repository"
      )
    case .noCommit: self.init(code, "the repository has no such commit, branch or tag: \(last)")
    case .notFound:
      self.init(
        code, "\(host) has no such repository, or shows it only with a secret: \(last)",
        hint: "check its address, and name a secret that opens it (--secret) if it is a closed one")
    case .tooLarge: self.init(code, "the repository is larger than may be fetched")
    case .unreachable: self.init(code, "\(host) cannot be reached: \(last)")
    case .other where !signs.isEmpty:
      self.init(
        code, "\(host) leads to an address that is not fetched from: \(last)",
        hint: "give the repository's own address; a host of https must not lead to http")
    default: self.init(.other, "git failed: \(last)")
    }
  }

  /// Characters of git's own words that are passed on.
  private static let wordsMax = 300

  /// The line that tells most: the one with the sign, and of what hosts say themselves and git sums up, the former.
  private static func lastWords(_ text: String, _ signs: [String]) -> String {
    let lines = text.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }
    let told = lines.filter { line in signs.contains { line.contains($0) } }
    let fatal = lines.last { $0.hasPrefix("fatal:") }
    let line = told.first { !$0.hasPrefix("fatal:") } ?? told.first ?? fatal ?? lines.last ?? "it does not say why"
    var words = line.drop(prefixes: ["fatal: ", "remote: ", "ERROR: "])
    // `unable to access 'URL': WHY`: who reads it knows the address.
    if words.hasPrefix("unable to access '"), let end = words.firstRange(of: "': ") { words = words[end.upperBound...] }
    return String(words.prefix(wordsMax))
  }

  init(_ failure: ProcessFailure) {
    switch failure.code {
    case .notFound: self.init(.noGit, "there is no git on this machine", hint: "install git")
    case .cancelled: self.init(.cancelled, "cancelled")
    default: self.init(.other, "git cannot be run: \(failure.message)", hint: failure.hint)
    }
  }
}

extension Substring {
  fileprivate func drop(prefixes: [String]) -> Substring {
    for prefix in prefixes where hasPrefix(prefix) { return dropFirst(prefix.count).drop(prefixes: prefixes) }
    return self
  }
}
