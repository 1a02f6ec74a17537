import HTTP
import Model

extension Routes {
  static let administration: [Route] = [
    Route(
      .get, "/api/v1/keys", "listKeys", "Administration", "Keys, newest first, revoked ones included", .admin,
      parameters: [.limit, .cursor], answers: [.page(of: .named("Key"))]
    ) { service, call in try .value(await service.keys(after: call.cursor, limit: call.limit)) },
    Route(
      .post, "/api/v1/keys", "createKey", "Administration",
      "Make a key, and its account where it is new; the key is told this once", .admin,
      body: .json(.named("KeyRequest")), answers: [.created(.named("Key"))], refusals: [409]
    ) { service, call in
      try .value(await service.createKey(try call.decode(KeyRequest.self)), status: 201)
    },
    Route(
      .delete, "/api/v1/keys/{id}", "revokeKey", "Administration", "Revoke a key, at once and for ever", .admin,
      parameters: [.path("id", .integer(1...Int64(1) << 53), "The key's id.")], answers: [.nothing]
    ) { service, call in
      try await service.revokeKey(call.integer("id") ?? 0)
      return .noContent()
    },
    Route(
      .get, "/api/v1/configuration", "getConfiguration", "Administration",
      "The generation in service, and every problem of the newest reading", .people,
      answers: [.ok(.named("Configuration"))]
    ) { service, _ in try .value(service.configuration()) },
    Route(
      .post, "/api/v1/configuration/reload", "reloadConfiguration", "Administration",
      "Read the configuration now, and swap it in unless it has errors", .admin,
      answers: [.ok(.named("Configuration"))]
    ) { service, _ in try .value(await service.reload()) },
  ]
}
