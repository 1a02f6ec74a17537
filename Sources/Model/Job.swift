/// What a job is made from.
public enum SourceKind: String, Sendable, Hashable, Codable, CaseIterable {
  case code, git, image
}

/// Where a job version's program comes from.
public struct Source: Sendable, Hashable, Codable {
  public var kind: SourceKind
  /// SHA-256 of the manifest of a folder's snapshot (`code`); the manifest and its files are blobs.
  public var manifest: String?
  /// Program and its first arguments, relative to the source's root: `["train.py"]`, `["./run.sh", "--fast"]`.
  public var entryPoint: [String]
  /// Python version the program asks for (`3.11`), where it asks.
  public var python: String?
  /// Path of the dependency list inside the source, `requirements.txt`; nil where there is none.
  public var requirements: String?

  enum CodingKeys: String, CodingKey {
    case kind, manifest
    case entryPoint = "entry_point"
    case python, requirements
  }

  public init(
    kind: SourceKind, manifest: String? = nil, entryPoint: [String], python: String? = nil, requirements: String? = nil
  ) {
    self.kind = kind
    self.manifest = manifest
    self.entryPoint = entryPoint
    self.python = python
    self.requirements = requirements
  }
}

/// One version of a job. Versions are `v0`, `v1`, ...; `latest` names the newest.
public struct JobVersion: Sendable, Hashable, Codable {
  public var entity: String
  public var project: String
  public var name: String
  /// 0 for `v0`.
  public var version: Int
  public var aliases: [String]
  public var source: Source
  /// Identity of the content: two versions with the same digest are the same version.
  public var digest: String
  public var author: String
  /// Seconds since 1970.
  public var createdAt: Double

  enum CodingKeys: String, CodingKey {
    case entity, project, name, version, aliases, source, digest, author
    case createdAt = "created_at"
  }

  public init(
    entity: String, project: String, name: String, version: Int, aliases: [String], source: Source, digest: String,
    author: String, createdAt: Double
  ) {
    self.entity = entity
    self.project = project
    self.name = name
    self.version = version
    self.aliases = aliases
    self.source = source
    self.digest = digest
    self.author = author
    self.createdAt = createdAt
  }

  /// `entity/project/name:v3`
  public var reference: String { "\(entity)/\(project)/\(name):v\(version)" }
}

/// How people name a job: `name`, `name:alias`, `project/name`, `entity/project/name:v2`.
public struct JobReference: Sendable, Hashable {
  public var entity: String?
  public var project: String?
  public var name: String
  /// `latest`, `v2`, or another alias.
  public var alias: String

  /// Reads a reference; nil where `text` is none.
  public init?(_ text: String) {
    var path = text
    alias = "latest"
    if let colon = text.lastIndex(of: ":") {
      path = String(text[..<colon])
      alias = String(text[text.index(after: colon)...])
      if Name.problem(with: alias) != nil { return nil }
    }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard (1...3).contains(parts.count), parts.allSatisfy({ Name.problem(with: $0) == nil }) else { return nil }
    name = parts[parts.count - 1]
    project = parts.count > 1 ? parts[parts.count - 2] : nil
    entity = parts.count > 2 ? parts[0] : nil
  }

  /// The number of `v12`, where the alias is a version.
  public var version: Int? {
    guard alias.hasPrefix("v"), let number = Int(alias.dropFirst()), number >= 0 else { return nil }
    return number
  }
}

/// A folder's snapshot: what is in it, by content. The manifest's own bytes are `Value.json()` of it, so the same
/// folder always gives the same digest.
public struct Manifest: Sendable, Hashable, Codable {
  public struct File: Sendable, Hashable, Codable {
    /// Relative path with `/`, never absolute, never with `..`.
    public var path: String
    public var sha256: String
    public var size: Int64
    /// The owner may execute it.
    public var executable: Bool
    /// What a symbolic link points to, inside the folder; such an entry has no content.
    public var link: String?

    public init(path: String, sha256: String, size: Int64, executable: Bool, link: String? = nil) {
      self.path = path
      self.sha256 = sha256
      self.size = size
      self.executable = executable
      self.link = link
    }
  }
  /// Sorted by path.
  public var files: [File]

  public init(files: [File]) { self.files = files.sorted { $0.path < $1.path } }
}
