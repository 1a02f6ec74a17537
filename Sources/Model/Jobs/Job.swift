/// What a job is made from.
public enum SourceKind: String, Sendable, Hashable, Codable, CaseIterable {
  case code, git, image
}

/// Where a job version's program comes from.
public struct Source: Sendable, Hashable, Codable {
  public var kind: SourceKind
  /// SHA-256 of the manifest of a folder's snapshot (`code`); the manifest and its files are blobs.
  public var manifest: String?
  /// The commit of a repository (`git`).
  public var git: GitSource?
  /// The image (`image`), by its digest where the registry told it.
  public var image: ImageReference?
  /// Program and its first arguments, relative to the source's root: `["train.py"]`, `["./run.sh", "--fast"]`. Empty
  /// for an image's own.
  public var entryPoint: [String]
  /// Python version the program asks for (`3.11`), where it asks.
  public var python: String?
  /// Path of the dependency list inside the source, `requirements.txt` or `pyproject.toml`; nil where there is none.
  public var requirements: String?

  enum CodingKeys: String, CodingKey {
    case kind, manifest, git, image
    case entryPoint = "entry_point"
    case python, requirements
  }

  public init(
    kind: SourceKind, manifest: String? = nil, git: GitSource? = nil, image: ImageReference? = nil,
    entryPoint: [String], python: String? = nil, requirements: String? = nil
  ) {
    self.kind = kind
    self.manifest = manifest
    self.git = git
    self.image = image
    self.entryPoint = entryPoint
    self.python = python
    self.requirements = requirements
  }
}

extension Source {
  /// An image may be given without an entry point.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      kind: try fields.decode(SourceKind.self, forKey: .kind),
      manifest: try fields.decodeIfPresent(String.self, forKey: .manifest),
      git: try fields.decodeIfPresent(GitSource.self, forKey: .git),
      image: try fields.decodeIfPresent(ImageReference.self, forKey: .image),
      entryPoint: try fields.decodeIfPresent([String].self, forKey: .entryPoint) ?? [],
      python: try fields.decodeIfPresent(String.self, forKey: .python),
      requirements: try fields.decodeIfPresent(String.self, forKey: .requirements))
  }
}

extension Source {
  /// What makes two sources the same: a branch that means the same commit, or a tag that means the same image, is no
  /// change.
  public var identity: Source {
    var identity = self
    identity.git?.ref = nil
    if image?.digest != nil { identity.image?.tag = nil }
    return identity
  }

  /// The name of a job of this source where nobody gives another: `job-github.com-team-app-train.py`, `job-alpine`.
  public var jobName: String {
    switch kind {
    case .code: Name.safe("job-" + entryPoint.joined(separator: "-"))
    case .git: Name.safe("job-\(git?.url ?? "")-" + ([git?.folder].compactMap { $0 } + [script]).joined(separator: "-"))
    case .image: Name.safe("job-" + (image?.shortName ?? ""))
    }
  }

  /// What the entry point runs, without the interpreter before it.
  private var script: String {
    let interpreters: Set<String> = ["bash", "python", "python3", "sh"]
    let first = entryPoint.first ?? ""
    guard interpreters.contains(first), let next = entryPoint.dropFirst().first, !next.hasPrefix("-") else {
      return first
    }
    return next
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
  /// What its config may hold; nil where nothing is known of that, and anything may be given.
  public var inputs: Inputs?
  /// Identity of the content: two versions with the same digest are the same version.
  public var digest: String
  public var author: String
  /// Seconds since 1970.
  public var createdAt: Double

  enum CodingKeys: String, CodingKey {
    case entity, project, name, version, aliases, source, inputs, digest, author
    case createdAt = "created_at"
  }

  public init(
    entity: String, project: String, name: String, version: Int, aliases: [String], source: Source,
    inputs: Inputs? = nil, digest: String, author: String, createdAt: Double
  ) {
    self.entity = entity
    self.project = project
    self.name = name
    self.version = version
    self.aliases = aliases
    self.source = source
    self.inputs = inputs
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
