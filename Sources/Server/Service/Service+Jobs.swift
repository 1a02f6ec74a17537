import FoundationEssentials
import Hashing
import Model
import Storage

extension Service {
  /// Bytes of a manifest at most: about a hundred thousand files.
  private static let manifestBytesMax: Int64 = 32 << 20

  /// Makes a version of a job, unless the newest one is the same.
  /// - Throws: `missing` with what has to be uploaded first.
  func createJob(_ request: JobRequest, by account: Account) async throws -> JobAnswer {
    let entity = try entity(request.entity, for: account)
    try await check(request.source)
    let name = request.name ?? request.source.jobName
    let job = JobName(entity: entity, project: request.project, name: name)
    // Who says nothing of them leaves them as they are.
    let inputs = if let inputs = request.inputs { inputs } else { try await inputs(of: job) }
    var content = try Value(encoding: request.source.identity).json()
    if let inputs {
      let document = inputs.schema
      let schema = document.json()
      guard schema.utf8.count <= Limits.documentBytes, document.depth <= Limits.documentDepth else {
        let size = Quantity.text(bytes: Int64(Limits.documentBytes))
        throw ServiceError.invalid([
          Diagnostic("J0008", "the inputs are larger than \(size), or deeper than \(Limits.documentDepth) levels")
        ])
      }
      content += "\n" + schema
    }
    let (version, created) = try await store.createJobVersion(
      NewJobVersion(
        job, source: request.source, inputs: inputs, digest: Hash.of(content).hex, aliases: request.aliases ?? [],
        author: account.name),
      now: clock.now())
    return JobAnswer(job: version, created: created)
  }

  /// What the newest version of a job takes; nil where there is none, or nothing is known of that.
  private func inputs(of job: JobName) async throws -> Inputs? {
    guard let reference = JobReference(job.text) else { return nil }
    do throws(StoreError) {
      return try await store.job(reference, entity: job.entity, project: job.project).inputs
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }

  func jobs(
    entity: String?, project: String?, after cursor: String?, limit: Int, for account: Account
  ) async throws -> PageView<JobVersion> {
    let entity = try self.entity(entity, for: account)
    let page = try await page(after: cursor) { (cursor) throws(StoreError) in
      try await store.jobs(entity: entity, project: project, after: cursor, limit: limit)
    }
    return PageView(items: page.items, next: page.next?.text)
  }

  func job(_ job: JobName, alias: String?, for account: Account) async throws -> JobVersion {
    guard account.isMember(of: job.entity),
      let reference = JobReference("\(job.text):\(alias ?? "latest")")
    else { throw ServiceError.noSuch("job", job.text) }
    return try await store.job(reference, entity: job.entity, project: job.project)
  }

  func setAlias(_ alias: String, of job: JobName, to version: Int, by account: Account) async throws -> JobVersion {
    guard account.isMember(of: job.entity) else { throw ServiceError.noSuch("job", job.text) }
    try await store.setAlias(alias, of: job, to: version)
    return try await self.job(job, alias: alias, for: account)
  }

  func removeAlias(_ alias: String, of job: JobName, by account: Account) async throws {
    guard account.isMember(of: job.entity) else { throw ServiceError.noSuch("job", job.text) }
    try await store.removeAlias(alias, of: job)
  }

  func versions(
    of job: JobName, after cursor: String?, limit: Int, for account: Account
  ) async throws -> PageView<JobVersion> {
    guard account.isMember(of: job.entity) else { throw ServiceError.noSuch("job", job.text) }
    let page = try await page(after: cursor) { (cursor) throws(StoreError) in
      try await store.versions(of: job, after: cursor, limit: limit)
    }
    return PageView(items: page.items, next: page.next?.text)
  }

  // MARK: Manifests

  /// Checks that a source can be run.
  private func check(_ source: Source) async throws {
    var problems: [SourceProblem] = []
    switch source.kind {
    case .code: try await checkFolder(source)
    case .git: problems = source.git?.problems ?? [SourceProblem("the source names no commit")]
    case .image: if source.image == nil { problems = [SourceProblem("the source names no image")] }
    }
    guard problems.isEmpty else {
      throw ServiceError.invalid(problems.map { Diagnostic("J0006", $0.message, help: $0.hint) })
    }
  }

  /// Checks that a folder can be run from what was uploaded.
  private func checkFolder(_ source: Source) async throws {
    guard let hex = source.manifest, let digest = Digest(hex: hex) else {
      throw ServiceError.invalid([Diagnostic("J0001", "the source has no manifest")])
    }
    guard let manifest = try await manifest(digest) else {
      throw missing([Diagnostic("J0002", "the manifest \(hex) was not uploaded")])
    }
    var problems = manifest.problems.map { Diagnostic("J0005", $0) }
    if let path = source.requirements, !manifest.files.contains(where: { $0.path == path }) {
      problems.append(Diagnostic("J0003", "the manifest has no file `\(path)`, which is said to hold the requirements"))
    }
    guard problems.isEmpty else { throw ServiceError.invalid(Array(problems.prefix(JSONSchema.problemsMax))) }
    let files = manifest.files.filter { $0.link == nil }
    // With the manifest: all of it counts as used from now on, and stays until the job names it.
    let needed = [digest] + files.compactMap { Digest(hex: $0.sha256) }
    let lacking = Set(try await blobs.missing(needed).map(\.hex))
    guard lacking.isEmpty else {
      throw missing(
        files.filter { lacking.contains($0.sha256) }.prefix(JSONSchema.problemsMax).map {
          Diagnostic("J0002", "`\($0.path)` (\($0.sha256)) was not uploaded")
        })
    }
  }

  private func missing(_ problems: [Diagnostic]) -> ServiceError {
    ServiceError(
      .missing, problems.first?.message ?? "content is missing",
      hint: "PUT what POST /api/v1/blobs/missing names, and try again", problems: problems)
  }

  /// The manifest stored under a hash; nil where nothing is.
  func manifest(_ digest: Digest) async throws -> Manifest? {
    guard let blob = try await blobs.blob(sha256: digest) else { return nil }
    guard blob.size <= Service.manifestBytesMax else {
      throw ServiceError.invalid([
        Diagnostic("J0004", "the manifest is larger than \(Quantity.text(bytes: Service.manifestBytesMax))")
      ])
    }
    var bytes: [UInt8] = []
    while bytes.count < blob.size {
      let part = try await blobs.read(digest, from: Int64(bytes.count), count: BlobLimits.readBytesMax)
      if part.isEmpty { break }
      bytes += part
    }
    guard let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes)) else {
      throw ServiceError.invalid([Diagnostic("J0004", "the blob \(digest) is no manifest")])
    }
    return manifest
  }
}
