import FoundationEssentials
import HTTP
import Model

/// A request that fits its route: who asks, and for what.
struct Call: Sendable {
  /// Who asks. Routes that are open to all are called by nobody in particular.
  var account: Account
  var request: HTTPRequest
  fileprivate var values: [String: [Value]]
  /// The body, where the route takes JSON.
  var body: Value

  /// - Throws: `malformed`, `notFound` for a path that can name nothing, `invalid` for a body that does not fit.
  init(_ request: HTTPRequest, of route: Route, by account: Account) throws {
    self.account = account
    self.request = request
    values = [:]
    body = .null
    try readParameters(of: route)
    if case .json(let schema, _) = route.body { try readBody(schema) }
  }

  // MARK: What it says

  func text(_ name: String) -> String? { values[name]?.first?.stringValue }
  func integer(_ name: String) -> Int64? { values[name]?.first?.intValue }
  func number(_ name: String) -> Double? { values[name]?.first?.doubleValue }
  func flag(_ name: String) -> Bool { values[name]?.first?.boolValue ?? false }
  func texts(_ name: String) -> [String] { (values[name] ?? []).compactMap(\.stringValue) }
  /// A parameter of the path.
  func path(_ name: String) -> String { text(name) ?? "" }
  var limit: Int { integer("limit").map { Int($0) } ?? Route.Parameter.pageDefault }
  var cursor: String? { text("cursor") }
  var queueID: QueueID { QueueID(entity: path("entity"), name: path("name")) }

  /// The body as a value of the model.
  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    do {
      return try JSON.decode(type, request.bytes)
    } catch DecodingError.dataCorrupted(let context) where context.underlyingError is SourceProblem {
      let problem = context.underlyingError as? SourceProblem
      throw ServiceError(.invalid, problem?.message ?? context.debugDescription, hint: problem?.hint)
    } catch let error as JSONError {
      throw ServiceError(.invalid, "the body is not what is expected: \(error.description)")
    } catch let error as DecodingError {
      // The schema took what the type does not: what is told is where.
      throw ServiceError(.invalid, "the body is not what is expected\(Call.place(of: error))")
    }
  }

  private static func place(of error: DecodingError) -> String {
    let path: [any CodingKey] =
      switch error {
      case .dataCorrupted(let context), .keyNotFound(_, let context), .typeMismatch(_, let context),
        .valueNotFound(_, let context):
        context.codingPath
      @unknown default: []
      }
    if path.isEmpty { return "" }
    return " at `" + path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".") + "`"
  }

  // MARK: Reading

  private mutating func readParameters(of route: Route) throws {
    for parameter in route.parameters {
      let given: [String] =
        switch parameter.place {
        case .path: request.parameters[parameter.name].map { [$0] } ?? []
        case .query: request.query.filter { $0.name == parameter.name }.map { $0.value ?? "" }
        case .header: request.headers.values(parameter.name)
        }
      if given.isEmpty, parameter.isRequired {
        throw ServiceError(.malformed, "the query has no `\(parameter.name)`", hint: parameter.schema.doc)
      }
      if given.count > 1, !parameter.repeats {
        throw ServiceError(.malformed, "`\(parameter.name)` is given \(given.count) times", hint: "give it once")
      }
      let read = given.map { Call.value($0, parameter.schema) }
      for value in read {
        guard let problem = parameter.schema.problems(in: value, called: "`\(parameter.name)`").first else { continue }
        // What has not the form of a name names nothing.
        if parameter.place == .path { throw ServiceError(.notFound, problem.message) }
        throw ServiceError(.malformed, problem.message, hint: problem.help)
      }
      if !read.isEmpty { values[parameter.name] = read }
    }
    let known = route.parameters.filter { $0.place == .query }.map(\.name)
    for item in request.query where !known.contains(item.name) {
      throw ServiceError(
        .malformed, "there is no query parameter `\(item.name)`",
        hint: closest(to: item.name, among: known).map { "did you mean `\($0)`?" }
          ?? (known.isEmpty ? "this takes none" : "it takes: \(known.joined(separator: ", "))"))
    }
  }

  /// The text of a parameter as its schema reads it; what cannot be read stays text, and does not fit.
  private static func value(_ text: String, _ schema: JSONSchema) -> Value {
    // As JSON writes numbers: Swift would also take `+1`, `inf` and hexadecimal.
    let isNumber =
      !text.hasPrefix("+")
      && text.unicodeScalars.allSatisfy { ("0"..."9").contains($0) || "-+.eE".unicodeScalars.contains($0) }
    switch schema.kind {
    case .integer: return isNumber ? Int64(text).map(Value.int) ?? .string(text) : .string(text)
    case .number: return isNumber ? Double(text).map(Value.double) ?? .string(text) : .string(text)
    case .boolean: return text == "true" ? true : text == "false" ? false : .string(text)
    default: return .string(text)
    }
  }

  private mutating func readBody(_ schema: JSONSchema) throws {
    let type = request.headers["Content-Type"] ?? ""
    let media = type.split(separator: ";", omittingEmptySubsequences: false).first ?? ""
    guard media.filter({ $0 != " " }).lowercased() == "application/json" else {
      throw ServiceError(
        .unsupportedMedia, "the body is \(type.isEmpty ? "of no type" : "`\(type.prefix(100))`"), not JSON",
        hint: "send it with Content-Type: application/json")
    }
    do {
      body = try Value(json: request.bytes)
    } catch {
      throw ServiceError(.malformed, "the body is \(error.description)")
    }
    let problems = schema.problems(in: body)
    if !problems.isEmpty { throw ServiceError.invalid(problems) }
  }
}

// MARK: Answers

extension HTTPResponse {
  /// A value as JSON with sorted keys: the same value always gives the same bytes.
  static func value(_ value: some Encodable, status: Int = 200) throws -> HTTPResponse {
    .json(try JSON.encode(value, sorted: true), status: status)
  }
}
