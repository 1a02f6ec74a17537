// Inputs as JSON Schema: the part of it that says what a config may hold. A keyword outside that part is refused, for
// a rule that is passed over in silence is worse than none.

extension Inputs: Codable {
  public init(from decoder: any Decoder) throws {
    let document = try Value(from: decoder)
    do throws(SourceProblem) {
      self = try Inputs(schema: document)
    } catch {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath, debugDescription: error.message, underlyingError: error))
    }
  }

  public func encode(to encoder: any Encoder) throws { try schema.encode(to: encoder) }
}

extension Inputs {
  /// As JSON Schema.
  public var schema: Value {
    guard case .object(var fields) = body else { return body }
    fields["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return .object(fields)
  }

  fileprivate var body: Value {
    var document: [String: Value] = ["type": "object", "properties": .object(fields.mapValues(\.schema))]
    if !isOpen { document["additionalProperties"] = false }
    let required = fields.keys.sorted().filter { fields[$0]?.isRequired == true }
    if !required.isEmpty { document["required"] = .array(required.map(Value.string)) }
    return .object(document)
  }

  /// Reads JSON Schema of a table.
  public init(schema: Value) throws(SourceProblem) {
    let input = try Input(schema: schema, at: "the inputs")
    guard case .table(let inputs) = input.kind else {
      throw SourceProblem(
        "the inputs must be a schema of type object", hint: #"{"type": "object", "properties": {...}}"#)
    }
    self = inputs
  }
}

extension Input {
  private static let keywords: Set<String> = [
    "$schema", "additionalProperties", "default", "description", "enum", "items", "maximum", "minimum", "properties",
    "required", "title", "type",
  ]

  /// What the values of keywords must be; one of another kind would be a rule that nobody keeps.
  private static let shapes: [(keyword: String, wanted: String, fits: @Sendable (Value) -> Bool)] = [
    ("enum", "list", { $0.arrayValue != nil }), ("maximum", "number", { $0.doubleValue != nil }),
    ("minimum", "number", { $0.doubleValue != nil }), ("properties", "table", { $0.objectValue != nil }),
    ("required", "list", { $0.arrayValue != nil }),
    ("additionalProperties", "`true` or `false`, nor a schema", { $0.boolValue != nil || $0.objectValue != nil }),
  ]

  fileprivate var schema: Value {
    var document: [String: Value] = [:]
    switch kind {
    case .any: break
    case .text: document["type"] = "string"
    case .integer: document["type"] = "integer"
    case .number: document["type"] = "number"
    case .boolean: document["type"] = "boolean"
    case .list(let item):
      document["type"] = "array"
      if item != Input(.any) { document["items"] = item.schema }
    case .table(let inputs): document = inputs.body.objectValue ?? [:]
    }
    if isNullable, let type = document["type"] { document["type"] = [type, "null"] }
    document["enum"] = choices.map(Value.array)
    document["minimum"] = minimum.map(Self.number)
    document["maximum"] = maximum.map(Self.number)
    document["default"] = defaultValue
    document["description"] = doc.map(Value.string)
    return .object(document)
  }

  private static func number(_ number: Double) -> Value { Int64(exactly: number).map(Value.int) ?? .double(number) }

  fileprivate init(schema: Value, at place: String) throws(SourceProblem) {
    guard case .object(let fields) = schema else { throw SourceProblem("the schema of \(place) is no table") }
    if let unknown = fields.keys.sorted().first(where: { !Self.keywords.contains($0) }) {
      throw SourceProblem(
        "the schema of \(place) uses `\(unknown)`, which is not known here",
        hint: closest(to: unknown, among: Self.keywords.sorted()).map { "did you mean `\($0)`?" }
          ?? "known: \(Self.keywords.sorted().joined(separator: ", "))")
    }
    for (keyword, wanted, fits) in Self.shapes where fields[keyword].map({ !fits($0) }) ?? false {
      throw SourceProblem("`\(keyword)` in the schema of \(place) is no \(wanted)")
    }
    let (type, isNullable) = try Self.type(fields["type"], place)
    switch type {
    case "string": self.init(.text)
    case "integer": self.init(.integer)
    case "number": self.init(.number)
    case "boolean": self.init(.boolean)
    case "array":
      self.init(
        .list(
          try fields["items"].map { item throws(SourceProblem) in
            try Input(schema: item, at: "items of \(place)")
          } ?? Input(.any)))
    case "object": self.init(.table(try Self.table(fields, place)))
    default: self.init(.any)
    }
    self.isNullable = isNullable
    defaultValue = fields["default"]
    doc = fields["description"]?.stringValue ?? fields["title"]?.stringValue
    choices = fields["enum"]?.arrayValue
    minimum = fields["minimum"]?.doubleValue
    maximum = fields["maximum"]?.doubleValue
  }

  private static let types = ["array", "boolean", "integer", "number", "object", "string"]

  private static func type(_ value: Value?, _ place: String) throws(SourceProblem) -> (String?, isNullable: Bool) {
    guard let value else { return (nil, false) }
    var names = (value.arrayValue ?? [value]).map { $0.stringValue ?? "" }
    let isNullable = names.contains("null")
    names.removeAll { $0 == "null" }
    guard names.count == 1, types.contains(names[0]) else {
      throw SourceProblem(
        "the type of \(place) is \(value.described)", hint: "one of \(types.joined(separator: ", ")), or one and null")
    }
    return (names[0], isNullable)
  }

  private static func table(_ fields: [String: Value], _ place: String) throws(SourceProblem) -> Inputs {
    var inputs: [String: Input] = [:]
    for (name, schema) in fields["properties"]?.objectValue ?? [:] {
      inputs[name] = try Input(schema: schema, at: "`\(name)`")
    }
    for name in fields["required"]?.arrayValue ?? [] {
      guard let name = name.stringValue, inputs[name] != nil else {
        throw SourceProblem("\(place) require \(name.described), which is none of the properties")
      }
      inputs[name]?.isRequired = true
    }
    return Inputs(inputs, isOpen: fields["additionalProperties"] != false)
  }
}
