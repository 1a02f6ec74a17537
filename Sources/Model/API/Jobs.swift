/// Makes a version of a job.
public struct JobRequest: Sendable, Hashable, Codable {
  /// The submitter's default where nil.
  public var entity: String?
  public var project: String
  /// Made of the source where nil.
  public var name: String?
  public var source: Source
  /// What its config may hold; those of the newest version where nil.
  public var inputs: Inputs?
  /// Beside `latest`.
  public var aliases: [String]?

  public init(
    entity: String? = nil, project: String, name: String? = nil, source: Source, inputs: Inputs? = nil,
    aliases: [String]? = nil
  ) {
    self.entity = entity
    self.project = project
    self.name = name
    self.source = source
    self.inputs = inputs
    self.aliases = aliases
  }
}

/// Says which version an alias names.
public struct AliasRequest: Sendable, Hashable, Codable {
  public var version: Int
  public init(version: Int) { self.version = version }
}

public struct JobAnswer: Sendable, Hashable, Codable {
  public var job: JobVersion
  /// False where nothing had changed since the newest version, which `job` then is.
  public var created: Bool

  public init(job: JobVersion, created: Bool) {
    self.job = job
    self.created = created
  }
}

/// Asks which blobs have to be sent.
public struct BlobQuestion: Sendable, Hashable, Codable {
  public var sha256: [String]
  public init(sha256: [String]) { self.sha256 = sha256 }
}

public struct BlobAnswer: Sendable, Hashable, Codable {
  public var missing: [String]
  public init(missing: [String]) { self.missing = missing }
}
