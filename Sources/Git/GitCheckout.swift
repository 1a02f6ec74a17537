import Model
import Processes

/// Puts the files of one commit into a folder, for an agent.
public struct GitCheckout: Sendable {
  private let source: GitSource
  private let remote: GitRemote
  private let program: GitProgram
  private let limits: Limits

  public struct Limits: Sendable {
    /// Bytes of all files together, and of the pack that brings them.
    public var bytes: Int64
    /// Files and links.
    public var entries: Int
    /// Seconds for each step.
    public var seconds: Double

    public init(bytes: Int64 = 4 << 30, entries: Int = 200_000, seconds: Double = 900) {
      self.bytes = bytes
      self.entries = entries
      self.seconds = seconds
    }
  }

  public init(_ source: GitSource, _ remote: GitRemote, _ program: GitProgram, limits: Limits = Limits()) {
    self.source = source
    self.remote = remote
    self.program = program
    self.limits = limits
  }

  /// Fetches the commit and writes its files into `folder`, which is empty; submodules too. What is of git itself is
  /// taken away.
  /// - Returns: what people should know of it.
  public func write(to folder: String) async throws(GitFailure) -> [String] {
    try await git(["init", "--quiet", "--template=", folder])
    try await git(["remote", "add", "origin", remote.url], folder)
    try await fetch(folder)
    let hasParts = try await checkSize(folder)
    try await git(["checkout", "--quiet", "--detach", "--force", source.commit], folder)
    if hasParts {
      try await git(["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", "--jobs=4"], folder)
    }
    var notes: [String] = []
    if usesLargeFiles(folder) {
      notes.append("files of Git LFS are left as they are in the repository: pointers, without their content")
    }
    try clear(folder)
    return notes
  }

  private func fetch(_ folder: String) async throws(GitFailure) {
    let fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
    do throws(GitFailure) {
      return try await git(fetch + ["--depth=1", "origin", source.commit], folder)
    } catch {
      guard error.code == .noCommit else { throw error }
    }
    // The host gives out branches and tags only: then the commit comes with those, if it is in any.
    do throws(GitFailure) {
      try await git(fetch + ["origin", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], folder)
      try await git(["cat-file", "-e", "\(source.commit)^{commit}"], folder)
    } catch {
      if error.isPassing || error.code == .denied || error.code == .cancelled { throw error }
      throw GitFailure(
        .noCommit, "the commit \(source.commit) is not in \(remote.short) any more",
        hint: "a branch was rewritten, perhaps; make the job anew: lunaport job create git")
    }
  }

  /// Holds the commit's files against the limits before anything is written.
  /// - Returns: whether the commit has submodules.
  private func checkSize(_ folder: String) async throws(GitFailure) -> Bool {
    let list = try await program.run(
      ["-C", folder, "ls-tree", "-r", "-l", "-z", "--full-tree", source.commit], timeout: limits.seconds)
    var bytes: Int64 = 0
    var entries = 0
    var hasParts = false
    for line in list.split(separator: 0) {
      // `100644 blob HASH    SIZE\tPATH`
      let head = line.prefix { $0 != UInt8(ascii: "\t") }.split(separator: UInt8(ascii: " "))
      entries += 1
      if head.first.map({ Array($0) }) == Array("160000".utf8) { hasParts = true }
      if let size = head.last.flatMap({ Int64(String(decoding: $0, as: UTF8.self)) }) { bytes += size }
    }
    guard entries <= limits.entries else {
      throw GitFailure(.tooLarge, "the commit has \(entries) files, and at most \(limits.entries) are taken")
    }
    guard bytes <= limits.bytes else {
      throw GitFailure(
        .tooLarge,
        "the commit's files hold \(Quantity.text(bytes: bytes)), and at most \(Quantity.text(bytes: limits.bytes)) are taken"
      )
    }
    return hasParts
  }

  private func usesLargeFiles(_ folder: String) -> Bool {
    GitCheckout.ownText("\(folder)/.gitattributes", limit: 1 << 16)?.contains("filter=lfs") == true
  }

  /// Text of a file of the repository. A link that is there in its stead could lead to anything on this machine, such as
  /// a pipe that nobody writes to.
  private static func ownText(_ path: String, limit: Int) -> String? {
    Disk.isLink(path) || Disk.fileSize(path) == nil ? nil : Disk.text(path, limit: limit)
  }

  /// Takes away the repository's own data, of submodules too.
  private func clear(_ folder: String) throws(GitFailure) {
    do throws(ProcessFailure) {
      try Disk.remove("\(folder)/.git")
      if Disk.fileSize("\(folder)/.gitmodules") != nil { try clearParts(folder) }
    } catch { throw GitFailure(error) }
  }

  private func clearParts(_ folder: String) throws(ProcessFailure) {
    for name in Disk.names(in: folder) {
      let path = "\(folder)/\(name)"
      if name == ".git" {
        try Disk.remove(path)
      } else if !Disk.isLink(path), Disk.isFolder(path) {
        try clearParts(path)
      }
    }
  }

  private func git(_ words: [String], _ folder: String? = nil) async throws(GitFailure) {
    _ = try await program.run(words, in: folder, timeout: limits.seconds)
  }
}
