import Model

/// The OpenAPI 3.1 document, written from the table of routes.
enum OpenAPI {
  static func document(of routes: [Route]) -> Value {
    var paths: [String: Value] = [:]
    for route in routes {
      var path = paths[route.path]?.objectValue ?? [:]
      path[route.method.rawValue.lowercased()] = operation(route)
      paths[route.path] = .object(path)
    }
    var groups: [String] = []
    for route in routes where !groups.contains(route.group) { groups.append(route.group) }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Lunaport", "version": "1",
        "description":
          "Queue runs, follow them, and serve queues as an agent. Times are RFC 3339 in UTC unless they are numbers.",
      ],
      "servers": [["url": "/"]],
      "tags": .array(groups.map { ["name": .string($0)] }),
      "paths": .object(paths),
      "components": [
        "schemas": .object(Schemas.all.mapValues(\.document)),
        "responses": .object(
          Dictionary(
            errors.map { ("Error\($0.status)", error($0.doc, hasBody: !toldByLibrary.contains($0.status))) },
            uniquingKeysWith: { first, _ in first })),
        "securitySchemes": [
          "bearer": ["type": "http", "scheme": "bearer", "description": "An API key."],
          "basic": ["type": "http", "scheme": "basic", "description": "Any user, and an API key as password."],
        ],
      ],
    ]
  }

  /// The HTTP library may tell these in its own words, before there is a request.
  private static let toldByLibrary = [414, 431]

  private static let errors: [(status: Int, doc: String)] = [
    (400, "The request cannot be understood."),
    (401, "There is no key, or it is unknown."),
    (403, "The key's role may not do this."),
    (404, "What is named is not there, or belongs to others."),
    (409, "It does not fit how things stand."),
    (413, "The body is too large."),
    (414, "The line of the request is too long, or its query has too many items."),
    (415, "The body is not JSON."),
    (422, "The body says something that cannot be done; `problems` has all of it."),
    (429, "Too many failed logins, or too many connections."),
    (431, "The line of the request and its header are too large; told before anything is read of them."),
    (500, "The server failed to answer; its log says why."),
    (503, "Not now: the server starts, closes, or has too much to do."),
    (507, "The upload could not be stored."),
  ]

  /// Every status that a route may answer beside its answers.
  static func refusals(of route: Route) -> Set<Int> {
    var statuses: Set<Int> = [400, 414, 429, 431, 500, 503]
    statuses.formUnion(route.refusals)
    if case .open = route.access {} else { statuses.formUnion([401, 403]) }
    if route.parameters.contains(where: { $0.place == .path }) { statuses.insert(404) }
    switch route.body {
    case .none: break
    case .json: statuses.formUnion([413, 415, 422])
    case .bytes: statuses.insert(413)
    case .file: statuses.formUnion([413, 507])
    }
    return statuses
  }

  private static func operation(_ route: Route) -> Value {
    var responses: [String: Value] = [:]
    for answer in route.answers { responses[String(answer.status)] = response(answer) }
    for status in refusals(of: route) {
      responses[String(status)] = ["$ref": .string("#/components/responses/Error\(status)")]
    }
    var fields: [String: Value] = [
      "operationId": .string(route.name), "summary": .string(route.summary), "tags": [.string(route.group)],
      "responses": .object(responses),
    ]
    if case .open = route.access {
      fields["security"] = []
    } else {
      fields["security"] = [["bearer": []], ["basic": []]]
    }
    if !route.parameters.isEmpty { fields["parameters"] = .array(route.parameters.map(parameter)) }
    switch route.body {
    case .none: break
    case .json(let schema, _):
      fields["requestBody"] = ["required": true, "content": ["application/json": ["schema": schema.document]]]
    case .bytes, .file:
      fields["requestBody"] = ["required": false, "content": ["application/octet-stream": ["schema": [:]]]]
    }
    return .object(fields)
  }

  private static func parameter(_ parameter: Route.Parameter) -> Value {
    var schema = parameter.schema
    schema.doc = nil
    var fields: [String: Value] = [
      "name": .string(parameter.name), "in": .string(parameter.place.rawValue),
      "required": .bool(parameter.isRequired), "schema": schema.document,
    ]
    if parameter.repeats {
      fields["schema"] = ["type": "array", "items": schema.document]
      fields["style"] = "form"
      fields["explode"] = true
    }
    fields["description"] = parameter.schema.doc.map(Value.string)
    return .object(fields)
  }

  private static func response(_ answer: Route.Answer) -> Value {
    var fields: [String: Value] = ["description": .string(answer.doc)]
    switch answer.content {
    case .none: break
    case .json(let schema): fields["content"] = ["application/json": ["schema": schema.document]]
    case .other(let type): fields["content"] = .object([type: [:]])
    }
    if !answer.headers.isEmpty {
      fields["headers"] = .object(
        Dictionary(
          answer.headers.map { header in
            (header.name, ["required": .bool(header.isRequired), "schema": header.schema.document])
          }, uniquingKeysWith: { first, _ in first }))
    }
    return .object(fields)
  }

  private static func error(_ doc: String, hasBody: Bool) -> Value {
    guard hasBody else { return ["description": .string(doc)] }
    return [
      "description": .string(doc),
      "content": ["application/json": ["schema": ["$ref": "#/components/schemas/Error"]]],
    ]
  }
}
