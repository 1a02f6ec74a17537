import HTTP
import Model

extension APIClient {
  /// Makes a version of a job, unless nothing has changed since the newest.
  public func createJob(_ request: JobRequest) async throws(APIError) -> JobAnswer {
    try await call(.post, ["jobs"], body: try Self.json(request))
  }

  /// The newest version of each job.
  public func jobs(
    entity: String?, project: String?, limit: Int = 100, cursor: String? = nil
  ) async throws(APIError) -> PageView<JobVersion> {
    try await call(
      .get, ["jobs"],
      [("entity", entity), ("project", project), ("limit", String(limit)), ("cursor", cursor)])
  }

  public func job(entity: String, project: String, name: String, alias: String) async throws(APIError) -> JobVersion {
    try await call(.get, ["jobs", entity, project, name], [("alias", alias)])
  }

  /// Versions of a job, newest first.
  public func versions(
    entity: String, project: String, name: String, limit: Int = 100, cursor: String? = nil
  ) async throws(APIError) -> PageView<JobVersion> {
    try await call(
      .get, ["jobs", entity, project, name, "versions"], [("limit", String(limit)), ("cursor", cursor)])
  }

  /// Makes an alias name this version of a job.
  public func setAlias(_ alias: String, of job: JobVersion) async throws(APIError) -> JobVersion {
    try await call(
      .put, ["jobs", job.entity, job.project, job.name, "aliases", alias],
      body: try Self.json(AliasRequest(version: job.version)))
  }

  public func removeAlias(_ alias: String, of job: JobVersion) async throws(APIError) {
    _ = try await answer(.delete, ["jobs", job.entity, job.project, job.name, "aliases", alias])
  }

  /// Which of these blobs the server does not have.
  public func missingBlobs(_ sha256: [String]) async throws(APIError) -> [String] {
    let answer: BlobAnswer = try await call(
      .post, ["blobs", "missing"], body: try Self.json(BlobQuestion(sha256: sha256)))
    return answer.missing
  }

  /// A blob's content, whole.
  public func blob(_ sha256: String) async throws(APIError) -> [UInt8] {
    try await answer(.get, ["blobs", sha256]).body
  }

  /// Sends a blob's content. Sending what is there already is no error.
  public func putBlob(_ sha256: String, _ content: HTTPClient.Body) async throws(APIError) {
    // No bound in time: a slow line with a big file is no error; a line without a byte is found by TCP.
    _ = try await answer(
      .put, ["blobs", sha256], body: content, type: "application/octet-stream", timeout: nil)
  }
}
