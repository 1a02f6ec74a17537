import Agent
import FoundationEssentials
import Model
import Processes
import Scripting

/// Plugins brought to life for a moment, with a data folder that goes away.
struct PluginBench {
  private let scratch: Scratch
  private let host: PluginHost

  /// - Parameters:
  ///   - plugins: their folder.
  ///   - settings: the operator's, by plugin.
  ///   - startsNothing: programs are never started, so that what holds them need not be installed.
  ///   - log: takes what plugins write for the agent's log.
  init(
    plugins: String, settings: [String: Value] = [:], startsNothing: Bool, now: @escaping @Sendable () -> Double,
    log: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    scratch = try Scratch()
    let processes = try Processes(root: scratch.path + "/runs", shim: startsNothing ? "/bin/sh" : nil)
    host = PluginHost(
      plugins: plugins, data: scratch.path + "/plugins", owner: try Owner.id(of: scratch.path), settings: settings,
      processes: processes, environment: ProcessInfo.processInfo.environment, now: now, log: log)
  }

  /// The driver of one target alone, newly loaded; the others' code is not even read.
  func driver(of target: String, in configuration: Configuration) async throws -> LuaDriver? {
    var one = configuration
    one.drivers = configuration.drivers.filter { $0.key == target }
    return try await host.drivers(of: one).first
  }

  var folder: String { scratch.path }
}
