import Lua
import Model

/// The functions of one plugin, in a state and on a thread of their own. Calls take turns while they compute; while they
/// wait, thousands do so at once.
final class LuaPlugin: Sendable {
  let name: String
  /// `driver`, `builder` or `hook`.
  let kind: String
  private let runner: LuaRunner
  private let functions: [String: LuaReference]
  private let host: HostFunctions
  /// First argument of every function: the operator's settings and the plugin's data folder.
  private let context: LuaTree

  /// Memory of one plugin; a driver's notes of ten thousand runs take a tenth of it.
  static let limits = LuaLimits(memoryBytes: 64 << 20)
  /// Seconds that one call may compute. A driver's call takes microseconds.
  static let computeSeconds = 2.0
  /// More than Lua gets through in a second here.
  static let instructionsPerSecond = 50_000_000.0

  /// Loads the plugin's functions, which were checked when the configuration was.
  init(
    kind: String, header: PluginHeader, source: SourceFile, settings: Value, services: HostServices
  ) async throws(DriverFailure) {
    name = header.name
    self.kind = kind
    context = [
      "config": LuaTree(settings), "data": .string(services.data), "plugin": .string(header.name),
      "owner": .string(services.owner),
    ]
    let permits = Permits(
      plugin: header.name, declared: header.needs, settings: settings, home: services.environment["HOME"] ?? "/")
    let host = HostFunctions(permits: permits, services: services)
    self.host = host
    let (folder, shown) = (parent(source.path), parent(source.name))
    do {
      let runner = try LuaRunner(sandbox: .run, limits: Self.limits)
      functions = try await runner.perform { state in
        let environment = try HostWords.environment(
          of: state, modules: PluginModules(folder: folder, shown: shown, uses: header.uses),
          functions: host.make(in: state))
        guard let table = try state.evaluate(source.text, chunk: "@" + source.name, environment: environment).first
        else { return [:] }
        return state.functions(of: table)
      }
      self.runner = runner
      host.runner.set(runner)
    } catch let error as LuaError {
      throw DriverFailure(.bug, "plugin `\(header.name)` cannot be loaded: \(error)")
    } catch {
      throw DriverFailure(.bug, "plugin `\(header.name)` cannot be loaded: \(error)")
    }
  }

  func call(
    _ function: String, _ arguments: [LuaValue], within seconds: Double,
    computing: Double = LuaPlugin.computeSeconds, context: CallContext = CallContext()
  ) async throws(DriverFailure) -> Answer {
    let title = "\(kind).\(function) of plugin `\(name)`"
    guard let reference = functions[function] else {
      throw DriverFailure(.unsupported, "\(title) is not there")
    }
    // Whatever way the call ends, it reads nothing any more.
    defer { context.streams.closeAll() }
    let budget = LuaBudget(
      instructions: Int64(computing * Self.instructionsPerSecond), seconds: computing, wallSeconds: seconds)
    var context = context
    context.budget = budget
    do {
      let all = [.tree(self.context)] + arguments
      let results = try await CallContext.$current.withValue(context) {
        try await runner.call(reference, all, budget: budget)
      }
      return Answer(function: title, results: results)
    } catch let error as LuaError {
      throw Self.failure(error, title)
    } catch {
      throw DriverFailure(.bug, "\(title): \(error)")
    }
  }

  /// Whether the host may read a log from `file` for the plugin.
  func owns(_ file: String) -> Bool { host.owns(file) }

  private static func failure(_ error: LuaError, _ title: String) -> DriverFailure {
    switch error.kind {
    case .cancelled: DriverFailure(.cancelled, "\(title) was cancelled", retry: .unknownEffect)
    case .time: DriverFailure(.timeout, "\(title) \(error.message)", detail: error.details, retry: .unknownEffect)
    default: DriverFailure(.bug, "\(title) raised: \(error)", detail: error.details, retry: .unknownEffect)
    }
  }

  /// A Swift value as a document for Lua.
  static func document(_ value: some Encodable) throws(DriverFailure) -> Value {
    do {
      return try Value(encoding: value)
    } catch {
      throw DriverFailure(.bug, "a request cannot be encoded: \(error)")
    }
  }
}
