import HTTP
import Model

/// Every operation of the API, in the order of the document.
enum Routes {
  static let all: [Route] = general + runs + jobs + queues + agents + administration

  private static let general: [Route] = [
    Route(
      .get, "/healthz", "getHealth", "General", "Whether the server serves", .open,
      answers: [.ok(.named("Health"))]
    ) { service, _ in try .value(service.health()) },
    Route(
      .get, "/metrics", "getMetrics", "General", "Metrics in the text format of Prometheus", .open,
      answers: [.init(status: 200, doc: "Metrics.", content: .other("text/plain"))]
    ) { service, _ in
      HTTPResponse(
        headers: ["Content-Type": MetricsPage.contentType], body: .bytes(Array(try await service.metricsText().utf8)))
    },
    Route(
      .get, "/api/v1/openapi.json", "getOpenAPI", "General", "This document", .open,
      answers: [.ok(.map(.any), "An OpenAPI 3.1 document.")]
    ) { _, _ in .json(Routes.document) },
    Route(
      .get, "/api/v1/viewer", "getViewer", "General", "Who your key belongs to", .anyone,
      answers: [.ok(.named("Viewer"))]
    ) { service, call in try .value(service.viewer(call.account)) },
  ]

  private static let document = Array(OpenAPI.document(of: all).json().utf8)
}
