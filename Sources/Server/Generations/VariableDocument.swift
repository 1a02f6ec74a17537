import Model

/// A typed hole as JSON says it, for it has no word of its own there:
/// `{"$var": {"name": "gpus", "type": "int", "min": 1, "max": 8, "default": 1}}`.
struct VariableDocument {
  static let key = "$var"

  private let name: String
  private let type: Value

  /// Nil where the value is no hole, or one that cannot be written; the schema of a queue then says what is wrong.
  init?(_ value: Value) {
    guard let fields = value.objectValue, fields.count == 1, let type = fields[Self.key],
      let name = type["name"]?.stringValue, Self.lua(type) != nil
    else { return nil }
    self.name = name
    self.type = type
  }

  init(_ hole: Hole) {
    name = hole.name
    var fields = Self.document(hole.schema).objectValue ?? [:]
    fields["name"] = .string(hole.name)
    type = .object(fields)
  }

  var value: Value { .object([Self.key: type]) }

  var lua: String { "var(\(LuaText.quoted(name)), \(Self.lua(type) ?? "any()"))" }

  // MARK: Types

  /// A type as JSON.
  private static func document(_ schema: Schema) -> Value {
    var fields = document(schema.kind)
    fields["default"] = schema.defaultValue
    fields["doc"] = schema.doc.map(Value.string)
    if schema.isRequired { fields["required"] = true }
    return .object(fields)
  }

  private static func document(_ kind: Schema.Kind) -> [String: Value] {
    switch kind {
    case .string(let pattern): document("string", ("pattern", pattern.map(Value.string)))
    case .int(let min, let max): document("int", ("min", min.map(Value.int)), ("max", max.map(Value.int)))
    case .number(let min, let max): document("number", ("min", min.map(Value.double)), ("max", max.map(Value.double)))
    case .bool: document("bool")
    case .choice(let values): document("choice", ("choices", .array(values)))
    case .duration(let min, let max):
      document("duration", ("min", min.map { .string("\($0)s") }), ("max", max.map { .string("\($0)s") }))
    case .size(let min, let max):
      document("size", ("min", min.map { .string("\($0)") }), ("max", max.map { .string("\($0)") }))
    case .secret: document("secret")
    case .list(let item, let min, let max):
      document(
        "list", ("item", document(item)), ("min", min.map { .int(Int64($0)) }), ("max", max.map { .int(Int64($0)) }))
    case .map(let item): document("map", ("item", document(item)))
    case .table(let members):
      document(
        "table",
        (
          "fields",
          .object(Dictionary(members.map { ($0.key, document($0.schema)) }, uniquingKeysWith: { first, _ in first }))
        ))
    case .any: document("any")
    case .oneOf(let schemas): document("one_of", ("of", .array(schemas.map(document))))
    }
  }

  private static func document(_ type: String, _ options: (String, Value?)...) -> [String: Value] {
    var fields: [String: Value] = ["type": .string(type)]
    for (key, value) in options { fields[key] = value }
    return fields
  }

  /// A type as a Lua expression; nil where the document is none.
  private static func lua(_ type: Value, depth: Int = 0) -> String? {
    guard depth < 16, let word = type["type"]?.stringValue else { return nil }
    func options(_ keys: String...) -> String {
      let parts = keys.compactMap { key in type[key].map { "\(key) = \(LuaText.text($0))" } }
      return parts.isEmpty ? "()" : " { \(parts.joined(separator: ", ")) }"
    }
    var out: String
    switch word {
    case "string": out = word + options("pattern")
    case "int", "number", "duration", "size": out = word + options("min", "max")
    case "bool", "secret", "any": out = word + "()"
    case "choice":
      guard let choices = type["choices"]?.arrayValue else { return nil }
      out = "choice { \(choices.map { LuaText.text($0) }.joined(separator: ", ")) }"
    case "list", "map":
      guard let item = type["item"].flatMap({ lua($0, depth: depth + 1) }) else { return nil }
      let bounds = word == "list" ? options("min", "max") : "()"
      out = "\(word)(\(item)\(bounds == "()" ? "" : ",\(bounds)"))"
    case "table":
      guard let fields = type["fields"]?.objectValue else { return nil }
      var parts: [String] = []
      for key in fields.keys.sorted() {
        guard let item = fields[key].flatMap({ lua($0, depth: depth + 1) }) else { return nil }
        parts.append("\(LuaText.key(key)) = \(item)")
      }
      out = "table { \(parts.joined(separator: ", ")) }"
    case "one_of":
      guard let of = type["of"]?.arrayValue else { return nil }
      let parts = of.compactMap { lua($0, depth: depth + 1) }
      guard parts.count == of.count else { return nil }
      out = "one_of { \(parts.joined(separator: ", ")) }"
    default: return nil
    }
    if let value = type["default"], !value.isNull { out += ":default(\(LuaText.text(value)))" }
    if type["required"] == true { out += ":required()" }
    if let doc = type["doc"]?.stringValue { out += ":doc(\(LuaText.quoted(doc)))" }
    return out
  }
}
