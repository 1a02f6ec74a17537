import Glibc
import Processes

/// A host of git repositories: a working folder whose state is published to bare repositories, and `server.py` that serves
/// them on loopback.
public final class GitHost: Sendable {
  public let root: String
  public let port: Int
  private let isSecure: Bool
  private let server: pid_t

  public struct Broken: Error, CustomStringConvertible {
    public var description: String
  }

  /// - Parameters:
  ///   - login: `user:password` for what is below `closed`.
  ///   - authority: whose certificate it shows, for it speaks HTTPS then.
  public init(login: String? = nil, authority: GitAuthority? = nil) async throws {
    root = "/tmp/lunaport-git-\(UInt64.random(in: 0...UInt64.max))"
    for folder in ["work", "closed", "home"] { try Disk.makeFolder("\(root)/\(folder)") }
    try await authority?.certify(root)
    isSecure = authority != nil
    let script = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    let words = ["python3", "\(script)/server.py", root] + (login.map { [$0] } ?? [])
    var arguments = words.map { strdup($0) } + [nil]
    defer { for text in arguments { free(text) } }
    var child: pid_t = 0
    guard posix_spawnp(&child, "python3", &actions, nil, &arguments, environ) == 0 else {
      throw Broken(description: "python3 cannot be run")
    }
    server = child
    Glibc.close(ends[1])
    var line: [UInt8] = []
    var byte: UInt8 = 0
    // To its end: python may write the line in pieces.
    while read(ends[0], &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
    Glibc.close(ends[0])
    port = Int(String(decoding: line, as: UTF8.self)) ?? 0
    try git("init", "--quiet", "--initial-branch=main")
  }

  /// To be called when the test is over: not a `deinit`, for the last use of a host is often its address.
  public func close() {
    kill(server, SIGKILL)
    waitpid(server, nil, 0)
    try? Disk.remove(root)
  }

  public var url: String { "\(isSecure ? "https" : "http")://127.0.0.1:\(port)" }
  public func path(_ name: String) -> String { "\(root)/\(name)" }

  /// What was asked of it: method, path and the login that was sent.
  public var requests: [String] { (Disk.text(path("requests")) ?? "").split(separator: "\n").map(String.init) }

  public var environment: [String: String] {
    [
      "PATH": BaseEnvironment.current()["PATH"] ?? BaseEnvironment.defaultPath, "HOME": path("home"),
      "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
      "GIT_COMMITTER_NAME": "a",
      "GIT_COMMITTER_EMAIL": "a@example.org",
    ]
  }

  /// Runs git in the working folder; `symlink NAME TARGET` makes a link there.
  @discardableResult
  public func git(_ words: String...) throws -> String {
    if words[0] == "symlink" {
      symlink(words[2], path("work/\(words[1])"))
      return ""
    }
    var template = Array("\(root)/printed-XXXXXX".utf8CString)
    let output = mkstemp(&template)
    defer { Glibc.close(output) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    var arguments = (["git", "-C", path("work")] + words).map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var child: pid_t = 0
    guard posix_spawnp(&child, "git", &actions, nil, &arguments, &variables) == 0 else {
      throw Broken(description: "git cannot be run")
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    guard status == 0 else { throw Broken(description: "git \(words) failed") }
    let printed = Disk.text(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)) ?? ""
    return printed.hasSuffix("\n") ? String(printed.dropLast()) : printed
  }

  public func head() throws -> String { try git("rev-parse", "HEAD") }

  /// Commits files; a leading `!` makes one executable. `part` is the commit of a submodule at `place`.
  @discardableResult
  public func commit(_ files: [String: String], part: String? = nil, at place: String = "part") throws -> String {
    for (name, text) in files {
      let isExecutable = name.hasPrefix("!")
      let path = path("work/" + (isExecutable ? String(name.dropFirst()) : name))
      try Disk.makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
      try Disk.write(path, Array(text.utf8), mode: isExecutable ? 0o755 : 0o644)
    }
    try git("add", "--all")
    if let part { try git("update-index", "--add", "--cacheinfo", "160000,\(part),\(place)") }
    try git("commit", "--quiet", "--allow-empty", "-m", "x")
    return try head()
  }

  /// Serves what is committed, under `name`.
  public func publish(_ name: String = "open.git") throws {
    try Disk.remove(path(name))
    try git("clone", "--quiet", "--bare", path("work"), path(name))
  }
}
