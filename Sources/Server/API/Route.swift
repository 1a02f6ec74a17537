import HTTP
import Model

/// One operation of the API. From the table of these come routing, the check of requests, and the OpenAPI document.
struct Route: Sendable {
  typealias Handler = @Sendable (Service, Call) async throws -> HTTPResponse

  var method: HTTPMethod
  /// As the router takes it: `/api/v1/runs/{id}`.
  var path: String
  /// Unique; clients that are generated name their functions after it.
  var name: String
  /// The heading that it stands under in the document.
  var group: String
  var summary: String
  var access: Access
  var parameters: [Parameter]
  var body: Body
  var answers: [Answer]
  /// Error statuses beside those that follow from the rest.
  var refusals: [Int]
  /// It may wait for something to happen, and ends early when the server closes.
  var waits: Bool
  var handler: Handler

  enum Body: Sendable {
    case none
    /// Judged before the handler runs. - Parameter limit: bytes; nil for the server's default.
    case json(JSONSchema, limit: Int? = nil)
    /// Bytes held in memory.
    case bytes(limit: Int)
    /// Bytes written to a file as they come.
    case file(limit: Int)
  }

  struct Parameter: Sendable {
    enum Place: String, Sendable {
      case path, query, header
    }

    var name: String
    var place: Place
    var schema: JSONSchema
    var isRequired: Bool
    var repeats = false
  }

  struct Answer: Sendable {
    var status: Int
    var doc: String
    var content: Content
    var headers: [Header] = []

    enum Content: Sendable {
      case none
      case json(JSONSchema)
      /// Of this media type, and not JSON.
      case other(String)
    }

    struct Header: Sendable {
      var name: String
      var schema: JSONSchema
      var isRequired = true
    }
  }
}

// MARK: Writing routes

extension Route {
  init(
    _ method: HTTPMethod, _ path: String, _ name: String, _ group: String, _ summary: String, _ access: Access,
    parameters: [Parameter] = [], body: Body = .none, answers: [Answer], refusals: [Int] = [], waits: Bool = false,
    handler: @escaping Handler
  ) {
    self.method = method
    self.path = path
    self.name = name
    self.group = group
    self.summary = summary
    self.access = access
    self.parameters = parameters
    self.body = body
    self.answers = answers
    self.refusals = refusals
    self.waits = waits
    self.handler = handler
  }
}

extension Route.Parameter {
  static func path(_ name: String, _ schema: JSONSchema, _ doc: String) -> Self {
    Self(name: name, place: .path, schema: schema.saying(doc), isRequired: true)
  }

  static func query(
    _ name: String, _ schema: JSONSchema, _ doc: String, isRequired: Bool = false, repeats: Bool = false
  ) -> Self {
    Self(name: name, place: .query, schema: schema.saying(doc), isRequired: isRequired, repeats: repeats)
  }

  static func header(_ name: String, _ schema: JSONSchema, _ doc: String) -> Self {
    Self(name: name, place: .header, schema: schema.saying(doc), isRequired: false)
  }

  static let run = path("id", .runID, "The run's id.")
  static let agent = path("id", .runID, "The agent's id.")
  static let entityInPath = path("entity", .name, "A user or team.")
  static let entity = query("entity", .name, "A user or team; your default where left out.")
  static let cursor = query("cursor", .text(.line(512)), "Goes on after a page: its `next`.")
  static let limit = query("limit", .integer(1...Int64(pageMax)), "Items at most; \(pageDefault) where left out.")
  static let pageDefault = 100
  /// Items of one page; a page of runs carries their resources.
  static let pageMax = 1_000
}

extension Route.Answer {
  static func ok(_ schema: JSONSchema, _ doc: String = "Done.") -> Self {
    Self(status: 200, doc: doc, content: .json(schema))
  }

  static func created(_ schema: JSONSchema, _ doc: String = "Made.") -> Self {
    Self(status: 201, doc: doc, content: .json(schema))
  }

  static let nothing = Self(status: 204, doc: "Done; there is nothing to say.", content: .none)

  static func page(of item: JSONSchema) -> Self {
    ok(
      .object([
        JSONSchema.field("items", .list(item)),
        JSONSchema.maybe("next", .text, "Asks for what comes after; absent at the end."),
      ]), "A page of the list.")
  }
}
