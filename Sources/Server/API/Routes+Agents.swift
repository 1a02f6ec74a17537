import HTTP
import Model

extension Routes {
  /// Bytes of an agent's report at most: samples and updates of a thousand runs after an hour without the server.
  private static let reportBytesMax = 16 << 20

  static let agents: [Route] = [
    Route(
      .post, "/api/v1/agents", "registerAgent", "Agents",
      "Register an agent; one that does not cover a queue that it polls is refused, with the whole report", .anyone,
      body: .json(.named("AgentHello")), answers: [.ok(.named("AgentWelcome"))], refusals: [404, 409]
    ) { service, call in
      try .value(await service.register(try call.decode(AgentHello.self), by: call.account))
    },
    Route(
      .get, "/api/v1/agents", "listAgents", "Agents", "Agents, by entity and name", .anyone,
      parameters: [.entity, .limit, .cursor], answers: [.page(of: .named("Agent"))], refusals: [404]
    ) { service, call in
      try .value(
        await service.agents(
          entity: call.text("entity"), after: call.cursor, limit: call.limit, for: call.account))
    },
    Route(
      .get, "/api/v1/agents/{id}", "getAgent", "Agents", "An agent", .anyone, parameters: [.agent],
      answers: [.ok(.named("Agent"))]
    ) { service, call in try .value(await service.agent(call.path("id"), for: call.account)) },
    Route(
      .delete, "/api/v1/agents/{id}", "deleteAgent", "Agents", "Forget an agent; what it holds lapses", .anyone,
      parameters: [.agent], answers: [.nothing], refusals: [409]
    ) { service, call in
      try await service.remove(agent: call.path("id"), by: call.account)
      return .noContent()
    },
    Route(
      .post, "/api/v1/agents/{id}/drain", "drainAgent", "Agents",
      "Tell an agent to take no more, and to leave when it is idle", .anyone, parameters: [.agent],
      answers: [.ok(.named("Agent"))]
    ) { service, call in try .value(await service.drain(call.path("id"), by: call.account)) },
    Route(
      .post, "/api/v1/agents/{id}/lease", "leaseRuns", "Agents",
      "Ask for work and orders; answered when there is either, or when `wait` is over", .anyone,
      parameters: [.agent], body: .json(.named("LeaseRequest")), answers: [.ok(.named("LeaseAnswer"))], waits: true
    ) { service, call in
      try .value(
        await service.lease(try call.decode(LeaseRequest.self), agent: call.path("id"), by: call.account))
    },
    Route(
      .post, "/api/v1/agents/{id}/report", "reportRuns", "Agents",
      "Renew leases, and say what became of runs; the same news twice is as once", .anyone, parameters: [.agent],
      body: .json(.named("AgentReport"), limit: reportBytesMax), answers: [.ok(.named("AgentReceipt"))]
    ) { service, call in
      try .value(
        await service.report(try call.decode(AgentReport.self), from: call.path("id"), by: call.account))
    },
  ]
}
