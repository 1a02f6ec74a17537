import Model
import Processes

/// Looks into a remote repository without fetching what is in its files: for people who make jobs of it.
public struct GitLookup: Sendable {
  public struct Entry: Sendable, Hashable {
    public var path: String
    public var isExecutable: Bool
    public var isLink: Bool
  }

  private let remote: GitRemote
  private let program: GitProgram
  /// An empty folder of its own.
  private let scratch: String

  /// Seconds for each step; a person waits.
  private static let patience = 120.0
  /// Bytes of a file that is looked at: dependency lists and the like.
  public static let fileBytesMax = 1 << 20

  /// - Parameter scratch: an empty folder, which belongs to this from now on.
  public init(_ remote: GitRemote, _ program: GitProgram, scratch: String) {
    self.remote = remote
    self.program = program
    self.scratch = scratch
  }

  /// The commit that a branch, a tag or a hash means now; of the repository's main branch where nil.
  /// - Returns: the commit, and the name of the branch or tag.
  public func resolve(_ name: String?) async throws(GitFailure) -> (commit: String, ref: String?) {
    if let name, GitSource.isCommit(name.lowercased()) { return (name.lowercased(), nil) }
    if let name, let problem = GitSource.problem(withRef: name) {
      throw GitFailure(.noCommit, problem.message, hint: problem.hint)
    }
    let forms = name.map { ["refs/tags/\($0)^{}", "refs/tags/\($0)", "refs/heads/\($0)", $0] } ?? ["HEAD"]
    let output = try await program.run(
      ["ls-remote", "--quiet", "--symref", "--", remote.url] + forms, timeout: Self.patience)
    var found: [String: String] = [:]
    var main: String?
    for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "\t", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      if parts[0].hasPrefix("ref: "), parts[1] == "HEAD" {
        main = String(parts[0].dropFirst("ref: ".count).drop(prefix: "refs/heads/"))
      } else {
        found[parts[1]] = parts[0]
      }
    }
    // A tag goes before a branch of the same name, as in git itself.
    guard let form = forms.first(where: { found[$0] != nil }), let commit = found[form], GitSource.isCommit(commit)
    else {
      guard let name else { throw GitFailure(.noCommit, "the repository is empty") }
      throw GitFailure(
        .noCommit, "the repository has no branch or tag `\(name)`", hint: "a commit is named by its whole hash")
    }
    return (commit, name ?? main)
  }

  /// All files of a commit, below `folder` where one is given and relative to it. To be called before `file`.
  public func files(of commit: String, in folder: String?) async throws(GitFailure) -> [Entry] {
    try await git(["init", "--quiet", "--bare", "--template="])
    try await git(["remote", "add", "origin", remote.url])
    // Hosts that cannot leave the files' content out send it all.
    try await git([
      "fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "--no-recurse-submodules", "origin", commit,
    ])
    let output = try await git(
      ["ls-tree", "-r", "-z", "--full-tree", commit] + (folder.map { ["--", $0 + "/"] } ?? []))
    let entries = output.split(separator: 0).compactMap { line -> Entry? in
      let parts = String(decoding: line, as: UTF8.self).split(separator: "\t", maxSplits: 1)
      guard parts.count == 2 else { return nil }
      var path = parts[1]
      if let folder { path = path.dropFirst(folder.count + 1) }
      return Entry(path: String(path), isExecutable: parts[0].hasPrefix("100755"), isLink: parts[0].hasPrefix("120000"))
    }
    if entries.isEmpty, let folder {
      throw GitFailure(.notFound, "the commit has no folder `\(folder)`", hint: "check the path within the repository")
    }
    return entries
  }

  /// The content of a file of a commit.
  public func file(_ path: String, of commit: String) async throws(GitFailure) -> [UInt8] {
    Array(try await git(["cat-file", "blob", "\(commit):\(path)"]).prefix(Self.fileBytesMax))
  }

  @discardableResult
  private func git(_ words: [String]) async throws(GitFailure) -> [UInt8] {
    try await program.run(words, in: scratch, timeout: Self.patience)
  }
}

extension Substring {
  func drop(prefix: String) -> Substring { hasPrefix(prefix) ? dropFirst(prefix.count) : self }
}
