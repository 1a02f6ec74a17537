/// Merging of resource documents: what comes later wins, key by key.
extension Node {
  /// This document with `other` laid over it: tables are merged key by key, anything else is replaced whole. A null in
  /// `other` removes the key.
  public func overlaid(with other: Node) -> Node {
    guard case .table(var fields, let origin) = self, case .table(let over, _) = other else { return other }
    for (key, node) in over {
      if case .leaf(.null, _) = node {
        fields[key] = nil
      } else if let below = fields[key] {
        fields[key] = below.overlaid(with: node)
      } else {
        fields[key] = node
      }
    }
    return .table(fields, origin)
  }

  /// This document with every hole that has a value filled, by its variable's name; a hole keeps its own origin's place.
  /// - Parameter variables: values the submitter gave; a hole without one takes its schema's default.
  public func filled(with variables: [String: Value]) -> Node {
    switch self {
    case .hole(let hole, let origin):
      if let given = variables[hole.name] {
        return Node(given, Origin(.variable(hole.name, filled: true), at: origin.place))
      }
      if let value = hole.schema.defaultValue {
        return Node(value, Origin(.variable(hole.name, filled: false), at: origin.place))
      }
      return self
    case .list(let items, let origin): return .list(items.map { $0.filled(with: variables) }, origin)
    case .table(let fields, let origin): return .table(fields.mapValues { $0.filled(with: variables) }, origin)
    default: return self
    }
  }

  /// This document with the defaults that `schema` declares put where nothing stands, recursively through tables.
  public func withDefaults(of schema: Schema, driver: String) -> Node {
    guard case .table(var fields, let origin) = self else { return self }
    for field in schema.fields {
      if let present = fields[field.key] {
        fields[field.key] = present.withDefaults(of: field.schema, driver: driver)
      } else if let value = field.schema.defaultValue {
        fields[field.key] = Node(value, Origin(.driver(driver), at: field.schema.place))
      }
    }
    return .table(fields, origin)
  }
}

/// Macros in a resource document: `${run_id}` and its like, filled when a run starts.
public enum Macro {
  /// The macros every document may use.
  public static let names = [
    "project_name", "entity_name", "run_id", "run_name", "image_uri", "queue_name", "job_name", "author", "attempt",
  ]

  /// Names in `${NAME}` within `text`, in order; `$${` is a plain `${`.
  public static func references(in text: String) -> [String] {
    var found: [String] = []
    _ = replace(text) { name in
      found.append(name)
      return nil
    }
    return found
  }

  /// `value` with every `${NAME}` that `values` knows replaced, in strings at any depth (keys stay as they are).
  /// A name that it does not know is left as written.
  public static func expand(_ value: Value, _ values: [String: String]) -> Value {
    switch value {
    case .string(let text): .string(replace(text) { values[$0] })
    case .array(let items): .array(items.map { expand($0, values) })
    case .object(let fields): .object(fields.mapValues { expand($0, values) })
    default: value
    }
  }

  private static func replace(_ text: String, _ lookup: (String) -> String?) -> String {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
    var out = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      out += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        out += "${"
        rest = rest.dropFirst(3)
      } else if rest.hasPrefix("${"), let close = rest.firstIndex(of: "}") {
        let name = String(rest[rest.index(rest.startIndex, offsetBy: 2)..<close])
        out += lookup(name) ?? "${\(name)}"
        rest = rest[rest.index(after: close)...]
      } else {
        out += "$"
        rest = rest.dropFirst()
      }
    }
    return out + rest
  }
}
