import CLinux
import FoundationEssentials
import Glibc
import Hashing
import Model
import Processes

/// Why a source could not be put on the disk.
struct SourceFailure: Error, Sendable, Hashable {
  var message: String
  /// The same call may succeed later: the server was away.
  var isPassing = false
}

/// Unpacked sources, one for each digest, read by all runs and changed by none; each attempt works in a copy of its own.
///
/// A source is fetched once, however many runs wait for it; every byte is verified by its hash before it is used.
actor Sources {
  private let folder: String
  private let connection: any ServerConnection
  private let git: GitFetch
  private var fetching: [String: Task<Void, any Error>] = [:]
  /// Attempts that are copying from it or building with it, by digest.
  private var users: [String: Int] = [:]
  /// Manifests read lately, by digest: many short runs of one job need not read its list each.
  private var manifests: [String: Manifest] = [:]

  /// Manifests, and files in each, that are kept in memory.
  private static let manifestsMax = 16
  private static let manifestFilesMax = 1_000
  /// Files that are fetched at one time.
  private static let parallel = 8
  /// Bytes that unpacked sources may take before those are removed that were not used the longest.
  private static let bytesMax: Int64 = 10 << 30

  init(_ folder: String, _ connection: any ServerConnection, _ git: GitFetch) {
    self.folder = folder
    self.connection = connection
    self.git = git
    Sources.clear(folder)
  }

  /// Removes what a death in the middle of a fetch has left: keys, drafts, and what has no manifest, which comes last.
  private static func clear(_ folder: String) {
    let names = Set(Disk.names(in: folder))
    for name in names where !name.hasSuffix(".json") {
      let digest = name.hasSuffix(".notes") ? String(name.dropLast(".notes".count)) : name
      if !names.contains("\(digest).json") { try? Disk.remove("\(folder)/\(name)") }
    }
  }

  private func path(_ digest: String) -> String { "\(folder)/\(digest)" }
  private func marker(_ digest: String) -> String { "\(folder)/\(digest).json" }

  private func notes(_ digest: String) -> String { "\(folder)/\(digest).notes" }

  /// Whether a source is here already.
  func has(_ source: Source) -> Bool {
    (try? Sources.digest(of: source)).map { Disk.exists(marker($0)) } ?? false
  }

  /// Under what a source is kept: a folder's content, or what is fetched of a repository and with which secret. Who may
  /// not open a repository must not find it here because another could.
  private static func digest(of source: Source) throws(SourceFailure) -> String {
    var digest = source.manifest ?? ""
    if let git = source.git {
      let parts = [git.url, git.commit, git.folder ?? "", git.secret ?? "", git.user ?? ""]
      do { digest = try Hash.of("git 1\n" + parts.joined(separator: "\n")).hex } catch {
        throw SourceFailure(message: "\(error)")
      }
    }
    guard digest.utf8.count == 64, digest.utf8.allSatisfy({ $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ".") }) else {
      throw SourceFailure(message: "`\(digest)` is no digest of a source")
    }
    return digest
  }

  /// Makes sure that a source is here, and keeps it until `release`. Gives its folder, what is in it, and what people
  /// should know of it.
  func take(
    _ source: Source
  ) async throws(SourceFailure) -> (folder: String, manifest: Manifest, notes: String?) {
    let digest = try Sources.digest(of: source)
    users[digest, default: 0] += 1
    do {
      if !Disk.exists(marker(digest)) { try await fetchOnce(source, digest) }
      // Its age is when it was last used.
      utimes(marker(digest), nil)
      return (path(digest), try manifest(digest), Disk.text(notes(digest)))
    } catch {
      release(digest)
      throw error as? SourceFailure
        ?? SourceFailure(message: error is CancellationError ? "cancelled" : "\(error)", isPassing: true)
    }
  }

  private func manifest(_ digest: String) throws(SourceFailure) -> Manifest {
    if let manifest = manifests[digest] { return manifest }
    guard let bytes = Disk.read(marker(digest)),
      let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes))
    else { throw SourceFailure(message: "the unpacked source \(digest) has no readable manifest") }
    if manifest.files.count <= Sources.manifestFilesMax {
      if manifests.count >= Sources.manifestsMax { manifests = [:] }
      manifests[digest] = manifest
    }
    return manifest
  }

  func release(_ source: Source) {
    if let digest = try? Sources.digest(of: source) { release(digest) }
  }

  private func release(_ digest: String) {
    users[digest, default: 1] -= 1
    if users[digest] == 0 { users[digest] = nil }
  }

  private func fetchOnce(_ source: Source, _ digest: String) async throws {
    if let task = fetching[digest] { return try await Sources.wait(for: task) }
    let task = Task {
      if let git = source.git { try await fetch(git, digest) } else { try await fetch(digest) }
    }
    fetching[digest] = task
    // Others may wait for it too: it is finished even where this run is stopped.
    Task {
      _ = await task.result
      fetching[digest] = nil
      makeRoom()
    }
    try await Sources.wait(for: task)
  }

  /// Waits for a fetch, but not longer than until this run is stopped.
  private static func wait(for task: Task<Void, any Error>) async throws {
    let (ended, end) = AsyncStream<Void>.makeStream()
    Task {
      _ = await task.result
      end.finish()
    }
    for await _ in ended {}
    try Task.checkCancellation()
    try await task.value
  }

  private func fetch(_ source: GitSource, _ digest: String) async throws {
    let draft = "\(folder)/\(digest).new"
    let list = "\(folder)/\(digest).list"
    try Disk.remove(draft)
    try Disk.remove(path(digest))
    do {
      let (manifest, notes) = try await git.fetch(source, to: draft)
      if let problem = manifest.pathProblems.first {
        throw SourceFailure(message: "the repository is refused: \(problem)")
      }
      try Disk.write(self.notes(digest), Array(notes.joined(separator: "\n").utf8))
      try Disk.write(list, Array(JSONEncoder().encode(manifest)))
      let files = draft + (source.folder.map { "/" + $0 } ?? "")
      guard rename(files, path(digest)) == 0 else { throw SourceFailure(message: "cannot move \(files) into place") }
      guard rename(list, marker(digest)) == 0 else { throw SourceFailure(message: "cannot move \(list) into place") }
      try Disk.remove(draft)
    } catch {
      try? Disk.remove(draft)
      try? Disk.remove(list)
      throw error
    }
  }

  private func fetch(_ digest: String) async throws {
    let draft = "\(folder)/\(digest).new"
    try Disk.remove(draft)
    try Disk.remove(path(digest))
    try Disk.makeFolder(draft)
    do {
      let list = "\(folder)/\(digest).list"
      try await download(digest, to: list)
      guard let bytes = Disk.read(list), let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes))
      else { throw SourceFailure(message: "the manifest \(digest) of the source cannot be read") }
      if let problem = manifest.problems.first { throw SourceFailure(message: "the source is refused: \(problem)") }
      try await unpack(manifest, into: draft)
      guard rename(draft, path(digest)) == 0 else { throw SourceFailure(message: "cannot move \(draft) into place") }
      // The manifest comes last: where it is, all of the source is.
      guard rename(list, marker(digest)) == 0 else { throw SourceFailure(message: "cannot move \(list) into place") }
    } catch {
      try? Disk.remove(draft)
      try? Disk.remove("\(folder)/\(digest).list")
      throw error
    }
  }

  private nonisolated func unpack(_ manifest: Manifest, into draft: String) async throws {
    try Sources.makeFolders(manifest, in: draft)
    var files = manifest.files.filter { $0.link == nil }[...]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<Sources.parallel {
        guard let file = files.popFirst() else { break }
        group.addTask { try await self.put(file, into: draft) }
      }
      while try await group.next() != nil {
        if let file = files.popFirst() { group.addTask { try await self.put(file, into: draft) } }
      }
    }
    for file in manifest.files {
      guard let target = file.link else { continue }
      guard symlink(target, "\(draft)/\(file.path)") == 0 else {
        throw SourceFailure(message: "cannot make link \(file.path): \(String(cString: strerror(errno)))")
      }
    }
  }

  private nonisolated func put(_ file: Manifest.File, into draft: String) async throws {
    let path = "\(draft)/\(file.path)"
    if file.size == 0 { try Disk.write(path, []) } else { try await download(file.sha256, to: path) }
    guard Disk.size(path) == file.size else {
      throw SourceFailure(message: "the server sent another size of file \(file.path)")
    }
    chmod(path, file.executable ? 0o555 : 0o444)
  }

  /// Fetches a blob and verifies it.
  private nonisolated func download(_ sha256: String, to path: String) async throws {
    do throws(ConnectionFailure) {
      try await connection.fetch(blob: sha256, to: path)
    } catch {
      throw SourceFailure(
        message: "the source cannot be fetched from the server: \(error.message)", isPassing: error.isPassing)
    }
    var hash = try Hash(.sha256)
    var offset: Int64 = 0
    while true {
      guard let bytes = Disk.read(path, from: offset, limit: 1 << 20) else {
        throw SourceFailure(message: "cannot read \(path)")
      }
      if bytes.isEmpty { break }
      hash.update(bytes)
      offset += Int64(bytes.count)
    }
    guard hash.finish().hex == sha256 else {
      // Bytes that were damaged on their way may come whole the next time.
      throw SourceFailure(message: "what the server sent for \(sha256) has another hash", isPassing: true)
    }
  }

  private static func makeFolders(_ manifest: Manifest, in root: String) throws(ProcessFailure) {
    var made: Set<Substring> = []
    for file in manifest.files {
      guard let slash = file.path.lastIndex(of: "/"), made.insert(file.path[..<slash]).inserted else { continue }
      try Disk.makeFolder("\(root)/\(file.path[..<slash])")
    }
  }

  /// After a power cut a file may be there without its content, for nothing has put it on the disk before.
  private static func damage(_ path: String) -> String {
    "the agent's copy of \(path) has lost a part of its content; it is fetched again by the next run"
  }

  /// Has a source fetched again by the next who wants it.
  func forget(_ source: Source) {
    if let digest = try? Sources.digest(of: source) { unlink(marker(digest)) }
  }

  // MARK: Copies

  /// Copies a source into a new folder. Nothing is shared with the original: a program may do to its files what it likes.
  nonisolated static func copy(_ manifest: Manifest, from folder: String, to copy: String) throws(ProcessFailure) {
    try Disk.makeFolder(copy)
    try makeFolders(manifest, in: copy)
    for file in manifest.files {
      let target = "\(copy)/\(file.path)"
      if let link = file.link {
        guard symlink(link, target) == 0 else { throw ProcessFailure(errno: errno, "make link \(target)") }
      } else {
        try Disk.copy("\(folder)/\(file.path)", to: target, mode: file.executable ? 0o755 : 0o644)
        guard Disk.size(target) == file.size else { throw ProcessFailure(.invalid, Sources.damage(file.path)) }
      }
    }
  }

  // MARK: Room

  /// Removes what was not used the longest, where sources take more room than they may.
  private func makeRoom() {
    var all: [(digest: String, size: Int64, used: Int)] = []
    for name in Disk.names(in: folder) where name.hasSuffix(".json") {
      let digest = String(name.dropLast(5))
      var status = stat()
      guard stat(marker(digest), &status) == 0, let bytes = Disk.read(marker(digest)),
        let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes))
      else { continue }
      all.append((digest, manifest.size, status.st_mtim.tv_sec))
    }
    var total = all.reduce(0) { $0 + $1.size }
    for source in all.sorted(by: { $0.used < $1.used }) where total > Sources.bytesMax && users[source.digest] == nil {
      // The manifest first: without it the rest is what an interrupted fetch leaves.
      unlink(marker(source.digest))
      unlink(notes(source.digest))
      try? Disk.remove(path(source.digest))
      total -= source.size
    }
  }
}
