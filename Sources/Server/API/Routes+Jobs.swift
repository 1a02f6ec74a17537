import HTTP
import Model
import Storage

extension Routes {
  private static let jobPath: [Route.Parameter] = [
    .entityInPath, .path("project", .name, "A project."), .path("name", .name, "The job's name."),
  ]

  private static let aliasInPath = Route.Parameter.path("alias", .name, "Not `latest`, nor like a version.")

  static let jobs: [Route] = [
    Route(
      .post, "/api/v1/jobs", "createJob", "Jobs", "Make a version of a job, unless nothing changed", .people,
      body: .json(.named("JobRequest")),
      answers: [.created(.named("JobAnswer")), .ok(.named("JobAnswer"), "Nothing changed.")],
      refusals: [404, 409]
    ) { service, call in
      let answer = try await service.createJob(try call.decode(JobRequest.self), by: call.account)
      return try .value(answer, status: answer.created ? 201 : 200)
    },
    Route(
      .get, "/api/v1/jobs", "listJobs", "Jobs", "The newest version of each job, by name", .people,
      parameters: [.entity, .query("project", .name, "A project."), .limit, .cursor],
      answers: [.page(of: .named("JobVersion"))], refusals: [404]
    ) { service, call in
      try .value(
        await service.jobs(
          entity: call.text("entity"), project: call.text("project"), after: call.cursor, limit: call.limit,
          for: call.account))
    },
    Route(
      .get, "/api/v1/jobs/{entity}/{project}/{name}", "getJob", "Jobs", "A version of a job", .people,
      parameters: jobPath + [.query("alias", .name, "`v2`, `latest` or another; the latest where left out.")],
      answers: [.ok(.named("JobVersion"))]
    ) { service, call in
      try .value(await service.job(JobName(call), alias: call.text("alias"), for: call.account))
    },
    Route(
      .get, "/api/v1/jobs/{entity}/{project}/{name}/versions", "listJobVersions", "Jobs",
      "All versions of a job, newest first", .people, parameters: jobPath + [.limit, .cursor],
      answers: [.page(of: .named("JobVersion"))]
    ) { service, call in
      try .value(
        await service.versions(of: JobName(call), after: call.cursor, limit: call.limit, for: call.account))
    },
    Route(
      .put, "/api/v1/jobs/{entity}/{project}/{name}/aliases/{alias}", "setJobAlias", "Jobs",
      "Give a version another name; an alias of another version moves", .people, parameters: jobPath + [aliasInPath],
      body: .json(.named("AliasRequest")), answers: [.ok(.named("JobVersion"))]
    ) { service, call in
      let version = try call.decode(AliasRequest.self).version
      return try .value(
        await service.setAlias(call.path("alias"), of: JobName(call), to: version, by: call.account))
    },
    Route(
      .delete, "/api/v1/jobs/{entity}/{project}/{name}/aliases/{alias}", "removeJobAlias", "Jobs",
      "Take an alias away; one that is not there is no error", .people, parameters: jobPath + [aliasInPath],
      answers: [.nothing], refusals: [422]
    ) { service, call in
      try await service.removeAlias(call.path("alias"), of: JobName(call), by: call.account)
      return .noContent()
    },
    Route(
      .post, "/api/v1/blobs/missing", "findMissingBlobs", "Jobs", "Which content has to be uploaded", .people,
      body: .json(.named("BlobQuestion")), answers: [.ok(.named("BlobAnswer"))]
    ) { service, call in
      try .value(await service.missing(try call.decode(BlobQuestion.self).sha256))
    },
    Route(
      .put, "/api/v1/blobs/{sha256}", "putBlob", "Jobs", "Upload content under its hash", .people,
      parameters: [.path("sha256", .sha256, "Of the content.")], body: .file(limit: Int(BlobLimits.bytesMax)),
      answers: [.created(.named("Size"), "It is on disk.")], refusals: [422]
    ) { service, call in
      var path: String?
      if case .file(let file) = call.request.body { path = file.path }
      return try .value(await service.putBlob(call.path("sha256"), file: path), status: 201)
    },
    Route(
      .get, "/api/v1/blobs/{sha256}", "getBlob", "Jobs",
      "Content by its hash; an agent may read what belongs to the runs that it holds", .anyone,
      parameters: [.path("sha256", .sha256, "Of the content.")],
      answers: [
        .init(status: 200, doc: "The content.", content: .other("application/octet-stream")),
        .init(status: 206, doc: "The range that was asked for.", content: .other("application/octet-stream")),
        .init(status: 304, doc: "You have it.", content: .none),
        .init(status: 416, doc: "The content has nothing in that range.", content: .none),
      ]
    ) { service, call in
      let blob = try await service.blob(call.path("sha256"), for: call.account)
      if let path = service.blobs.file(blob.sha256) {
        return .file(path, contentType: "application/octet-stream", etag: "\"sha256:\(blob.sha256.hex)\"")
      }
      return .stream(contentType: "application/octet-stream") { writer in
        var offset: Int64 = 0
        while offset < blob.size {
          let bytes = try await service.blobs.read(blob.sha256, from: offset, count: BlobLimits.readBytesMax)
          if bytes.isEmpty { break }
          offset += Int64(bytes.count)
          try await writer.write(bytes)
        }
      }
    },
  ]
}

extension JobName {
  fileprivate init(_ call: Call) {
    self.init(entity: call.path("entity"), project: call.path("project"), name: call.path("name"))
  }
}
