import Lua
import Model

/// Reads the types that `int { min = 1 }:default(4)` and its like made.
struct SchemaReader {
  let declaration: Declaration
  private(set) var diagnostics: [Diagnostic] = []

  init(_ declaration: Declaration) { self.declaration = declaration }

  private static let wanted =
    "string, int, number, bool, choice, duration, size, secret, list, map, table, any or one_of"

  mutating func schema(_ tree: LuaTree, at path: Path) -> Schema {
    guard case .table(let table) = tree, table.tag == "schema", case .string(let kind)? = table.fields["kind"] else {
      let found: String =
        switch tree {
        case .nothing: "is missing its type"
        case .function: "has a function where a type belongs"
        default: "has a value where a type belongs"
        }
      report("C0050", "`\(path.text)` \(found)", at: path, help: "give it one of: \(Self.wanted)")
      return Schema(.any)
    }
    var schema = Schema(self.kind(kind, table.fields["options"] ?? .nothing, at: path), place: declaration.key(path))
    schema.isRequired = table.fields["required"] == .boolean(true)
    if case .string(let doc)? = table.fields["doc"] { schema.doc = doc }
    if case .string(let name)? = table.fields["implies"] {
      schema.implies = Capability(name)
      if Capability.known[Capability(name)] == nil {
        let near = closest(to: name, among: Capability.registry.map(\.capability.rawValue))
        report(
          "P0104", "`\(path.text)` implies the unknown capability `\(name)`", at: path,
          label: near.map { "did you mean `\($0)`?" })
      }
    }
    if let value = table.fields["default"], value != .nothing {
      setDefault(value, of: &schema, at: path)
    }
    return schema
  }

  private mutating func setDefault(_ value: LuaTree, of schema: inout Schema, at path: Path) {
    var reader = NodeReader(declaration, author: .queue(""))
    let node = reader.node(value, at: path)
    diagnostics += reader.diagnostics
    if let misfit = schema.misfits(of: node).first {
      report("C0051", "the default of `\(path.text)` does not fit its own type: \(misfit.sentence)", at: path)
    } else {
      schema.defaultValue = node.value
    }
    if schema.isRequired {
      report(
        "C0052", "`\(path.text)` is required and has a default, which can never be used", at: path,
        help: "leave out :required() or :default(...)")
    }
  }

  private mutating func kind(_ kind: String, _ options: LuaTree, at path: Path) -> Schema.Kind {
    switch kind {
    case "string":
      let fields = self.options(options, known: ["pattern"], at: path)
      if case .string(let pattern)? = fields["pattern"] { return .string(pattern: pattern) }
      return .string(pattern: nil)
    case "int":
      let fields = self.options(options, known: ["min", "max"], at: path)
      let range = (fields["min"]?.whole, fields["max"]?.whole)
      checkRange(range.0.map(Double.init), range.1.map(Double.init), at: path)
      return .int(min: range.0, max: range.1)
    case "number":
      let fields = self.options(options, known: ["min", "max"], at: path)
      checkRange(fields["min"]?.real, fields["max"]?.real, at: path)
      return .number(min: fields["min"]?.real, max: fields["max"]?.real)
    case "duration":
      let fields = self.options(options, known: ["min", "max"], at: path)
      let (low, high) = (
        quantity(fields["min"], Quantity.seconds, at: path), quantity(fields["max"], Quantity.seconds, at: path)
      )
      checkRange(low, high, at: path)
      return .duration(min: low, max: high)
    case "size":
      let fields = self.options(options, known: ["min", "max"], at: path)
      let bytes: (String) -> Double? = { Quantity.bytes($0).map(Double.init) }
      let (low, high) = (quantity(fields["min"], bytes, at: path), quantity(fields["max"], bytes, at: path))
      checkRange(low, high, at: path)
      return .size(min: low.flatMap { Int64(exactly: $0) }, max: high.flatMap { Int64(exactly: $0) })
    case "bool": return .bool
    case "secret": return .secret
    case "any": return .any
    case "choice":
      guard case .table(let table) = options, !table.items.isEmpty, table.fields.isEmpty else {
        report("C0053", "`\(path.text)` is a choice of nothing", at: path, help: "write choice { \"a\", \"b\" }")
        return .any
      }
      return .choice(table.items.compactMap(\.scalar))
    case "one_of":
      guard case .table(let table) = options, table.items.count >= 2 else {
        report(
          "C0053", "`\(path.text)` needs at least two types to be one of", at: path,
          help: "write one_of { string(), int() }")
        return .any
      }
      return .oneOf(table.items.map { schema($0, at: path) })
    case "list", "map":
      guard case .table(let table) = options else { return .any }
      let item = schema(table.fields["item"] ?? .nothing, at: path)
      if kind == "map" { return .map(item) }
      let fields = self.options(table.fields["options"] ?? .nothing, known: ["min", "max"], at: path)
      return .list(
        item, min: fields["min"]?.whole.map(Int.init(clamping:)), max: fields["max"]?.whole.map(Int.init(clamping:)))
    case "table":
      guard case .table(let table) = options else {
        report(
          "C0054", "`\(path.text)` is a table type without its keys", at: path,
          help: "write table { name = string() }, or any() for an open document")
        return .any
      }
      if !table.items.isEmpty {
        report(
          "C0054", "`\(path.text)` has a type without a key", at: path, help: "write { name = string() }")
      }
      return .table(
        table.fields.keys.sorted().map { key in
          Schema.Field(key: key, schema: schema(table.fields[key] ?? .nothing, at: path + [.key(key)]))
        })
    default:
      report("C0050", "`\(path.text)` has the unknown type `\(kind)`", at: path, help: "give it one of: \(Self.wanted)")
      return .any
    }
  }

  /// The options of a type: a closed table.
  private mutating func options(_ tree: LuaTree, known: [String], at path: Path) -> [String: LuaTree] {
    switch tree {
    case .nothing: return [:]
    case .table(let table) where table.tag == nil && table.items.isEmpty:
      for key in table.fields.keys.sorted() where !known.contains(key) {
        let near = closest(to: key, among: known)
        report(
          "C0055", "a type has no option `\(key)`", at: path + [.key(key)],
          label: near.map { "did you mean `\($0)`?" }, help: "its options: \(known.joined(separator: ", "))")
      }
      return table.fields
    default:
      report(
        "C0055", "the options of `\(path.text)` are not a table with keys", at: path,
        help: "write { \(known.map { "\($0) = ..." }.joined(separator: ", ")) }")
      return [:]
    }
  }

  private mutating func quantity(_ tree: LuaTree?, _ parse: (String) -> Double?, at path: Path) -> Double? {
    switch tree {
    case .string(let text)?:
      guard let value = parse(text) else {
        report(
          "C0055", "the bound `\(text)` of `\(path.text)` cannot be read", at: path,
          help: "write a duration such as \"12h\" or a size such as \"4Gi\"")
        return nil
      }
      return value
    default: return tree?.real
    }
  }

  private mutating func checkRange(_ low: Double?, _ high: Double?, at path: Path) {
    if let low, let high, low > high {
      report(
        "C0056", "nothing fits `\(path.text)`: its smallest value is above its largest", at: path,
        help: "swap `min` and `max`")
    }
  }

  private mutating func report(
    _ code: String, _ message: String, at path: Path, label: String? = nil, help: String? = nil
  ) {
    diagnostics.append(Diagnostic(code, message, at: declaration.key(path), label: label, help: help))
  }
}

extension LuaTree {
  var whole: Int64? {
    switch self {
    case .integer(let number): number
    case .number(let number): Int64(exactly: number)
    default: nil
    }
  }

  var real: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .number(let number): number
    default: nil
    }
  }

  /// A plain value that is neither table nor function.
  var scalar: Model.Value? {
    switch self {
    case .boolean(let flag): .bool(flag)
    case .integer(let number): .int(number)
    case .number(let number): .double(number)
    case .string(let text): .string(text)
    default: nil
    }
  }
}
