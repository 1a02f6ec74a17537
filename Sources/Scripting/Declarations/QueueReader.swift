import Lua
import Model

/// A queue as its file says, before shared configs and drivers are known.
struct DeclaredQueue: Sendable {
  var declaration: Declaration
  var name: String
  /// The declaration's fields, plain.
  var fields: [String: Node]
  /// The own part of its resource.
  var resource: Node
  /// The shared config it uses or extends, and where that is written.
  var extends: (name: String, place: Place)?
  var variables: [String: Schema]
}

/// Reads `queue` and `resource` declarations.
struct QueueReader {
  private(set) var diagnostics: [Diagnostic] = []

  mutating func queue(_ declaration: Declaration) -> DeclaredQueue? {
    let name = self.name(of: declaration)
    let author = Origin.Author.queue(name ?? "?")
    var body = declaration.body
    var extends: (name: String, place: Place)?
    var own: LuaTree = .table(LuaTable())
    switch body.fields["resource"] {
    case .string(let shared)?:
      extends = (shared, declaration.value([.key("resource")]))
    case .table(let table)? where table.tag == "extend":
      if case .string(let shared)? = table.fields["name"] { extends = (shared, declaration.value([.key("resource")])) }
      own = table.fields["body"] ?? own
      body.fields["resource"] = own
    case let tree?: own = tree
    case nil: break
    }
    var reader = NodeReader(declaration, author: author, open: "resource")
    let node = reader.node(.table(body), at: [])
    diagnostics += reader.diagnostics
    let text = MisfitText(declaration: declaration, subject: declaration.title)
    diagnostics += Grammar.queue.misfits(of: node).map(text.diagnostic)
    reportRepeatedKeys(declaration)
    guard let name, case .table(let fields, _) = node else { return nil }
    var resource = Node.table([:], Origin(author, at: declaration.key([.key("resource")])))
    if case .table? = fields["resource"] { resource = fields["resource"] ?? resource }
    return DeclaredQueue(
      declaration: declaration, name: name, fields: fields, resource: resource, extends: extends,
      variables: reader.variables)
  }

  mutating func resource(_ declaration: Declaration) -> SharedResource? {
    let name = self.name(of: declaration)
    var reader = NodeReader(declaration, author: .resource(name ?? "?"), open: "config")
    let node = reader.node(.table(declaration.body), at: [])
    diagnostics += reader.diagnostics
    let text = MisfitText(declaration: declaration, subject: declaration.title)
    let misfits = Grammar.resource.misfits(of: node)
    diagnostics += misfits.map(text.diagnostic)
    reportRepeatedKeys(declaration)
    guard let name, misfits.isEmpty, case .table(let fields, _) = node,
      let target = fields["target"]?.value.stringValue, let config = fields["config"]
    else { return nil }
    return SharedResource(
      name: name, target: target, config: config, variables: reader.variables,
      doc: fields["doc"]?.value.stringValue, place: declaration.place, targetPlace: declaration.value([.key("target")]))
  }

  private mutating func name(of declaration: Declaration) -> String? {
    guard let name = declaration.name else {
      diagnostics.append(
        Diagnostic(
          "C0011", "this \(declaration.word) has no name", at: declaration.place,
          help: "write \(declaration.word) \"name\" { ... }"))
      return nil
    }
    if let problem = Name.problem(with: name) {
      diagnostics.append(
        Diagnostic(
          "C0011", "the name of \(declaration.title) \(problem)", at: declaration.namePlace,
          label: name.isEmpty ? nil : "`\(Name.safe(name))` would do"))
      return nil
    }
    return name
  }

  /// A key that stands twice: Lua silently takes the last one.
  private mutating func reportRepeatedKeys(_ declaration: Declaration) {
    for repeated in declaration.written?.table.allRepeated ?? [] {
      diagnostics.append(
        Diagnostic(
          "C0016", "the key `\(repeated.key)` stands twice in \(declaration.title); only the last one counts",
          at: repeated.second, because: .init(repeated.first, "first set here"), help: "leave one of them out"))
    }
  }
}

/// A reusable resource config: `resource "a100" { target = "kubernetes", config = { ... } }`.
public struct SharedResource: Sendable, Hashable {
  public var name: String
  public var target: String
  public var config: Node
  public var variables: [String: Schema]
  public var doc: String?
  public var place: Place
  var targetPlace: Place
}
