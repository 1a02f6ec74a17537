import Arguments
import Client
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
          + "sent \(sent.count), \(Quantity.text(bytes: sent.bytes))"
      ])
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
