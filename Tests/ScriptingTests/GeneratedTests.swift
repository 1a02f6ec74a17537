import FoundationEssentials
import Model
import Testing

@testable import Scripting

/// What is generated from the code and kept in the repository must be what the code generates now. `UPDATE_GOLDEN=1`
/// rewrites it.
struct GeneratedTests {
  static func configuration() -> Configuration {
    ConfigurationLoader(queues: nil, plugins: GoldenTests.repository.appending(path: "plugins").path).load()
  }

  static let files: [(path: String, text: @Sendable () -> String)] = [
    (".luals/lunaport.lua", { LuaTypes.declarations(drivers: Array(configuration().drivers.values)) }),
    (".luals/host.lua", { LuaTypes.host }),
    ("Sources/Scripting/Scripting.docc/Reference.md", { PluginDoc.reference }),
  ]

  @Test(arguments: files.indices) func isFresh(index: Int) throws {
    let (path, text) = Self.files[index]
    let file = GoldenTests.repository.appending(path: path)
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text().utf8).write(to: file)
    }
    let kept = try String(decoding: Data(contentsOf: file), as: UTF8.self)
    #expect(kept == text(), "\(path) is stale: run the tests with UPDATE_GOLDEN=1")
  }

  @Test func everyHostFunctionIsAnnotatedAndNoOther() {
    let annotated = LuaTypes.host.split(separator: "\n").filter { $0.hasPrefix("function host.") }.map { line in
      String(line.dropFirst("function host.".count).prefix { $0 != "(" })
    }
    // A table that can be called.
    #expect(LuaTypes.host.contains("---@overload fun(request: Request): Answer?, Failure?\nhost.http = {}\n"))
    #expect((annotated + ["http"]).sorted() == HostWords.names.sorted())
  }

  @Test func everyWordIsInTheAnnotations() {
    let text = LuaTypes.declarations(drivers: [])
    for word in Vocabulary.words where !["agent", "string", "table", "null"].contains(word) {
      #expect(text.contains("function \(word)("), "\(word)")
    }
  }
}
