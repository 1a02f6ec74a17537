import FoundationEssentials
import Lua
import Model
import Processes
import Synchronization
import Testing

@testable import Scripting

/// One plugin whose functions a test writes, on a folder of its own.
final class PluginBed: Sendable {
  let root: URL
  let plugin: LuaPlugin
  let logged: Lines

  final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
  }

  /// - Parameters:
  ///   - function: the name of the plugin's function.
  ///   - act: body of the function, which is called with the context and its arguments.
  ///   - files: more files of the plugin's folder, by path.
  init(
    needs: [String] = [], uses: [String] = [], settings: Value = [:], environment: [String: String] = [:],
    files: [String: String] = [:], function: String = "act",
    _ act: String
  ) async throws {
    root = FileManager.default.temporaryDirectory.appending(path: "bed-\(UUID().uuidString)")
    let folder = root.appending(path: "plugins/bed")
    for (path, text) in files {
      let file = folder.appending(path: path)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    let data = root.appending(path: "data").path
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    let lines = Lines()
    logged = lines
    let services = HostServices(
      processes: try Processes(root: root.appending(path: "held").path), data: data, owner: "tester00",
      environment: environment, now: { 1_000_000 }, log: { lines.add($0) })
    let header = PluginHeader(
      name: "bed", version: "1.0.0", needs: try needs.map { try #require(Permission($0)) }, uses: uses,
      config: Schema(.any), place: Place(file: "plugin.lua", line: 1))
    plugin = try await LuaPlugin(
      kind: "driver", header: header,
      source: SourceFile(
        path: folder.appending(path: "driver.lua").path, name: "plugins/bed/driver.lua",
        text: "return { \(function) = function(ctx, ...)\n\(act)\nend }"),
      settings: settings, services: services)
  }

  deinit { try? FileManager.default.removeItem(at: root) }

  /// What the function answered, or the failure that it answered or raised.
  func act(
    _ arguments: LuaValue..., within seconds: Double = 20, secrets: [String: String] = [:]
  ) async throws(DriverFailure) -> LuaTree {
    var known: [String: Secret] = [:]
    for (name, text) in secrets { known[name] = Secret(name: name, text: text) }
    return try await plugin.call("act", arguments, within: seconds, context: CallContext(secrets: known)).first()
  }

  func failure(
    _ arguments: LuaValue..., within seconds: Double = 20, secrets: [String: String] = [:]
  ) async -> DriverFailure? {
    var known: [String: Secret] = [:]
    for (name, text) in secrets { known[name] = Secret(name: name, text: text) }
    do throws(DriverFailure) {
      _ = try await plugin.call("act", arguments, within: seconds, context: CallContext(secrets: known)).first()
      return nil
    } catch {
      return error
    }
  }
}
