import HTTP
import Model
import Storage

extension Routes {
  /// Bytes of a bulk submit at most: ten thousand runs with a few kilobytes of config each.
  private static let bulkBytesMax = 64 << 20
  /// Bytes of a log sent at once at most.
  private static let logPartBytesMax = 4 << 20
  private static let logPageDefault = 1 << 20

  private static let submissions: JSONSchema = .either(
    .named("Submission"), .list(.named("Submission"), 1...Limits.bulkRunsMax))
  private static let manyRuns: JSONSchema = .either(.named("Run"), .list(.named("Run")))

  static let runs: [Route] = [
    Route(
      .post, "/api/v1/runs", "createRuns", "Runs", "Queue one run, or many at once: all or none", .people,
      body: .json(submissions, limit: bulkBytesMax),
      answers: [
        .init(
          status: 201, doc: "Queued.", content: .json(manyRuns),
          headers: [.init(name: "Lunaport-Warning", schema: .text, isRequired: false)]),
        .ok(manyRuns, "Queued before, under the same submit key."),
      ], refusals: [409]
    ) { service, call in try await create(service, call) },
    Route(
      .get, "/api/v1/runs", "listRuns", "Runs", "Runs, newest first", .people,
      parameters: [
        .entity, .query("project", .name, "A project."), .query("queue", .text(.queueReference), "A queue."),
        .query("state", .choice(VisibleState.self), "Any of these.", repeats: true),
        .query("author", .name, "Who submitted them."), .query("job", .name, "A job, in any of its versions."),
        .limit, .cursor,
      ],
      answers: [.page(of: .named("Run"))], refusals: [404]
    ) { service, call in try .value(await service.runs(Service.RunQuestion(call), for: call.account)) },
    Route(
      .get, "/api/v1/runs/{id}", "getRun", "Runs", "A run", .people, parameters: [.run],
      answers: [.ok(.named("Run"))]
    ) { service, call in try .value(service.view(await service.run(call.path("id"), for: call.account))) },
    Route(
      .post, "/api/v1/runs/{id}/stop", "stopRun", "Runs", "Stop a run; one that has ended stays as it is", .people,
      parameters: [.run], answers: [.ok(.named("Run"))], refusals: [409]
    ) { service, call in try .value(await service.stop(call.path("id"), by: call.account)) },
    Route(
      .post, "/api/v1/runs/{id}/retry", "retryRun", "Runs", "Queue a run again that ended badly", .people,
      parameters: [.run], answers: [.ok(.named("Run"))], refusals: [409]
    ) { service, call in try .value(await service.retry(call.path("id"), by: call.account)) },
    Route(
      .get, "/api/v1/runs/{id}/explain", "explainRun", "Runs", "Why a run is where it is, and what would move it",
      .people, parameters: [.run], answers: [.ok(.named("Explanation"))]
    ) { service, call in try .value(await service.explain(call.path("id"), for: call.account)) },
    Route(
      .get, "/api/v1/runs/{id}/history", "getRunHistory", "Runs", "What became of a run, oldest first", .people,
      parameters: [.run], answers: [.ok(.list(.named("RunEvent")))]
    ) { service, call in try .value(await service.history(call.path("id"), for: call.account)) },
    Route(
      .get, "/api/v1/runs/{id}/samples", "getRunSamples", "Runs", "What a run used over its life, oldest first",
      .people, parameters: [.run, .query("points", .integer(1...10_000), "Samples at most; 500 where left out.")],
      answers: [.ok(.list(.named("Sample")))]
    ) { service, call in
      try .value(
        await service.usage(call.path("id"), points: Int(call.integer("points") ?? 500), for: call.account))
    },
    Route(
      .get, "/api/v1/runs/{id}/log", "getRunLog", "Runs", "What a run printed", .people,
      parameters: [
        .run, .query("attempt", .integer(0...1_000_000_000), "The newest where left out."),
        .query("offset", .integer(), "Bytes to leave out at the beginning."),
        .query("limit", .integer(1...Int64(LogLimits.readBytesMax)), "Bytes at most; 1 MiB where left out."),
        .query("follow", .boolean, "Go on until the run has ended; `limit` then has no meaning."),
      ],
      answers: [
        .init(
          status: 200, doc: "Bytes as they were printed.", content: .other("text/plain"),
          headers: [
            .init(name: "Lunaport-Log-Size", schema: .integer(), isRequired: false),
            .init(name: "Lunaport-Log-Attempt", schema: .integer(), isRequired: false),
          ])
      ]
    ) { service, call in try await log(service, call) },
    Route(
      .put, "/api/v1/runs/{id}/log", "appendRunLog", "Agents", "Append what an attempt printed", .anyone,
      parameters: [
        .run, .query("attempt", .integer(1...1_000_000_000), "Of the lease.", isRequired: true),
        .query("epoch", .integer(1...Int64(1) << 53), "Of the lease.", isRequired: true),
        .query("offset", .integer(), "Where the bytes begin.", isRequired: true),
      ],
      body: .bytes(limit: logPartBytesMax),
      answers: [.ok(.named("Size"), "What the server has; where to go on.")], refusals: [409]
    ) { service, call in
      try .value(
        await service.appendLog(
          call.request.bytes, to: call.path("id"), attempt: Int(call.integer("attempt") ?? 0),
          epoch: call.integer("epoch") ?? 0, offset: call.integer("offset") ?? 0, by: call.account))
    },
    Route(
      .get, "/api/v1/errors", "listErrors", "Runs", "Runs that ended badly, newest first", .people,
      parameters: [
        .entity, .query("since", .number(), "Seconds since 1970; the last seven days where left out."), .limit,
      ],
      answers: [.page(of: .named("Run"))], refusals: [404]
    ) { service, call in
      let since = call.number("since") ?? service.clock.now() - 7 * 86_400
      return try .value(await service.errors(Service.RunQuestion(call), since: since, for: call.account))
    },
    Route(
      .get, "/api/v1/events", "watchEvents", "Runs", "What happens, as server-sent events", .people,
      parameters: [
        .entity, .query("queue", .text(.queueReference), "Only of this queue."),
        .query("run", .runID, "Only of this run."),
        .header("Last-Event-ID", .text(.line(64)), "Goes on after this event."),
      ],
      answers: [
        .init(
          status: 200,
          doc: "`run` with a Run, `queue` with a Queue, `agent` with an Agent, `queue_gone` with its name, `reset` "
            + "where something was missed: read everything again.",
          content: .other(ServerSentEvent.contentType))
      ], refusals: [404]
    ) { service, call in try await events(service, call) },
  ]

  private static func create(_ service: Service, _ call: Call) async throws -> HTTPResponse {
    let isBulk = call.body.arrayValue != nil
    let submissions = isBulk ? try call.decode([Submission].self) : [try call.decode(Submission.self)]
    let outcome = try await service.enqueue(submissions, by: call.account)
    var served = service.served()
    let views = outcome.runs.map { served.view($0.run) }
    let status = outcome.runs.contains(where: \.created) ? 201 : 200
    var response = isBulk ? try HTTPResponse.value(views, status: status) : try .value(views[0], status: status)
    for warning in outcome.warnings {
      // A header holds one line of ASCII.
      let line = warning.unicodeScalars.map { $0.value >= 0x20 && $0.value < 0x7F ? String($0) : "?" }.joined()
      response.headers.add("Lunaport-Warning", line)
    }
    return response
  }

  private static func log(_ service: Service, _ call: Call) async throws -> HTTPResponse {
    let attempt = call.integer("attempt").map { Int($0) }
    let offset = call.integer("offset") ?? 0
    let limit = call.flag("follow") ? 0 : Int(call.integer("limit") ?? Int64(logPageDefault))
    let page = try await service.logPage(
      call.path("id"), attempt: attempt, offset: offset, limit: limit, for: call.account)
    var response: HTTPResponse
    if call.flag("follow") {
      response = .stream(contentType: "text/plain; charset=utf-8") { writer in
        try await service.followLog(call.path("id"), attempt: attempt, offset: offset, for: call.account) {
          try await writer.write($0)
        }
      }
      response.headers["X-Accel-Buffering"] = "no"
    } else {
      response = HTTPResponse(headers: ["Content-Type": "text/plain; charset=utf-8"], body: .bytes(page.bytes))
    }
    response.headers["Lunaport-Log-Size"] = String(page.size)
    response.headers["Lunaport-Log-Attempt"] = String(page.attempt)
    return response
  }

  private static func events(_ service: Service, _ call: Call) async throws -> HTTPResponse {
    let question = Service.EventQuestion(
      entity: call.text("entity"), queue: call.text("queue"), run: call.text("run"), after: call.text("Last-Event-ID"))
    let watcher = try service.watcher(question, for: call.account)
    return .events { writer in
      try await service.events(question, for: call.account, from: watcher) { event in
        if let event {
          try await writer.write(event)
        } else {
          try await writer.write(ServerSentEvent.comment(""))
        }
      }
    }
  }
}

extension Service.RunQuestion {
  init(_ call: Call) {
    self.init(
      entity: call.text("entity"), project: call.text("project"), queue: call.text("queue"),
      states: call.texts("state").compactMap { VisibleState(rawValue: $0) }, author: call.text("author"),
      job: call.text("job"), limit: call.limit, cursor: call.cursor)
  }
}
