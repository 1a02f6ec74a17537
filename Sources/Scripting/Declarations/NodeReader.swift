import Lua
import Model

/// Turns what Lua gave into documents, and reports what no document can hold.
struct NodeReader {
  let declaration: Declaration
  let author: Origin.Author
  private(set) var diagnostics: [Diagnostic] = []
  /// Variables by name, as the holes declare them.
  private(set) var variables: [String: Schema] = [:]
  private var firstHole: [String: Place] = [:]

  /// The key under which variables and secrets may stand; everything else is known when the file is read.
  private let open: String?

  init(_ declaration: Declaration, author: Origin.Author, open: String? = nil) {
    self.declaration = declaration
    self.author = author
    self.open = open
  }

  mutating func node(_ tree: LuaTree, at path: Path) -> Node {
    let origin = Origin(author, at: declaration.key(path))
    switch tree {
    case .nothing: return .leaf(.null, origin)
    case .boolean(let flag): return .leaf(.bool(flag), origin)
    case .integer(let number): return .leaf(.int(number), origin)
    case .number(let number):
      guard number.isFinite else {
        report("C0043", "`\(path.text)` is \(number), which no document can hold", at: path)
        return mistake(origin)
      }
      return .leaf(.double(number), origin)
    case .string(let text):
      checkMacros(text, at: path)
      return .leaf(.string(text), origin)
    case .bytes:
      report(
        "C0040", "`\(path.text)` is not UTF-8 text, which no document can hold", at: path,
        help: "write it as base64")
      return mistake(origin)
    case .function:
      report(
        "C0040", "`\(path.text)` is a function, which no document can hold", at: path,
        help: "call it here, and write what it returns")
      return mistake(origin)
    case .other(let type):
      report("C0040", "`\(path.text)` is a \(type), which no document can hold", at: path)
      return mistake(origin)
    case .table(let table): return node(table, origin, at: path)
    }
  }

  private mutating func node(_ table: LuaTable, _ origin: Origin, at path: Path) -> Node {
    if table.tag == "var" || table.tag == "secret", open == nil || path.first != open.map(PathStep.key) {
      let what = table.tag == "var" ? "a variable" : "a secret"
      report(
        "C0057", "`\(path.text)` is \(what); \(what) can stand only inside \(open.map { "`\($0)`" } ?? "a resource")",
        at: path, value: true, help: "write the value itself")
      return mistake(origin)
    }
    switch table.tag {
    case nil: break
    case "null": return .leaf(.null, origin)
    case "var": return hole(table, origin, at: path)
    case "secret":
      guard case .string(let name)? = table.fields["name"], Name.problem(with: name) == nil else {
        report(
          "C0044", "`\(path.text)` refers to a secret by something that is no name", at: path,
          help: "write secret \"name\"")
        return mistake(origin)
      }
      return .secret(name, origin)
    case "schema":
      report(
        "C0041", "`\(path.text)` is a type, not a value", at: path,
        help: "give a value, or make it a variable: var(\"name\", ...)")
      return mistake(origin)
    case "extend":
      report(
        "C0042", "`extend` stands inside a resource; only the whole resource can extend another", at: path,
        help: "write resource = extend \"name\" { ... }")
      return mistake(origin)
    case let tag?:
      report("C0040", "`\(path.text)` is a \(tag), which no document can hold", at: path)
      return mistake(origin)
    }
    if let odd = table.oddKeys.first {
      report(
        "C0045",
        "`\(path.isEmpty ? declaration.title : path.text)` has the key \(odd); keys are text, or 1, 2, 3, ... of a list",
        at: path, help: "write [\"\(odd.split(separator: " ").last ?? "")\"] = ... if the text is meant")
    }
    if !table.items.isEmpty && !table.fields.isEmpty {
      let keys = table.fields.keys.sorted().prefix(3).map { "`\($0)`" }.joined(separator: ", ")
      report(
        "C0046",
        "`\(path.isEmpty ? declaration.title : path.text)` is a list and a table at once: it has keys (\(keys)) and items without keys",
        at: path, help: "give every item a key, or none; a missing `=` is the usual cause")
      return path.isEmpty ? .table([:], origin) : mistake(origin)
    }
    if table.fields.isEmpty && !table.items.isEmpty {
      var items: [Node] = []
      for (index, item) in table.items.enumerated() { items.append(node(item, at: path + [.index(index)])) }
      return .list(items, origin)
    }
    var fields: [String: Node] = [:]
    for key in table.fields.keys.sorted() {
      if let value = table.fields[key] { fields[key] = node(value, at: path + [.key(key)]) }
    }
    return .table(fields, origin)
  }

  private mutating func hole(_ table: LuaTable, _ origin: Origin, at path: Path) -> Node {
    guard case .string(let name)? = table.fields["name"] else {
      report("C0047", "the variable of `\(path.text)` has no name", at: path, help: "write var(\"name\", int { ... })")
      return mistake(origin)
    }
    if let problem = Name.problem(with: name) {
      report("C0047", "the name of variable `\(name)` \(problem)", at: path)
    }
    var reader = SchemaReader(declaration)
    var schema = reader.schema(table.fields["schema"] ?? .nothing, at: path)
    diagnostics += reader.diagnostics
    schema.place = declaration.value(path)
    if let first = variables[name] {
      var plain = schema
      plain.place = first.place
      if plain != first {
        diagnostics.append(
          Diagnostic(
            "C0048", "variable `\(name)` is declared with two types", at: declaration.value(path),
            because: firstHole[name].map { .init($0, "first declared here") },
            help: "a variable may fill several holes, if all declare it alike"))
      }
    } else {
      variables[name] = schema
      firstHole[name] = declaration.value(path)
    }
    return .hole(Hole(name: name, schema: schema), origin)
  }

  /// `${name}` in lower case must be a macro; others are the agent's to allow.
  private mutating func checkMacros(_ text: String, at path: Path) {
    for name in Macro.references(in: text) where !Macro.names.contains(name) {
      guard name == name.lowercased() else { continue }
      let near = closest(to: name, among: Macro.names)
      report(
        "C0049", "`${\(name)}` in `\(path.text)` is no macro", at: path, value: true,
        label: near.map { "did you mean `${\($0)}`?" },
        help: "macros are: \(Macro.names.joined(separator: ", ")); write $${\(name)} for the plain text")
    }
  }

  /// Stands where a mistake was reported: it fits every type, so that one mistake is told once.
  private func mistake(_ origin: Origin) -> Node { .hole(Hole(name: "", schema: Schema(.any)), origin) }

  private mutating func report(
    _ code: String, _ message: String, at path: Path, value: Bool = false, label: String? = nil, help: String? = nil
  ) {
    diagnostics.append(
      Diagnostic(
        code, message, at: value ? declaration.value(path) : declaration.key(path), label: label, help: help))
  }
}
