import FoundationEssentials
import Model
import Processes
import Scripting
import Server
import Synchronization

/// Calls the hooks of the configuration in service.
///
/// Their plugins are brought to life when they are first called, and again once their files have changed.
final class PluginHooks: HookCaller {
  private struct State {
    var configuration = Configuration()
    /// Of the files of the hooks, to tell when they have changed.
    var files: [String: String] = [:]
    var living: Task<[String: LuaHook], any Error>?
  }

  private let plugins: String
  private let data: String
  private let now: @Sendable () -> Double
  private let log: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// - Parameter data: the server's data folder.
  init(
    plugins: String, data: String, now: @escaping @Sendable () -> Double, log: @escaping @Sendable (String) -> Void
  ) {
    self.plugins = plugins
    self.data = data
    self.now = now
    self.log = log
  }

  /// Takes a reading of the files; one with errors changes nothing.
  func take(_ configuration: Configuration) {
    guard !configuration.hasErrors else { return }
    let names = Set(configuration.hooks.keys)
    let files = configuration.sources.filter { file in
      names.contains(String(file.key.split(separator: "/").dropFirst().first ?? ""))
    }
    state.withLock { state in
      if files != state.files { state.living = nil }
      state.files = files
      state.configuration = configuration
    }
  }

  func call(_ hook: String, event: HookEvent, run: RunView) async throws {
    let living = state.withLock { state in
      if let living = state.living { return living }
      let configuration = state.configuration
      let living = Task { try await self.start(configuration) }
      state.living = living
      return living
    }
    try await living.value[hook]?.call(event, run)
  }

  private func start(_ configuration: Configuration) async throws -> [String: LuaHook] {
    let data = Disk.resolved(data)
    let host = PluginHost(
      plugins: plugins, data: "\(data)/hooks", owner: "hooks", processes: try Processes(root: "\(data)/hooks/runs"),
      environment: ProcessInfo.processInfo.environment, now: now, log: log)
    return try await host.hooks(of: configuration)
  }
}
