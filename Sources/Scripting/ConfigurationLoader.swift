import Lua
import Model

/// Reads a whole configuration from its folders: all queues and all plugins, with every problem of every file.
///
/// Nothing is half taken: the caller decides by `hasErrors` whether the result goes into service.
public struct ConfigurationLoader: Sendable {
  /// Folder of queue files; nil where there is none (an agent needs only plugins).
  public var queues: String?
  public var plugins: String?

  public init(queues: String?, plugins: String?) {
    self.queues = queues
    self.plugins = plugins
  }

  public func load() -> Configuration {
    var pass = Pass()
    if let plugins { pass.readPlugins(in: plugins) }
    if let queues { pass.readQueues(in: queues) }
    return pass.finish()
  }

  /// The same for queue files that are given as text, beside the plugins of the folder: for queues made through the API.
  public func load(adding files: [SourceFile]) -> Configuration {
    var pass = Pass()
    if let plugins { pass.readPlugins(in: plugins) }
    if let queues { pass.readQueues(in: queues) }
    for file in files { pass.readQueue(file) }
    return pass.finish()
  }
}

/// One reading of all files.
private struct Pass {
  var configuration = Configuration()
  var diagnostics: [Diagnostic] = []
  var queues: [DeclaredQueue] = []
  let reader = DeclarationReader()

  mutating func readQueues(in folder: String) {
    let shown = lastPart(folder)
    guard let names = SourceFile.names(in: folder, where: { $0.hasSuffix(".lua") }) else {
      diagnostics.append(
        Diagnostic(
          "C0004", "the queues folder `\(folder)` cannot be listed",
          help: "make it, or name another: --queues DIR"))
      return
    }
    for name in names {
      switch SourceFile.read("\(folder)/\(name)", as: "\(shown)/\(name)") {
      case .success(let file): readQueue(file)
      case .failure(let problem): diagnostics.append(problem)
      }
    }
  }

  mutating func readQueue(_ file: SourceFile) {
    configuration.sources[file.name] = file.text
    let result = reader.read(file)
    diagnostics += result.diagnostics
    var queueReader = QueueReader()
    for declaration in result.declarations {
      switch declaration.word {
      case "queue":
        if let queue = queueReader.queue(declaration) { queues.append(queue) }
      case "resource": add(queueReader.resource(declaration))
      default: misplaced(declaration, belongs: "in plugin.lua of a plugin's folder")
      }
    }
    diagnostics += queueReader.diagnostics
    if result.declarations.isEmpty && result.diagnostics.isEmpty {
      diagnostics.append(
        Diagnostic(
          "C0006", "`\(file.name)` declares nothing", severity: .warning, at: Place(file: file.name, line: 1),
          help: "declare a queue: queue \"name\" { target = \"process\" }"))
    }
  }

  private mutating func misplaced(_ declaration: Declaration, belongs: String) {
    diagnostics.append(
      Diagnostic(
        "C0005", "\(declaration.title) does not belong in this file", at: declaration.place,
        help: "a \(declaration.word) stands \(belongs)"))
  }

  private mutating func add(_ resource: SharedResource?) {
    guard let resource else { return }
    if let first = configuration.resources[resource.name] {
      diagnostics.append(
        Diagnostic(
          "C0010", "resource config `\(resource.name)` is declared twice", at: resource.place,
          because: .init(first.place, "first declared here"), help: "rename one of them"))
      return
    }
    configuration.resources[resource.name] = resource
  }

  mutating func readPlugins(in folder: String) {
    let shown = lastPart(folder)
    guard let names = SourceFile.names(in: folder, where: { SourceFile.isFolder("\(folder)/\($0)") }) else {
      diagnostics.append(
        Diagnostic(
          "C0004", "the plugins folder `\(folder)` cannot be listed", help: "make it, or name another: --plugins DIR"))
      return
    }
    for name in names { readPlugin("\(folder)/\(name)", shown: "\(shown)/\(name)", name: name, among: names) }
  }

  private mutating func readPlugin(_ folder: String, shown: String, name: String, among names: [String]) {
    let path = "\(folder)/plugin.lua"
    guard SourceFile.exists(path) else {
      diagnostics.append(
        Diagnostic(
          "P0101", "`\(shown)` has no plugin.lua, so it is no plugin", at: Place(file: "\(shown)/plugin.lua", line: 1),
          help: "lunaport plugin new \(name) makes one"))
      return
    }
    let file: SourceFile
    switch SourceFile.read(path, as: "\(shown)/plugin.lua") {
    case .success(let read): file = read
    case .failure(let problem):
      diagnostics.append(problem)
      return
    }
    configuration.sources[file.name] = file.text
    addModules(of: folder, shown: shown, depth: 0)
    let result = reader.read(file)
    diagnostics += result.diagnostics
    var queueReader = QueueReader()
    let resources = result.declarations.filter { $0.word == "resource" }
    for declaration in resources { add(queueReader.resource(declaration)) }
    diagnostics += queueReader.diagnostics
    let plugins = result.declarations.filter { ["driver", "builder", "hook"].contains($0.word) }
    for declaration in result.declarations where declaration.word == "queue" {
      misplaced(declaration, belongs: "in the queues folder")
    }
    if plugins.count == 1 {
      read(plugins[0], folder: folder, shown: shown, name: name, among: names)
    } else if plugins.count > 1 {
      diagnostics.append(
        Diagnostic(
          "P0102", "`\(file.name)` declares \(plugins.count) plugins", at: plugins[1].place,
          because: .init(plugins[0].place, "the first one"), help: "give each a folder of its own"))
    } else if resources.isEmpty && result.diagnostics.isEmpty {
      diagnostics.append(
        Diagnostic(
          "P0102", "`\(file.name)` declares no plugin", at: Place(file: file.name, line: 1),
          help: "return driver { ... }, builder { ... } or hook { ... }"))
    }
  }

  /// Folders below each other that a plugin's files may lie in.
  private static let foldersDepth = 4

  /// Adds the texts of a plugin's other files. They are run where they are required; here an edit of one makes another
  /// generation, and what is wrong in one can be shown.
  private mutating func addModules(of folder: String, shown: String, depth: Int) {
    for name in SourceFile.names(in: folder, where: { $0 != "plugin.lua" && $0 != "spec" }) ?? [] {
      let path = "\(folder)/\(name)"
      if SourceFile.isFolder(path) {
        if depth < Self.foldersDepth { addModules(of: path, shown: "\(shown)/\(name)", depth: depth + 1) }
      } else if name.hasSuffix(".lua"), case .success(let file) = SourceFile.read(path, as: "\(shown)/\(name)") {
        configuration.sources[file.name] = file.text
      }
    }
  }

  private mutating func read(
    _ declaration: Declaration, folder: String, shown: String, name: String, among names: [String]
  ) {
    var pluginReader = PluginReader(folder: name, among: names)
    var uses: [String] = []
    var provides: Set<Capability>?
    switch declaration.word {
    case "driver":
      let driver = pluginReader.driver(declaration)
      if let driver {
        configuration.drivers[driver.target] = driver
        provides = driver.provides
        uses = driver.header.uses
      }
    case "builder":
      if let builder = pluginReader.builder(declaration) {
        configuration.builders[builder.header.name] = builder
        uses = builder.header.uses
      }
    default:
      if let hook = pluginReader.hook(declaration) {
        configuration.hooks[hook.header.name] = hook
        uses = hook.header.uses
      }
    }
    diagnostics += pluginReader.diagnostics
    let functions = PluginFunctions(kind: declaration.word, folder: folder, shown: shown, uses: uses)
    let (problems, source) = functions.check(declaration, provides: provides)
    if let source { configuration.sources[source.name] = source.text }
    diagnostics += problems
  }

  mutating func finish() -> Configuration {
    var resolver = Resolver(configuration)
    resolver.resolve(queues)
    configuration = resolver.configuration
    // Two readers may see the same mistake (a shared config used by ten queues); people read it once.
    var seen: Set<Diagnostic> = []
    // Without plugins no queue has a driver, which is no news of any of them.
    let isBlind = configuration.drivers.isEmpty && diagnostics.contains { $0.code == "C0004" }
    configuration.diagnostics = (diagnostics + resolver.diagnostics.filter { !isBlind || $0.code != "C0013" })
      .filter { seen.insert($0).inserted }
      .sorted { a, b in
        let first = a.place ?? Place(file: "", line: 0)
        let second = b.place ?? Place(file: "", line: 0)
        return first == second ? a.code < b.code : first < second
      }
    return configuration
  }
}
