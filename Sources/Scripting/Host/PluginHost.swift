import Model
import Processes

/// Brings the plugins of a configuration to life on an agent's machine.
public struct PluginHost: Sendable {
  /// The configuration's plugins folder.
  public var plugins: String
  /// Folder with a folder of its own for each plugin.
  public var data: String
  /// Labels what drivers start, so that what others have started is left alone.
  public var owner: String
  /// The operator's settings, by plugin.
  public var settings: [String: Value]
  public var processes: Processes
  public var environment: [String: String]
  public var now: @Sendable () -> Double
  public var log: @Sendable (String) -> Void

  public init(
    plugins: String, data: String, owner: String, settings: [String: Value] = [:], processes: Processes,
    environment: [String: String], now: @escaping @Sendable () -> Double, log: @escaping @Sendable (String) -> Void
  ) {
    self.plugins = plugins
    self.data = data
    self.owner = owner
    self.settings = settings
    self.processes = processes
    self.environment = environment
    self.now = now
    self.log = log
  }

  /// All drivers of `configuration`, sorted by target. Throws where settings do not fit or a plugin cannot be loaded.
  public func drivers(of configuration: Configuration) async throws -> [LuaDriver] {
    var drivers: [LuaDriver] = []
    for declaration in configuration.drivers.values.sorted(by: { $0.target < $1.target }) {
      drivers.append(LuaDriver(declaration: declaration, plugin: try await plugin("driver", declaration.header)))
    }
    return drivers
  }

  public func builders(of configuration: Configuration) async throws -> [LuaBuilder] {
    var builders: [LuaBuilder] = []
    for declaration in configuration.builders.values.sorted(by: { $0.header.name < $1.header.name }) {
      builders.append(LuaBuilder(declaration: declaration, plugin: try await plugin("builder", declaration.header)))
    }
    return builders
  }

  public func hooks(of configuration: Configuration) async throws -> [String: LuaHook] {
    var hooks: [String: LuaHook] = [:]
    for (name, declaration) in configuration.hooks {
      hooks[name] = LuaHook(declaration: declaration, plugin: try await plugin("hook", declaration.header))
    }
    return hooks
  }

  private func plugin(_ kind: String, _ header: PluginHeader) async throws -> LuaPlugin {
    let shown = "\(lastPart(plugins))/\(header.name)/\(kind).lua"
    let source = try SourceFile.read("\(plugins)/\(header.name)/\(kind).lua", as: shown).get()
    let folder = "\(data)/\(header.name)"
    try Disk.makeFolder(folder)
    let services = HostServices(
      processes: processes, data: folder, owner: owner, environment: environment,
      commandMark: kind == "builder" ? processes.root : nil, now: now, log: log)
    return try await LuaPlugin(
      kind: kind, header: header, source: source, settings: try settings(of: header), services: services)
  }

  /// The operator's settings of a plugin, with its defaults; throws what does not fit.
  private func settings(of header: PluginHeader) throws(Diagnostic) -> Value {
    let origin = Origin(.driver(header.name))
    let node = Node(settings[header.name] ?? .object([:]), origin).withDefaults(of: header.config, driver: header.name)
    if let misfit = header.config.misfits(of: node).first {
      throw Diagnostic(
        "P0112", "the settings of plugin `\(header.name)` do not fit: `\(misfit.path.text)`: \(misfit.sentence)",
        at: header.place, help: "lunaport plugin doc \(header.name) lists them")
    }
    return node.value
  }
}
