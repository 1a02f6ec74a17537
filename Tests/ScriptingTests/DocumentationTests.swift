import Foundation
import Model
import Testing

@testable import Scripting

/// Queues and resources in the documentation are such as people may copy: they pass `check` with the plugins that ship.
struct DocumentationTests {
  private static let repository = GoldenTests.repository
  private static let pages: [String] = {
    let folder = "Sources/Scripting/Scripting.docc"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: repository.appending(path: folder).path)) ?? []
    // The reference is generated, and the driver that the tutorial writes does not ship.
    return names.filter { $0.hasSuffix(".md") && !["Reference.md", "WriteADriver.md"].contains($0) }.sorted().map {
      "\(folder)/\($0)"
    }
      + ["README.md"]
  }()

  /// Blocks of Lua that declare queues or resources, with a file for each and the resources of the blocks before it.
  private static func files(of page: String) throws -> [SourceFile] {
    let text = try String(contentsOf: repository.appending(path: page), encoding: .utf8)
    var files: [SourceFile] = []
    var shared = ""
    for (number, part) in text.components(separatedBy: "```lua\n").dropFirst().enumerated() {
      let block = part.components(separatedBy: "```")[0]
      let first = block.split(separator: "\n").first { !$0.hasPrefix("--") } ?? ""
      guard first.hasPrefix("queue \"") || first.hasPrefix("resource \"") else { continue }
      let name = "\(page) block \(number + 1)"
      files.append(SourceFile(path: name, name: name, text: shared + block))
      // What a page has declared, its later examples may extend.
      if !block.contains("\nqueue \""), !block.hasPrefix("queue \"") { shared += block + "\n" }
    }
    return files
  }

  @Test(arguments: pages) func examplesPassTheCheck(page: String) throws {
    let loader = ConfigurationLoader(queues: nil, plugins: Self.repository.appending(path: "plugins").path)
    for file in try Self.files(of: page) {
      let problems = loader.load(adding: [file]).diagnostics
      #expect(problems.isEmpty, "\(file.name): \(problems.map { "\($0.code) \($0.message)" })\n\(file.text)")
    }
  }

  @Test(arguments: ["docker", "kubernetes", "process", "sagemaker", "slurm", "vertex"])
  func everyTargetHasThreeExamples(target: String) throws {
    let loader = ConfigurationLoader(queues: nil, plugins: Self.repository.appending(path: "plugins").path)
    let queues = try Self.pages.flatMap { page in
      try Self.files(of: page).flatMap { loader.load(adding: [$0]).queues.values.filter { $0.target == target } }
    }
    #expect(queues.count >= 3, "\(target) has \(queues.count)")
  }

  /// The driver that the tutorial writes step by step is whole: its declaration, its functions, and a queue that uses it.
  @Test func theDriverOfTheTutorialPassesTheCheck() throws {
    let page = "Sources/Scripting/Scripting.docc/WriteADriver.md"
    let text = try String(contentsOf: Self.repository.appending(path: page), encoding: .utf8)
    let blocks = text.components(separatedBy: "```lua\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    try #require(blocks.count > 3)
    let (fixture, queue) = (blocks[blocks.count - 2], blocks[blocks.count - 1])
    let folder = FileManager.default.temporaryDirectory.appending(path: "tutorial-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let plugin = folder.appending(path: "spool")
    try FileManager.default.createDirectory(at: plugin, withIntermediateDirectories: true)
    try Data(blocks[0].utf8).write(to: plugin.appending(path: "plugin.lua"))
    let functions = blocks[1..<(blocks.count - 2)].joined(separator: "\n")
    try Data(functions.utf8).write(to: plugin.appending(path: "driver.lua"))
    let checked = ConfigurationLoader(queues: nil, plugins: folder.path)
      .load(adding: [SourceFile(path: "night.lua", name: "night.lua", text: queue)])
    #expect(checked.diagnostics.isEmpty, "\(checked.diagnostics.map { "\($0.code) \($0.message)" })")
    #expect(checked.drivers["spool"]?.provides.contains(.list) == true)
    #expect(try Fixture(reading: SourceFile(path: page, name: page, text: fixture)).secrets != nil)
  }
}
