import Model

/// The reference of installed plugins and of declarations, generated from what they declare, as Markdown.
public enum PluginDoc {
  public static func driver(_ driver: DriverDeclaration) -> String {
    var out = header("driver", driver.header)
    out += "\n## Provides\n\n"
    for capability in driver.provides.sorted() {
      out += "- `\(capability)`: \(Capability.known[capability]?.doc ?? "")\n"
    }
    out += "\n## Resource of its queues\n\n" + table(driver.resource)
    out += permissions(driver.header) + settings(driver.header)
    out += "\n## Handle\n\nversion \(driver.handleVersion)\n\n" + table(driver.handle)
    return out
  }

  public static func builder(_ builder: BuilderDeclaration) -> String {
    var out = header("builder", builder.header)
    out += "\nBuilds \(builder.builds.map(\.rawValue).sorted().joined(separator: ", ")) jobs"
    out += " for \(builder.targets.sorted().joined(separator: ", ")).\n"
    out += "\nA queue chooses it by `builder = \"\(builder.header.name)\"`.\n"
    return out + permissions(builder.header) + settings(builder.header)
  }

  public static func hook(_ hook: HookDeclaration) -> String {
    var out = header("hook", hook.header)
    out += "\nCalled on \(hook.events.map(\.rawValue).sorted().joined(separator: ", ")).\n"
    return out + permissions(hook.header) + settings(hook.header)
  }

  /// The keys of every declaration, the capabilities, the permissions and the codes.
  public static var reference: String {
    var out = "# Declarations\n"
    for declaration in Grammar.declarations {
      out += "\n## \(declaration.word)\n\n\(declaration.doc)\n\n" + table(declaration.schema)
    }
    out += "\n## Capabilities\n\n"
    for entry in Capability.registry { out += "- `\(entry.capability)`: \(entry.doc)\n" }
    out += "\n## Permissions\n\n"
    for row in Permission.doc { out += "- `\(row.form)`: \(row.doc)\n" }
    out += "\n## Macros\n\n" + Macro.names.map { "- `${\($0)}`\n" }.joined()
    out += "\n## Codes\n\n"
    for code in DiagnosticCode.all { out += "- `\(code.code)`: \(code.title)\n" }
    return out
  }

  /// One row a key, nested tables indented under theirs.
  static func table(_ schema: Schema, indent: String = "") -> String {
    guard case .table(let fields) = schema.kind else { return "\(indent)\(schema.text)\n" }
    if fields.isEmpty { return "\(indent)none\n" }
    var out = ""
    for field in fields {
      out += "\(indent)- `\(field.key)`: \(summary(field.schema))\n"
      if !field.schema.fields.isEmpty { out += table(field.schema, indent: indent + "  ") }
      if case .list(let item, _, _) = field.schema.kind, !item.fields.isEmpty {
        out += table(item, indent: indent + "  ")
      }
    }
    return out
  }

  private static func summary(_ schema: Schema) -> String {
    var out = schema.fields.isEmpty ? schema.text : "table"
    if case .list(let item, _, _) = schema.kind, !item.fields.isEmpty { out = "list of tables" }
    if schema.isRequired { out += ", required" }
    if let value = schema.defaultValue { out += ", \(value.json()) where left out" }
    if let capability = schema.implies { out += "; needs `\(capability)`" }
    if let doc = schema.doc { out += ". \(doc.prefix(1).uppercased())\(doc.dropFirst())" }
    return out
  }

  private static func header(_ kind: String, _ header: PluginHeader) -> String {
    "# \(kind) \(header.name) \(header.version)\n" + (header.doc.map { "\n\($0)\n" } ?? "")
  }

  private static func permissions(_ header: PluginHeader) -> String {
    "\n## Permissions\n\n"
      + (header.needs.isEmpty ? "none\n" : header.needs.map { "- `\($0.text)`\n" }.joined())
  }

  private static func settings(_ header: PluginHeader) -> String {
    "\n## Settings\n\n" + table(header.config)
  }
}
