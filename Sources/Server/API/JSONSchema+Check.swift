import Model

extension JSONSchema {
  /// Problems told of one request; the rest of a body that is wrong throughout says nothing new.
  static let problemsMax = 50

  /// Everything in `value` that does not fit, each as one sentence that starts with its place; at most `problemsMax`.
  func problems(in value: Value, called name: String = "the body") -> [Diagnostic] {
    var check = Check()
    check.judge(value, self, at: .root(name))
    return check.problems
  }

  func fits(_ value: Value) -> Bool { problems(in: value).isEmpty }

  /// Where a value stands. Linked from the inside out, so that the text is only made where something is wrong.
  fileprivate indirect enum Spot {
    case root(String)
    case member(Spot, String)
    case item(Spot, Int)

    var text: String {
      switch self {
      case .root(let name): name
      case .member(.root, let key): "`\(key)`"
      case .item(.root, let index): "item \(index)"
      case .member(let outer, let key): "`\(outer.bare).\(key)`"
      case .item(let outer, let index): "`\(outer.bare)[\(index)]`"
      }
    }

    private var bare: String {
      switch self {
      case .root: ""
      case .member(.root, let key): key
      case .item(.root, let index): "[\(index)]"
      case .member(let outer, let key): "\(outer.bare).\(key)"
      case .item(let outer, let index): "\(outer.bare)[\(index)]"
      }
    }
  }

  private struct Check {
    var problems: [Diagnostic] = []

    mutating func report(_ spot: Spot, _ wanted: String, not value: Value) {
      add("\(spot.text) must be \(wanted), not \(value.described)")
    }

    mutating func add(_ message: String, help: String? = nil) {
      if problems.count < JSONSchema.problemsMax { problems.append(Diagnostic("R0001", message, help: help)) }
    }

    mutating func judge(_ value: Value, _ schema: JSONSchema, at spot: Spot) {
      guard problems.count < JSONSchema.problemsMax else { return }
      switch schema.kind {
      case .any: break
      case .nullable(let inner): if !value.isNull { judge(value, inner, at: spot) }
      case .named(let name):
        if let inner = Schemas.all[name] { judge(value, inner, at: spot) }
      case .text(let form):
        guard let text = value.stringValue else { return report(spot, form.words, not: value) }
        if !form.matches(text) { report(spot, form.words, not: value) }
      case .integer(let range):
        guard let number = value.intValue, range.contains(number) else {
          return report(spot, "an integer from \(range.lowerBound) to \(range.upperBound)", not: value)
        }
      case .number(let range):
        guard let number = value.doubleValue, range.contains(number) else {
          return report(spot, "a number from \(range.lowerBound) to \(range.upperBound)", not: value)
        }
      case .boolean: if value.boolValue == nil { report(spot, "true or false", not: value) }
      case .choice(let words):
        guard let word = value.stringValue, words.contains(word) else {
          let near = value.stringValue.flatMap { closest(to: $0, among: words) }
          return add(
            "\(spot.text) must be one of \(words.joined(separator: ", ")), not \(value.described)",
            help: near.map { "did you mean `\($0)`?" })
        }
      case .list(let item, let count):
        guard let items = value.arrayValue else { return report(spot, "a list", not: value) }
        if !count.contains(items.count) {
          let most = count.upperBound < .max ? " to \(count.upperBound)" : " or more"
          add("\(spot.text) must have \(count.lowerBound)\(most) items, not \(items.count)")
        }
        for (index, element) in items.prefix(count.upperBound).enumerated() {
          judge(element, item, at: .item(spot, index))
        }
      case .map(let item, let max):
        guard let fields = value.objectValue else { return report(spot, "a table", not: value) }
        if fields.count > max { add("\(spot.text) must have at most \(max) members, not \(fields.count)") }
        for key in fields.keys.sorted().prefix(max) { judge(fields[key] ?? .null, item, at: .member(spot, key)) }
      case .object(let members): judge(value, members, at: spot)
      case .either(let schemas): judgeEither(value, schemas, at: spot)
      }
    }

    private mutating func judge(_ value: Value, _ members: [Member], at spot: Spot) {
      guard let fields = value.objectValue else { return report(spot, "a table", not: value) }
      var known = 0
      for member in members {
        if let child = fields[member.name] {
          known += 1
          judge(child, member.schema, at: .member(spot, member.name))
        } else if member.isRequired {
          add("\(spot.text) has no `\(member.name)`", help: member.schema.doc)
        }
      }
      guard known < fields.count else { return }
      let names = members.map(\.name)
      for key in fields.keys.sorted() where !names.contains(key) {
        add(
          "\(spot.text) has the unknown member `\(key)`",
          help: closest(to: key, among: names).map { "did you mean `\($0)`?" }
            ?? "its members: \(names.joined(separator: ", "))")
      }
    }

    private mutating func judgeEither(_ value: Value, _ schemas: [JSONSchema], at spot: Spot) {
      if schemas.contains(where: { $0.fits(value) }) { return }
      // The alternative for this kind of value says best what is wrong inside it.
      let near = schemas.filter { $0.takesKind(of: value) }
      if let near = near.first(where: { $0.isMeant(by: value) }) ?? near.first { return judge(value, near, at: spot) }
      report(spot, schemas.map(\.kindWords).joined(separator: " or "), not: value)
    }
  }

  /// Whether the table has the one word that marks this alternative, such as its `kind`.
  private func isMeant(by value: Value) -> Bool {
    switch kind {
    case .named(let name): Schemas.all[name]?.isMeant(by: value) ?? false
    case .object(let members):
      members.contains { member in
        guard case .choice(let words) = member.schema.kind, words.count == 1 else { return false }
        return value[member.name]?.stringValue == words[0]
      }
    default: false
    }
  }

  private func takesKind(of value: Value) -> Bool {
    switch kind {
    case .any: true
    case .named(let name): Schemas.all[name]?.takesKind(of: value) ?? false
    case .nullable(let inner): value.isNull || inner.takesKind(of: value)
    case .either(let schemas): schemas.contains { $0.takesKind(of: value) }
    case .text, .choice: value.stringValue != nil
    case .integer, .number: value.doubleValue != nil
    case .boolean: value.boolValue != nil
    case .list: value.arrayValue != nil
    case .object, .map: value.objectValue != nil
    }
  }

  private var kindWords: String {
    switch kind {
    case .any: "anything"
    case .named(let name): Schemas.all[name]?.kindWords ?? name
    case .nullable(let inner): "\(inner.kindWords) or null"
    case .either(let schemas): schemas.map(\.kindWords).joined(separator: " or ")
    case .text, .choice: "text"
    case .integer, .number: "a number"
    case .boolean: "true or false"
    case .list: "a list"
    case .object, .map: "a table"
    }
  }
}
