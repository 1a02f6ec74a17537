import HTTP
import Model

extension Routes {
  private static let queuePath: [Route.Parameter] = [.entityInPath, .path("name", .name, "The queue's name.")]

  static let queues: [Route] =
    [
      Route(
        .get, "/api/v1/queues", "listQueues", "Queues", "Queues, by entity and name", .anyone,
        parameters: [.query("entity", .name, "A user or team; all that you see where left out."), .limit, .cursor],
        answers: [.page(of: .named("Queue"))], refusals: [404]
      ) { service, call in
        try .value(
          await service.queues(
            entity: call.text("entity"), after: call.cursor, limit: call.limit, for: call.account))
      },
      Route(
        .post, "/api/v1/queues", "createQueue", "Queues",
        "Make a queue; its settings are the words of a queue file, and judged as one", .people,
        body: .json(.named("NewQueue")), answers: [.created(.named("Queue"))], refusals: [404, 409]
      ) { service, call in
        var settings = (call.body.objectValue ?? [:]).filter { !$0.value.isNull }
        let name = settings.removeValue(forKey: "name")?.stringValue ?? ""
        let entity = settings.removeValue(forKey: "entity")?.stringValue
        return try .value(
          await service.createQueue(name, entity: entity, settings: settings, by: call.account), status: 201)
      },
      Route(
        .get, "/api/v1/queues/{entity}/{name}", "getQueue", "Queues", "A queue, with its runs counted", .anyone,
        parameters: queuePath, answers: [.ok(.named("Queue"))]
      ) { service, call in try .value(await service.queue(call.queueID, viewedBy: call.account)) },
      Route(
        .delete, "/api/v1/queues/{entity}/{name}", "deleteQueue", "Queues",
        "Forget a queue that was made through the API; its runs stay", .people, parameters: queuePath,
        answers: [.nothing], refusals: [409]
      ) { service, call in
        try await service.deleteQueue(call.queueID, by: call.account)
        return .noContent()
      },
      Route(
        .get, "/api/v1/queues/{entity}/{name}/export", "exportQueue", "Queues", "A queue as a file of its own",
        .people, parameters: queuePath, answers: [.init(status: 200, doc: "Lua.", content: .other("text/x-lua"))]
      ) { service, call in
        let text = try service.export(call.queueID, for: call.account)
        return HTTPResponse(headers: ["Content-Type": "text/x-lua; charset=utf-8"], body: .bytes(Array(text.utf8)))
      },
    ]
    + [
      gate("pause", .paused, "Hand out no more runs; new ones are taken"),
      gate("resume", .open, "Hand out runs, and take new ones"),
      gate("drain", .draining, "Take no new runs; those that wait are handed out"),
    ]

  private static func gate(_ word: String, _ gate: QueueGate, _ summary: String) -> Route {
    Route(
      .post, "/api/v1/queues/{entity}/{name}/\(word)", "\(word)Queue", "Queues", summary, .people,
      parameters: queuePath, answers: [.ok(.named("Queue"))]
    ) { service, call in try .value(await service.setGate(gate, of: call.queueID, by: call.account)) }
  }
}
