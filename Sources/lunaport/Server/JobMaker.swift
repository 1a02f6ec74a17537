import Arguments
import Client
import Git
import HTTP
import Model
import Snapshot

/// A job as it is going to be made, with what the person should know of it.
struct JobDraft: Sendable {
  var source: Source
  /// Where nobody gives another.
  var name: String
  var aliases: [String] = []
  /// Told where a version was made of it.
  var notes: [String] = []
}

/// Makes jobs of what people have: folders here, repositories and images elsewhere.
struct JobMaker: Sendable {
  let client: APIClient
  let console: Console
  let environment: Environment

  /// A folder's snapshot, which is sent to the server.
  /// - Parameters:
  ///   - entryPoint: where `path` is a folder.
  ///   - runtime: the Python version, where it is not the folder's own.
  func code(_ path: String, entryPoint: String?, runtime: String?) async throws -> JobDraft {
    let plan = try CodePath(path, entryPoint: entryPoint)
    let folder = try FolderReader.read(plan.folder)
    for special in folder.special { console.report("left out: \(printable(special)), which is no file") }
    // Before anything is read whole: a wrong entry point should not cost a minute of hashing.
    _ = try folder.source(plan.words, runtime: runtime, manifest: nil)
    let total = folder.bytes
    defer { console.show(nil) }
    let snapshot = try Snapshot(folder) { done in
      console.show(Progress("reading \(plan.folder)", done: Int(done >> 10), of: Int(total >> 10)))
    }
    let source = try folder.source(plan.words, runtime: runtime, manifest: snapshot.digest)
    let sent = try await SnapshotUpload(client: client, console: console).send(snapshot)
    return JobDraft(
      source: source, name: plan.jobName,
      notes: [
        "took \(counted(folder.entries.count, "file")) of \(plan.folder), \(Quantity.text(bytes: total)); "
          + (sent.count == 0 ? "the server has them" : "sent \(Quantity.text(bytes: sent.bytes))")
      ])
  }

  /// A commit of a repository as a person names it.
  struct GitRequest: Sendable {
    var remote: GitRemote
    var entryPoint: String
    /// A commit, branch or tag; the main branch where nil.
    var ref: String?
    var folder: String?
    var secret: String?
    var user: String?
    var runtime: String?
  }

  /// A commit of a repository, which is looked into as the person who makes the job may.
  func git(_ request: GitRequest) async throws -> JobDraft {
    let remote = request.remote
    let words = try CodePath.words(of: request.entryPoint)
    if let secret = request.secret, let problem = remote.problem(withSecret: secret) { throw problem }
    let scratch = try Scratch()
    let program = GitProgram.ofPerson(remote: remote)
    let lookup = GitLookup(remote, program, scratch: scratch.path + "/git")
    console.show(Progress("looking into \(remote.short)"))
    defer { console.show(nil) }
    let (commit, ref) = try await lookup.resolve(request.ref)
    try LocalFile.makeFolder(scratch.path + "/git")
    let entries = try await lookup.files(of: commit, in: request.folder)
    // A folder with only those files that say what the program needs.
    let look = scratch.path + "/look"
    try LocalFile.makeFolder(look)
    for name in Folder.told where entries.contains(where: { $0.path == name }) {
      let path = (request.folder.map { $0 + "/" } ?? "") + name
      try LocalFile.write(try await lookup.file(path, of: commit), to: "\(look)/\(name)")
    }
    let folder = Folder(
      path: look,
      entries: entries.map {
        Folder.Entry(path: $0.path, kind: $0.isLink ? .link(target: "") : .file(size: 0, executable: $0.isExecutable))
      }, name: remote.short)
    var source = try folder.source(words, runtime: request.runtime, manifest: nil)
    source.kind = .git
    source.git = GitSource(
      url: remote.url, commit: commit, ref: ref, folder: request.folder, secret: request.secret, user: request.user)
    if let problem = source.git?.problems.first { throw problem }
    return JobDraft(
      source: source, name: source.jobName,
      notes: ["\(ref ?? "the commit") of \(remote.short) is \(commit)"]
        + (entries.contains { $0.path == ".gitmodules" } ? ["its submodules are fetched too"] : []))
  }

  /// An image, by its digest where the registry tells it.
  func image(_ image: ImageReference, entryPoint: String?) async throws -> JobDraft {
    var pinned = image
    var notes: [String] = []
    if image.digest == nil {
      let config = environment
      let registry = ImageRegistry(http: HTTPClient()) { Self.login(to: $0, config) }
      console.show(Progress("asking \(image.registry)"))
      defer { console.show(nil) }
      do throws(ImageRegistry.Failure) {
        pinned.digest = try await registry.digest(of: image)
        notes.append("\(image.short) is \(pinned.digest ?? "")")
      } catch {
        console.report(
          console.errors.paint("note:", .bold, .cyan)
            + printable(" not pinned, for \(error.message); each run takes what \(image.short) means then"))
      }
    }
    if let alias = pinned.alias, let tag = pinned.tag, alias != tag {
      notes.append("the tag \(tag) would be taken for a version, so the alias is \(alias)")
    }
    return JobDraft(
      source: Source(kind: .image, image: pinned, entryPoint: try entryPoint.map(CodePath.words) ?? []),
      name: Name.safe("job-\(image.shortName)"), aliases: pinned.alias.map { [$0] } ?? [], notes: notes)
  }

  /// What `docker login` keeps for a registry, where the person has logged in to it.
  private static func login(to registry: String, _ environment: Environment) -> RegistryLogin? {
    guard let folder = environment["DOCKER_CONFIG"] ?? environment["HOME"].map({ $0 + "/.docker" }),
      let bytes = try? LocalFile.read(folder + "/config.json", ifMissing: nil), let config = try? Value(json: bytes)
    else { return nil }
    return RegistryLogin(config, registry: registry)
  }

  /// Makes a version of the job, unless nothing has changed.
  func create(_ draft: JobDraft, as request: JobRequest) async throws -> JobAnswer {
    let answer = try await client.createJob(request)
    if answer.created { for note in draft.notes { console.report(printable(note)) } }
    return answer
  }
}
