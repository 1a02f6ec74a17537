import Model
import Scripting

/// Calls hooks that are plugins, each as the newest good configuration has it.
public actor LuaHooks: HookCaller {
  private let host: PluginHost
  private let configuration: @Sendable () async -> Configuration
  /// Loaded hooks, with the text that each was loaded from: an edited one is loaded anew.
  private var loaded: [String: (text: String, hook: LuaHook)] = [:]

  public init(host: PluginHost, configuration: @escaping @Sendable () async -> Configuration) {
    self.host = host
    self.configuration = configuration
  }

  public func call(_ name: String, event: HookEvent, run: RunView) async throws {
    let configuration = await configuration()
    guard let declaration = configuration.hooks[name], declaration.events.contains(event) else { return }
    try await hook(name, configuration)?.call(event, run)
  }

  private func hook(_ name: String, _ configuration: Configuration) async throws -> LuaHook? {
    let files = configuration.sources.keys.filter { $0.contains("/\(name)/") }.sorted()
    let text = files.compactMap { configuration.sources[$0] }.joined(separator: "\0")
    if let known = loaded[name], known.text == text { return known.hook }
    guard let hook = try await host.hook(name, of: configuration) else { return nil }
    loaded[name] = (text, hook)
    return hook
  }
}
