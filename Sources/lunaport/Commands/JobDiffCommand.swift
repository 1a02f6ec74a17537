import Arguments
import Client
import FoundationEssentials
import Model

extension Lunaport {
  var jobDiffCommand: Command {
    Command(
      "diff", "Show what two versions of a job differ in.",
      discussion: """
        The second version may be named without its job. The exit code is 1 where they differ.

          lunaport job diff train:v1 v2
          lunaport job diff demo/train:best demo/train:latest
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let first = declare.argument("first", .jobReference, help: "JOB:VERSION or JOB:ALIAS.")
      let second = declare.argument("second", .string, help: "JOB:VERSION, or a version or an alias of the same job.")
      let entity = declare.entity()
      let project = declare.project()
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let old = try await client.job(values[first], entity: values[entity], project: values[project])
        let new = try await Self.version(values[second], beside: old, of: client)
        let diff = JobDiff(
          old, new, try await Self.manifest(of: old, from: client), try await Self.manifest(of: new, from: client))
        if values[json] {
          try console.print(diff.document.json(pretty: true))
        } else {
          try console.print(diff.rendered(on: console.output))
        }
        return diff.isEmpty ? .ok : .findings
      }
    }
  }

  /// `v2` and `best` are of the same job; `train:v2` says its own.
  private static func version(
    _ text: String, beside old: JobVersion, of client: APIClient
  ) async throws -> JobVersion {
    if Name.problem(with: text) == nil {
      do {
        return try await client.job(entity: old.entity, project: old.project, name: old.name, alias: text)
      } catch {
        guard case .refused(404, _) = error else { throw error }
        // It may be the name of a job.
        guard let found = try? await client.job(entity: old.entity, project: old.project, name: text, alias: "latest")
        else { throw error }
        return found
      }
    }
    guard let reference = JobReference(text) else {
      throw UsageError("The value '\(text)' is invalid for '<second>': it must be a version, an alias or a job.")
    }
    return try await client.job(reference, entity: old.entity, project: reference.project ?? old.project)
  }

  private static func manifest(of job: JobVersion, from client: APIClient) async throws -> Manifest? {
    guard let digest = job.source.manifest else { return nil }
    let bytes = try await client.blob(digest)
    guard let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes)) else {
      throw LocalFailure("the list of files of \(job.reference) cannot be read")
    }
    return manifest
  }
}

/// What two versions of a job differ in: what is said of them, and for folders the files.
struct JobDiff: Equatable {
  struct Change: Equatable {
    var what: String
    /// nil where it was not there.
    var old: String?
    var new: String?
  }

  let first: String
  let second: String
  let changes: [Change]
  let files: [Change]

  var isEmpty: Bool { changes.isEmpty && files.isEmpty }

  init(_ old: JobVersion, _ new: JobVersion, _ oldFiles: Manifest?, _ newFiles: Manifest?) {
    first = old.reference
    second = new.reference
    changes = Self.changes(Self.facts(old), Self.facts(new))
    files = Self.changes(Self.files(oldFiles), Self.files(newFiles))
  }

  private static func facts(_ job: JobVersion) -> [String: String] {
    var facts = ["kind": job.source.kind.rawValue, "runs": JobText.command(job.source)]
    for (name, text) in JobText.origin(job.source) { facts[name] = text }
    for line in job.inputs.map({ JobText.inputs($0) }) ?? [] {
      let parts = line.split(separator: ":", maxSplits: 1)
      facts["input \(parts[0])"] = parts.dropFirst().joined().drop { $0 == " " }.description
    }
    return facts
  }

  private static func files(_ manifest: Manifest?) -> [String: String] {
    Dictionary(
      (manifest?.files ?? []).map { file in
        (
          file.path,
          file.link.map { "link to \($0)" }
            ?? "\(Quantity.text(bytes: file.size)), \(file.sha256.prefix(12))\(file.executable ? ", executable" : "")"
        )
      }, uniquingKeysWith: { first, _ in first })
  }

  private static func changes(_ old: [String: String], _ new: [String: String]) -> [Change] {
    Set(old.keys).union(new.keys).sorted().compactMap { name in
      old[name] == new[name] ? nil : Change(what: name, old: old[name], new: new[name])
    }
  }

  var document: Value {
    func list(_ changes: [Change], _ key: String) -> Value {
      .array(
        changes.map {
          [key: .string($0.what), "old": $0.old.map(Value.string) ?? .null, "new": $0.new.map(Value.string) ?? .null]
        })
    }
    return [
      "first": .string(first), "second": .string(second), "changes": list(changes, "what"),
      "files": list(files, "path"),
    ]
  }

  func rendered(on terminal: Terminal) -> String {
    if isEmpty { return printable("\(first) and \(second) are the same") }
    var lines = [terminal.paint(printable("\(first) -> \(second)"), .bold)]
    for change in changes + files {
      switch (change.old, change.new) {
      case (nil, let new): lines.append(terminal.paint(printable("+ \(change.what): \(new ?? "")"), .green))
      case (let old, nil): lines.append(terminal.paint(printable("- \(change.what): \(old ?? "")"), .red))
      case (let old?, let new?):
        lines.append(terminal.paint(printable("~ \(change.what): \(old) -> \(new)"), .yellow))
      }
    }
    return lines.joined(separator: "\n")
  }
}
