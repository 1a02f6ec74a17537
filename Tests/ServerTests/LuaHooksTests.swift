import FoundationEssentials
import Model
import Processes
import Scripting
import Testing

@testable import Server

struct LuaHooksTests {
  static func run() -> RunView {
    let spec = RunSpec(
      job: nil, source: Source(kind: .code, entryPoint: ["x"]), overrides: Overrides(), target: "process",
      resource: [:],
      needs: [], timeout: nil, grace: 1, retriesLost: false, generation: 1)
    return RunView(
      Run(
        id: "abcd1234", name: "calm-lake-1", entity: "e", project: "p", queue: QueueID(entity: "e", name: "q"),
        spec: spec, author: "ana", createdAt: 0), served: true, now: 1)
  }

  @Test func aHookIsCalledOnTheEventsItWantsAndAnEditedOneIsLoadedAnew() async throws {
    let root = FileManager.default.temporaryDirectory.appending(path: "hooks-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let folder = root.appending(path: "plugins/note")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data(
      """
      return hook { name = "note", version = "1.0.0", api = { 1 }, on = { "failed" }, needs = { "files" } }
      """.utf8
    ).write(to: folder.appending(path: "plugin.lua"))
    func functions(_ word: String) throws {
      try Data(
        """
        return { run = function(_, event, run) host.files.write("seen", "\(word) " .. event .. " " .. run.name) end }
        """.utf8
      ).write(to: folder.appending(path: "hook.lua"))
    }
    func seen() -> String? {
      try? String(decoding: Data(contentsOf: root.appending(path: "data/note/seen")), as: UTF8.self)
    }
    let plugins = root.appending(path: "plugins").path
    let host = PluginHost(
      plugins: plugins, data: root.appending(path: "data").path,
      processes: try Processes(root: root.appending(path: "held").path), environment: [:], now: { 0 }, log: { _ in })
    let hooks = LuaHooks(host: host) { ConfigurationLoader(queues: nil, plugins: plugins).load() }

    try functions("first")
    try await hooks.call("note", event: .finished, run: Self.run())
    #expect(seen() == nil)
    try await hooks.call("note", event: .failed, run: Self.run())
    #expect(seen() == "first failed calm-lake-1")
    try functions("second")
    try await hooks.call("note", event: .failed, run: Self.run())
    #expect(seen() == "second failed calm-lake-1")
    try await hooks.call("gone", event: .failed, run: Self.run())
  }
}
