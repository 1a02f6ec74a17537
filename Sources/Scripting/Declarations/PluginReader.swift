import Lua
import Model

/// What a plugin says of itself; the keys that all kinds share.
public struct PluginHeader: Sendable, Hashable {
  public var name: String
  public var version: String
  public var doc: String?
  public var needs: [Permission]
  /// Plugins whose Lua files it requires.
  public var uses: [String]
  /// Type of the operator's settings.
  public var config: Schema
  public var place: Place
}

public struct DriverDeclaration: Sendable, Hashable {
  public var header: PluginHeader
  public var provides: Set<Capability>
  public var resource: Schema
  public var handleVersion: Int
  public var handle: Schema
  /// Seconds between polls where nothing wakes the agent earlier.
  public var pollInterval: Double
  /// The target's name is the plugin's.
  public var target: String { header.name }
}

public struct BuilderDeclaration: Sendable, Hashable {
  public var header: PluginHeader
  public var builds: Set<SourceKind>
  public var targets: Set<String>
}

public struct HookDeclaration: Sendable, Hashable {
  public var header: PluginHeader
  public var events: Set<HookEvent>
}

/// Reads `driver`, `builder` and `hook` declarations.
struct PluginReader {
  /// Name of the plugin's folder.
  let folder: String
  /// Names of all plugins' folders.
  let plugins: [String]
  private(set) var diagnostics: [Diagnostic] = []

  init(folder: String, among plugins: [String]) {
    self.folder = folder
    self.plugins = plugins
  }

  mutating func driver(_ declaration: Declaration) -> DriverDeclaration? {
    guard let (fields, header) = common(declaration, Grammar.driver) else { return nil }
    let resource = schema("resource", declaration)
    var shape = Schema(.any)
    if case .table(let handle)? = declaration.body.fields["handle"] {
      shape = schema("shape", in: handle, declaration, at: [.key("handle"), .key("shape")])
    }
    var provides: Set<Capability> = []
    for (index, name) in strings(fields["provides"]).enumerated() {
      if let capability = capability(name, declaration, at: [.key("provides"), .index(index)], code: "P0104") {
        provides.insert(capability)
      }
    }
    guard let header else { return nil }
    return DriverDeclaration(
      header: header, provides: provides, resource: resource,
      handleVersion: Int(clamping: fields["handle"]?.value["version"]?.intValue ?? 1), handle: shape,
      pollInterval: fields["poll_interval"]?.value.seconds ?? 5)
  }

  mutating func builder(_ declaration: Declaration) -> BuilderDeclaration? {
    guard let (fields, header) = common(declaration, Grammar.builder), let header else { return nil }
    if header.name == Queue.noBuilder {
      diagnostics.append(
        Diagnostic(
          "P0114", "a builder cannot be named `\(header.name)`: with this word a queue says that it builds nothing",
          at: declaration.value([.key("name")]), help: "give plugin and folder another name"))
    }
    return BuilderDeclaration(
      header: header, builds: Set(strings(fields["builds"]).compactMap(SourceKind.init(rawValue:))),
      targets: Set(strings(fields["targets"])))
  }

  mutating func hook(_ declaration: Declaration) -> HookDeclaration? {
    guard let (fields, header) = common(declaration, Grammar.hook), let header else { return nil }
    return HookDeclaration(header: header, events: Set(strings(fields["on"]).compactMap(HookEvent.init(rawValue:))))
  }

  /// The capability `name`, or nil and a diagnostic where there is no such.
  mutating func capability(_ name: String, _ declaration: Declaration, at path: Path, code: String) -> Capability? {
    let capability = Capability(name)
    if Capability.known[capability] != nil { return capability }
    let near = closest(to: name, among: Capability.registry.map(\.capability.rawValue))
    diagnostics.append(
      Diagnostic(
        code, "there is no capability `\(name)`", at: declaration.value(path),
        label: near.map { "did you mean `\($0)`?" },
        help: "capabilities: \(Capability.registry.map(\.capability.rawValue).joined(separator: ", "))"))
    return nil
  }

  private func strings(_ node: Node?) -> [String] { node?.value.arrayValue?.compactMap(\.stringValue) ?? [] }

  /// Checks the keys; gives the plain fields, and the header where it can be told.
  private mutating func common(
    _ declaration: Declaration, _ grammar: Schema
  ) -> (fields: [String: Node], header: PluginHeader?)? {
    // Types are no documents: they are read apart, and stand here only as "something is given".
    var body = declaration.body
    for key in ["config", "resource"] where body.fields[key] != nil { body.fields[key] = .boolean(true) }
    if case .table(var handle)? = body.fields["handle"] {
      if handle.fields["shape"] != nil { handle.fields["shape"] = .boolean(true) }
      body.fields["handle"] = .table(handle)
    }
    var reader = NodeReader(declaration, author: .driver(folder))
    let node = reader.node(.table(body), at: [])
    diagnostics += reader.diagnostics
    let text = MisfitText(declaration: declaration, subject: declaration.title)
    let misfits = grammar.misfits(of: node)
    diagnostics += misfits.map(text.diagnostic)
    guard case .table(let fields, _) = node else { return nil }
    let config = declaration.body.fields["config"] == nil ? Schema(.table([])) : schema("config", declaration)
    let needs = self.needs(fields["needs"], declaration, settings: config)
    checkVersions(fields["api"], declaration)
    guard misfits.isEmpty, let name = fields["name"]?.value.stringValue else { return (fields, nil) }
    if name != folder {
      diagnostics.append(
        Diagnostic(
          "P0103", "plugin `\(name)` lies in the folder `\(folder)`", at: declaration.value([.key("name")]),
          help: "give folder and plugin the same name"))
    }
    let header = PluginHeader(
      name: name, version: fields["version"]?.value.stringValue ?? "", doc: fields["doc"]?.value.stringValue,
      needs: needs, uses: uses(fields["uses"], declaration), config: config, place: declaration.place)
    return (fields, header)
  }

  private mutating func needs(_ node: Node?, _ declaration: Declaration, settings: Schema) -> [Permission] {
    var found: [Permission] = []
    let names = settings.fields.map(\.key)
    for (index, text) in strings(node).enumerated() {
      if let permission = Permission(text) {
        found.append(permission)
        if let name = permission.setting, case .table = settings.kind, !names.contains(name) {
          diagnostics.append(
            Diagnostic(
              "P0105", "permission `\(text)` is for the setting `\(name)`, which the plugin does not have",
              at: declaration.value([.key("needs"), .index(index)]),
              label: closest(to: name, among: names).map { "did you mean `\($0)`?" },
              help: "declare it in `config`"))
        }
      } else {
        diagnostics.append(
          Diagnostic(
            "P0105", "there is no permission `\(text)`", at: declaration.value([.key("needs"), .index(index)]),
            label: closest(to: text, among: Permission.doc.map(\.form)).map { "did you mean `\($0)`?" },
            help: "permissions: \(Permission.doc.map { "\($0.form) (\($0.doc))" }.joined(separator: "; "))"))
      }
    }
    return found
  }

  private mutating func uses(_ node: Node?, _ declaration: Declaration) -> [String] {
    let names = strings(node)
    for (index, name) in names.enumerated() where name == folder || !plugins.contains(name) {
      let near = closest(to: name, among: plugins.filter { $0 != folder })
      diagnostics.append(
        Diagnostic(
          "P0113", name == folder ? "a plugin does not use itself" : "there is no plugin `\(name)` to use",
          at: declaration.value([.key("uses"), .index(index)]),
          label: name == folder ? nil : near.map { "did you mean `\($0)`?" },
          help: name == folder
            ? "its own files are required by their names alone"
            : "the plugins folder has: "
              + plugins.filter { $0 != folder }.joined(separator: ", ")))
    }
    return names.filter { plugins.contains($0) }
  }

  private mutating func checkVersions(_ node: Node?, _ declaration: Declaration) {
    guard let versions = node?.value.arrayValue?.compactMap(\.intValue), !versions.isEmpty else { return }
    if PluginAPI.versions.isDisjoint(with: versions) {
      let spoken = PluginAPI.versions.sorted().map(String.init).joined(separator: ", ")
      diagnostics.append(
        Diagnostic(
          "P0106",
          "the plugin speaks API \(versions.map(String.init).joined(separator: ", ")), this host speaks \(spoken)",
          at: declaration.value([.key("api")]), help: "use a version of the plugin for this host"))
    }
  }

  private mutating func schema(_ key: String, _ declaration: Declaration) -> Schema {
    schema(key, in: declaration.body, declaration, at: [.key(key)])
  }

  private mutating func schema(_ key: String, in table: LuaTable, _ declaration: Declaration, at path: Path) -> Schema {
    guard let tree = table.fields[key] else { return Schema(.any) }
    var reader = SchemaReader(declaration)
    let schema = reader.schema(tree, at: path)
    diagnostics += reader.diagnostics
    return schema
  }
}
