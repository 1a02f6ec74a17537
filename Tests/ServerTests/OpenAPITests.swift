import HTTP
import Model
import Testing

@testable import Server

struct OpenAPITests {
  let document = OpenAPI.document(of: Routes.all)

  @Test func everyNameThatIsReferredToIsThere() throws {
    var names: Set<String> = []
    func walk(_ value: Value) {
      if let name = value["$ref"]?.stringValue { names.insert(name) }
      for child in value.objectValue?.values.map({ $0 }) ?? value.arrayValue ?? [] { walk(child) }
    }
    walk(document)
    #expect(!names.isEmpty)
    for name in names {
      let parts = name.dropFirst(2).split(separator: "/").map(String.init)
      #expect(parts.reduce(Optional(document)) { $0?[$1] } != nil, "\(name)")
    }
  }

  @Test func everyOperationSaysWhoMayCallItAndWhatMayGoWrong() {
    #expect(Set(Routes.all.map(\.name)).count == Routes.all.count)
    for route in Routes.all {
      let operation = document["paths"]?[route.path]?[route.method.rawValue.lowercased()]
      let responses = operation?["responses"]?.objectValue ?? [:]
      #expect(responses.keys.contains { $0.hasPrefix("2") }, "\(route.name)")
      let isOpen = if case .open = route.access { true } else { false }
      #expect((responses["401"] == nil) == isOpen, "\(route.name)")
      #expect((operation?["security"] == []) == isOpen, "\(route.name)")
      let names = route.path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
        String($0.dropFirst().dropLast())
      }
      #expect(route.parameters.filter { $0.place == .path }.map(\.name) == names, "\(route.name)")
    }
  }

  /// The shape that clients are generated from; a change here is one for everybody who scripts the API.
  @Test func theOperationsAreThese() {
    #expect(
      Routes.all.map { "\($0.method) \($0.path)" } == [
        "GET /healthz", "GET /metrics", "GET /api/v1/openapi.json", "GET /api/v1/viewer", "POST /api/v1/runs",
        "GET /api/v1/runs", "GET /api/v1/runs/{id}", "POST /api/v1/runs/{id}/stop", "POST /api/v1/runs/{id}/retry",
        "GET /api/v1/runs/{id}/explain", "GET /api/v1/runs/{id}/history", "GET /api/v1/runs/{id}/samples",
        "GET /api/v1/runs/{id}/log", "PUT /api/v1/runs/{id}/log", "GET /api/v1/errors", "GET /api/v1/events",
        "POST /api/v1/jobs", "GET /api/v1/jobs", "GET /api/v1/jobs/{entity}/{project}/{name}",
        "GET /api/v1/jobs/{entity}/{project}/{name}/versions",
        "PUT /api/v1/jobs/{entity}/{project}/{name}/aliases/{alias}",
        "DELETE /api/v1/jobs/{entity}/{project}/{name}/aliases/{alias}", "POST /api/v1/blobs/missing",
        "PUT /api/v1/blobs/{sha256}", "GET /api/v1/blobs/{sha256}", "GET /api/v1/queues", "POST /api/v1/queues",
        "GET /api/v1/queues/{entity}/{name}", "DELETE /api/v1/queues/{entity}/{name}",
        "GET /api/v1/queues/{entity}/{name}/export", "POST /api/v1/queues/{entity}/{name}/pause",
        "POST /api/v1/queues/{entity}/{name}/resume", "POST /api/v1/queues/{entity}/{name}/drain",
        "POST /api/v1/agents", "GET /api/v1/agents", "GET /api/v1/agents/{id}", "DELETE /api/v1/agents/{id}",
        "POST /api/v1/agents/{id}/drain", "POST /api/v1/agents/{id}/lease", "POST /api/v1/agents/{id}/report",
        "GET /api/v1/keys", "POST /api/v1/keys", "DELETE /api/v1/keys/{id}", "GET /api/v1/configuration",
        "POST /api/v1/configuration/reload",
      ])
    #expect(document["openapi"] == "3.1.0")
  }
}
