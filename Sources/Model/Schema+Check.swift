/// One way in which a document does not fit its schema.
public struct Misfit: Sendable, Hashable {
  public enum Problem: Sendable, Hashable {
    /// A key that the closed table does not have.
    case unknownKey(String, known: [String])
    case missingKey(String)
    /// The value is of another kind.
    case kind(found: String)
    /// The kind fits, the value does not: out of range, not a choice.
    case value(found: String)
    /// A plain value where only a secret may stand.
    case plainSecret
  }
  /// Where in the document; for an unknown key the path ends with that key, for a missing one it is the table's.
  public var path: Path
  public var problem: Problem
  /// The schema that was not met; for an unknown or missing key that of the key, where there is one.
  public var schema: Schema
  public var origin: Origin
}

extension Schema {
  /// Everything in `node` that does not fit, in the order of the document; empty where all of it does. Pure.
  public func misfits(of node: Node, at path: Path = []) -> [Misfit] {
    func misfit(_ problem: Misfit.Problem) -> [Misfit] {
      [Misfit(path: path, problem: problem, schema: self, origin: node.origin)]
    }
    switch (kind, node) {
    case (.any, _): return []
    // The hole's own schema was checked where it was declared; here only its kind must be able to fit.
    case (_, .hole(let hole, _)):
      guard canTake(hole.schema) else { return misfit(.kind(found: "\(node.described) (\(hole.schema.text))")) }
      guard let value = hole.schema.defaultValue else { return [] }
      return misfits(of: Node(value, node.origin), at: path)
    case (.oneOf(let schemas), _):
      let all = schemas.map { $0.misfits(of: node, at: path) }
      if all.contains(where: \.isEmpty) { return [] }
      // The alternative of the same kind says best what is wrong inside it.
      let deeper = all.first { $0.allSatisfy { $0.path.count > path.count } }
      return deeper ?? misfit(.kind(found: node.described))
    case (.secret, .secret): return []
    case (.secret, _): return misfit(.plainSecret)
    case (_, .secret): return misfit(.kind(found: "a secret"))
    case (.table(let fields), .table(let present, let origin)):
      return misfits(inTable: fields, present, origin, at: path)
    case (.table, .list(let items, let origin)) where items.isEmpty:
      // An empty Lua table is list and table at once.
      return misfits(of: .table([:], origin), at: path)
    case (.map(let item), .table(let fields, _)):
      return fields.keys.sorted().flatMap { key in
        fields[key].map { item.misfits(of: $0, at: path + [.key(key)]) } ?? []
      }
    case (.map, .list(let items, _)) where items.isEmpty: return []
    case (.list(let item, let min, let max), .list(let items, _)):
      var found = items.enumerated().flatMap { item.misfits(of: $0.element, at: path + [.index($0.offset)]) }
      if let min, items.count < min {
        found += misfit(.value(found: "\(items.count) items, at least \(min) are needed"))
      }
      if let max, items.count > max {
        found += misfit(.value(found: "\(items.count) items, at most \(max) are allowed"))
      }
      return found
    case (.list(let item, let min, let max), .table(let fields, let origin)) where fields.isEmpty:
      return Schema(.list(item, min: min, max: max)).misfits(of: .list([], origin), at: path)
    case (_, .leaf(let value, _)):
      return scalar(value).map(misfit) ?? []
    default: return misfit(.kind(found: node.described))
    }
  }

  private func misfits(
    inTable fields: [Field], _ present: [String: Node], _ origin: Origin, at path: Path
  ) -> [Misfit] {
    let known = Dictionary(fields.map { ($0.key, $0.schema) }, uniquingKeysWith: { first, _ in first })
    var found: [Misfit] = []
    for key in present.keys.sorted() {
      guard let node = present[key] else { continue }
      if let schema = known[key] {
        found += schema.misfits(of: node, at: path + [.key(key)])
      } else {
        found.append(
          Misfit(
            path: path + [.key(key)], problem: .unknownKey(key, known: fields.map(\.key)), schema: self,
            origin: node.origin))
      }
    }
    for field in fields where field.schema.isRequired && present[field.key] == nil && field.schema.defaultValue == nil {
      found.append(Misfit(path: path, problem: .missingKey(field.key), schema: field.schema, origin: origin))
    }
    return found
  }

  /// What is wrong with a single value, or nil where it fits.
  private func scalar(_ value: Value) -> Misfit.Problem? {
    let wrongKind = Misfit.Problem.kind(found: value.described)
    let wrongValue = Misfit.Problem.value(found: value.json())
    switch kind {
    case .string(let pattern):
      guard let text = value.stringValue else { return wrongKind }
      return pattern.map { Glob.matches(text, $0) } ?? true ? nil : wrongValue
    case .int(let min, let max):
      guard value.doubleValue != nil else { return wrongKind }
      guard let number = value.intValue else { return wrongKind }
      return number >= min ?? .min && number <= max ?? .max ? nil : wrongValue
    case .number(let min, let max):
      guard let number = value.doubleValue else { return wrongKind }
      return number >= min ?? -.infinity && number <= max ?? .infinity ? nil : wrongValue
    case .bool: return value.boolValue == nil ? wrongKind : nil
    case .choice(let choices): return choices.contains { $0.isSame(as: value) } ? nil : wrongValue
    case .duration(let min, let max):
      guard let seconds = value.seconds else { return value.stringValue == nil ? wrongKind : wrongValue }
      return seconds >= min ?? 0 && seconds <= max ?? Double(Limits.durationSecondsMax) ? nil : wrongValue
    case .size(let min, let max):
      guard let bytes = value.bytes else { return value.stringValue == nil ? wrongKind : wrongValue }
      return bytes >= min ?? 0 && bytes <= max ?? .max ? nil : wrongValue
    default: return wrongKind
    }
  }
}

extension Schema {
  /// Whether some value that fits `other` could fit this. What is told apart only by a value counts as able.
  private func canTake(_ other: Schema) -> Bool {
    switch (kind, other.kind) {
    case (.any, _), (_, .any): true
    case (.oneOf(let schemas), _): schemas.contains { $0.canTake(other) }
    case (_, .oneOf(let schemas)): schemas.contains { canTake($0) }
    case (_, .choice(let values)): values.contains { misfits(of: Node($0, Origin(.run))).isEmpty }
    case (.choice(let values), _): values.contains { other.misfits(of: Node($0, Origin(.run))).isEmpty }
    case (.list, .list), (.bool, .bool), (.secret, .secret): true
    case (.table, .table), (.table, .map), (.map, .table), (.map, .map): true
    case (.int, .int), (.int, .number), (.number, .int), (.number, .number): true
    // Lengths of time and sizes are written as text or as numbers.
    case (.string, .string), (.string, .duration), (.string, .size): true
    case (.int, .duration), (.int, .size), (.number, .duration), (.number, .size): true
    case (.duration, .string), (.duration, .int), (.duration, .number), (.duration, .duration): true
    case (.size, .string), (.size, .int), (.size, .number), (.size, .size): true
    default: false
    }
  }

  /// `node` with the whole numbers that stand as fractions (`8 / 2` is 4.0 in Lua) as whole numbers where this wants
  /// such: targets refuse `4.0` for an integer.
  public func whole(_ node: Node) -> Node {
    switch (kind, node) {
    case (.int, .leaf(.double(let number), let origin)):
      Int64(exactly: number).map { .leaf(.int($0), origin) } ?? node
    case (.table(let fields), .table(let present, let origin)):
      .table(
        fields.reduce(into: present) { nodes, field in
          nodes[field.key] = nodes[field.key].map { field.schema.whole($0) }
        }, origin)
    case (.map(let item), .table(let present, let origin)): .table(present.mapValues { item.whole($0) }, origin)
    case (.list(let item, _, _), .list(let items, let origin)): .list(items.map { item.whole($0) }, origin)
    default: node
    }
  }
}

extension Value {
  /// This value as a duration in seconds: text such as `12h`, or a number of seconds.
  public var seconds: Double? { stringValue.flatMap(Quantity.seconds) ?? doubleValue }
  /// This value as a size in bytes: text such as `4Gi`, or a number of bytes.
  public var bytes: Int64? { stringValue.flatMap(Quantity.bytes) ?? intValue }

  /// The kind with the value where it is short: `text "4"`, `integer 9`, `a table`.
  public var described: String {
    switch self {
    case .string(let text): text.count <= 40 ? "text \(json())" : "text"
    case .int, .double: "\(kind) \(json())"
    case .bool: json()
    case .null: "nothing"
    case .array: "a list"
    case .object: "a table"
    }
  }

  /// Whether a capability that a value implies is really asked for: anything but nothing, false, 0 and emptiness.
  public var isSet: Bool {
    switch self {
    case .null, .bool(false), .int(0), .double(0), .string(""): false
    case .array(let items): !items.isEmpty
    case .object(let fields): !fields.isEmpty
    default: true
    }
  }
}

extension Node {
  var described: String {
    switch self {
    case .leaf(let value, _): value.described
    case .secret: "a secret"
    case .hole(let hole, _): "variable `\(hole.name)`"
    case .list: "a list"
    case .table: "a table"
    }
  }
}

extension Schema {
  /// Capabilities that `node` implies, with the path of what implies each. A hole implies one where some value that it
  /// takes would: its default, or any value above 0.
  public func implied(by node: Node, at path: Path = []) -> [(capability: Capability, path: Path, origin: Origin)] {
    var found: [(capability: Capability, path: Path, origin: Origin)] = []
    if let implies {
      let isSet =
        if case .hole(let hole, _) = node { hole.schema.canBeSet } else { node.value.isSet }
      if isSet { found.append((implies, path, node.origin)) }
    }
    switch (kind, node) {
    case (.table(let fields), .table(let present, _)):
      for field in fields {
        guard let child = present[field.key] else { continue }
        found += field.schema.implied(by: child, at: path + [.key(field.key)])
      }
    case (.list(let item, _, _), .list(let items, _)):
      for (index, child) in items.enumerated() { found += item.implied(by: child, at: path + [.index(index)]) }
    case (.map(let item), .table(let fields, _)):
      for key in fields.keys.sorted() {
        if let child = fields[key] { found += item.implied(by: child, at: path + [.key(key)]) }
      }
    default: break
    }
    return found
  }

  private var canBeSet: Bool {
    switch kind {
    case .int(_, let max): (max ?? 1) > 0
    case .number(_, let max): (max ?? 1) > 0
    case .choice(let values): values.contains(where: \.isSet)
    default: true
    }
  }
}

/// Shell-like patterns: `*` is any text, `?` any character. Linear in text and pattern lengths multiplied, never more.
public enum Glob {
  public static func matches(_ text: String, _ pattern: String) -> Bool {
    let text = Array(text.unicodeScalars)
    let pattern = Array(pattern.unicodeScalars)
    var t = 0
    var p = 0
    var star: (pattern: Int, text: Int)?
    while t < text.count {
      if p < pattern.count, pattern[p] == "*" {
        star = (p, t)
        p += 1
      } else if p < pattern.count, pattern[p] == "?" || pattern[p] == text[t] {
        t += 1
        p += 1
      } else if let last = star {
        p = last.pattern + 1
        t = last.text + 1
        star = (last.pattern, t)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == "*" }
  }
}
