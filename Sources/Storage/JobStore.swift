import Model

/// Jobs and their versions.
public protocol JobStore: Sendable {
  /// Makes a version, unless its digest is that of the newest one. `latest` and `aliases` then name the version given
  /// back; an alias names one version of a job at a time.
  /// - Throws: `invalid` for an alias that could be mistaken for a version (`v3`).
  func createJobVersion(_ job: NewJobVersion, now: Double) async throws(StoreError) -> (
    version: JobVersion, created: Bool
  )

  /// Makes `alias` name a version. `latest` follows the newest by itself and cannot be set.
  func setAlias(_ alias: String, of job: JobName, to version: Int) async throws(StoreError)

  /// Takes an alias away. One that is not there is no error.
  func removeAlias(_ alias: String, of job: JobName) async throws(StoreError)

  /// The version that a reference means. What the reference leaves out is `entity` and `project`; where it names no
  /// project and `project` has no such job, the whole entity is searched.
  /// - Throws: `notFound`, with names alike in the hint; `ambiguous`, with the projects in the hint.
  func job(_ reference: JobReference, entity: String, project: String?) async throws(StoreError) -> JobVersion

  /// The newest version of each job, by name.
  func jobs(entity: String, project: String?, after cursor: Cursor?, limit: Int) async throws(StoreError) -> Page<
    JobVersion
  >

  /// All versions of a job, newest first.
  /// - Throws: `notFound`.
  func versions(of job: JobName, after cursor: Cursor?, limit: Int) async throws(StoreError) -> Page<JobVersion>

  /// SHA-256 of every manifest that a version of a job is made from. Runs have their source from a version, and versions
  /// are never deleted: no run needs another one.
  func manifests() async throws(StoreError) -> Set<String>
}

public struct JobName: Sendable, Hashable {
  public var entity: String
  public var project: String
  public var name: String

  public init(entity: String, project: String, name: String) {
    self.entity = entity
    self.project = project
    self.name = name
  }

  /// `entity/project/name`
  public var text: String { "\(entity)/\(project)/\(name)" }
}

public struct NewJobVersion: Sendable, Hashable {
  public var job: JobName
  public var source: Source
  public var inputs: Inputs?
  /// Identity of the content.
  public var digest: String
  /// Beside `latest`.
  public var aliases: [String]
  public var author: String

  public init(
    _ job: JobName, source: Source, inputs: Inputs? = nil, digest: String, aliases: [String] = [], author: String
  ) {
    self.job = job
    self.source = source
    self.inputs = inputs
    self.digest = digest
    self.aliases = aliases
    self.author = author
  }
}
