import Arguments
import Model
import Scripting

extension Lunaport {
  var pluginCommand: Command {
    Command(
      "plugin", "Look at plugins, try them, begin new ones.",
      subcommands: [pluginList, pluginNew, pluginDoc, pluginTest, pluginTypes])
  }

  private var pluginList: Command {
    Command("list", "List the plugins of a folder.") { declare in
      let plugins = ConfigurationOptions.plugins(&declare)
      let json = declare.json()
      return { values, console in
        let configuration = try ConfigurationOptions.load(queues: nil, plugins: values[plugins])
        let rows = configuration.pluginRows
        if values[json] {
          try console.print(
            Value.array(
              rows.map {
                [
                  "kind": .string($0.kind), "name": .string($0.header.name), "version": .string($0.header.version),
                  "doc": $0.header.doc.map(Value.string) ?? .null, "provides": .array($0.provides.map(Value.string)),
                  "needs": .array($0.header.needs.map { .string($0.text) }),
                ]
              }
            ).json(pretty: true))
          return .ok
        }
        var table = Table([.init("NAME"), .init("KIND"), .init("VERSION"), .init("PROVIDES")])
        for row in rows {
          table.append([
            .init(row.header.name, .bold), .init(row.kind), .init(row.header.version),
            .init(row.provides.joined(separator: ", ")),
          ])
        }
        try console.print(table, ifEmpty: "no plugins in \(values[plugins])")
        return .ok
      }
    }
  }

  private var pluginNew: Command {
    Command(
      "new", "Begin a plugin, with files that work as they are.",
      discussion: "  lunaport plugin new mycluster\n  lunaport plugin new mybuilder --kind builder"
    ) { declare in
      let name = declare.argument(
        "name", .string, help: "The plugin's name, which is its folder's and its target's too.")
      let kind = declare.option(
        "kind", .choice(of: PluginScaffold.Kind.self), default: .driver, help: "What it is.")
      let plugins = ConfigurationOptions.plugins(&declare)
      return { values, console in
        if let problem = Name.problem(with: values[name]) { throw UsageError("The name '\(values[name])' \(problem).") }
        let folder = "\(values[plugins])/\(values[name])"
        guard !LocalFile.exists(folder) else {
          throw LocalFailure("\(folder) is there already", hint: "choose another name")
        }
        for file in PluginScaffold.files(values[kind], name: values[name]) {
          try LocalFile.write(Array(file.text.utf8), to: "\(folder)/\(file.path)")
          try console.print("\(folder)/\(file.path)")
        }
        console.report("check it: lunaport check --plugins \(values[plugins])")
        return .ok
      }
    }
  }

  private var pluginDoc: Command {
    Command(
      "doc", "Print what a plugin takes and provides, or what declarations may say.",
      discussion: """
        Without a name it is the reference of all declarations, capabilities, permissions and codes, as Markdown.

          lunaport plugin doc kubernetes
        """
    ) { declare in
      let name = declare.optionalArgument("plugin", .name(from: "plugins"), help: "The plugin's name.")
      let plugins = ConfigurationOptions.plugins(&declare)
      return { values, console in
        guard let name = values[name] else {
          try console.print(withoutLastNewline(PluginDoc.reference))
          return .ok
        }
        let configuration = try ConfigurationOptions.load(queues: nil, plugins: values[plugins])
        let page =
          configuration.drivers[name].map(PluginDoc.driver) ?? configuration.builders[name].map(PluginDoc.builder)
          ?? configuration.hooks[name].map(PluginDoc.hook)
        guard let page else {
          let known = configuration.pluginRows.map(\.header.name)
          throw LocalFailure(
            "there is no plugin \(name) in \(values[plugins])",
            hint: closest(to: name, among: known).map { "did you mean \($0)?" }
              ?? "plugins: \(known.joined(separator: ", "))")
        }
        try console.print(withoutLastNewline(page))
        return .ok
      }
    }
  }

  private var pluginTypes: Command {
    Command(
      "types", "Print types for editors, so that they complete and check queue files and plugins.",
      discussion: """
        The text is for the Lua language server. Put it where the server finds it, and print it anew after a plugin has \
        changed:

          lunaport plugin types --output types/lunaport.lua
        """
    ) { declare in
      let plugins = ConfigurationOptions.plugins(&declare)
      let output = declare.option("output", short: "o", .file, help: "Write to this file.")
      let check = declare.flag(
        "check", help: "Only say whether the file of --output is up to date; exit code 1 if not.")
      return { values, console in
        let configuration = try ConfigurationOptions.load(queues: nil, plugins: values[plugins])
        let text = LuaTypes.declarations(drivers: Array(configuration.drivers.values))
        guard let path = values[output] else {
          if values[check] { throw UsageError("'--check' needs '--output <output>'.") }
          try console.write(Array(text.utf8))
          return .ok
        }
        if values[check] {
          let isFresh = try LocalFile.read(path, ifMissing: nil) == Array(text.utf8)
          console.report("\(path) is \(isFresh ? "up to date" : "stale: lunaport plugin types --output \(path)")")
          return isFresh ? .ok : .findings
        }
        try LocalFile.write(Array(text.utf8), to: path)
        return .ok
      }
    }
  }
}

extension Configuration {
  /// Its plugins by name.
  var pluginRows: [(kind: String, header: PluginHeader, provides: [String])] {
    var rows: [(kind: String, header: PluginHeader, provides: [String])] = []
    rows += drivers.values.map { ("driver", $0.header, $0.provides.sorted().map(\.rawValue)) }
    rows += builders.values.map { builder in
      let sources = builder.builds.map(\.rawValue).sorted().joined(separator: ", ")
      return ("builder", builder.header, ["\(sources) for \(builder.targets.sorted().joined(separator: ", "))"])
    }
    rows += hooks.values.map { ("hook", $0.header, $0.events.map(\.rawValue).sorted()) }
    return rows.sorted { ($0.header.name, $0.kind) < ($1.header.name, $1.kind) }
  }
}
