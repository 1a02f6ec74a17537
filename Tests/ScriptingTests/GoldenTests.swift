import FoundationEssentials
import Model
import Testing

@testable import Scripting

/// One file a mistake: the input's files, and behind `-- output --` exactly what `check` says. `UPDATE_GOLDEN=1`
/// rewrites the outputs, to be read before they are committed.
struct GoldenTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
  static let repository = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let names: [String] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".txt") }.sorted()
  }()

  @Test func thereAreAtLeastFortyMistakes() { #expect(Self.names.count >= 40) }

  /// People are told codes by all parts of the program, and `check --explain` knows each of them.
  @Test func everyCodeHasAPageAndEveryPageACode() throws {
    let pages = DiagnosticCode.all + DiagnosticCode.requests
    #expect(Set(pages.map(\.code)).count == pages.count)
    #expect(pages.allSatisfy { !$0.text.isEmpty && $0.page.hasPrefix($0.code) })
    var used: Set<String> = []
    let sources = Self.repository.appending(path: "Sources")
    for case let file as URL in FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil) ?? .init()
    where file.pathExtension == "swift" && !file.lastPathComponent.hasPrefix("DiagnosticCode") {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: #/"([A-Z]\d{4})"/#) { used.insert(String(match.1)) }
    }
    #expect(used.subtracting(pages.map(\.code)).sorted() == [], "codes without a page")
    #expect(Set(pages.map(\.code)).subtracting(used).sorted() == [], "pages that nothing leads to")
  }

  @Test(arguments: names) func saysExactly(name: String) async throws {
    let path = Self.folder.appending(path: name)
    let archive = try Archive(String(decoding: Data(contentsOf: path), as: UTF8.self))
    let root = FileManager.default.temporaryDirectory.appending(path: "golden-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let plugins = root.appending(path: "plugins")
    try FileManager.default.createDirectory(at: plugins, withIntermediateDirectories: true)
    try FileManager.default.createDirectory(at: root.appending(path: "queues.d"), withIntermediateDirectories: true)
    for plugin in ["process", "mock"] {
      try FileManager.default.copyItem(
        at: Self.repository.appending(path: "plugins/\(plugin)"), to: plugins.appending(path: plugin))
    }
    for file in archive.files {
      let target = root.appending(path: file.name)
      try FileManager.default.createDirectory(
        at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(file.bytes).write(to: target)
    }
    let configuration = ConfigurationLoader(
      queues: root.appending(path: "queues.d").path, plugins: plugins.path
    ).load()
    let output = CheckReport(configuration).render(.human)
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try Data((archive.input + "-- output --\n" + output).utf8).write(to: path)
    } else {
      #expect(output == archive.output)
    }
    for diagnostic in configuration.diagnostics {
      #expect(DiagnosticCode.named(diagnostic.code) != nil, "\(diagnostic.code) has no page")
    }
  }
}

/// Files in one text, each behind a line `-- name --`; a name that ends in ` (latin-1)` has its `\xNN` turned into bytes.
struct Archive {
  var files: [(name: String, bytes: [UInt8])] = []
  var input = ""
  var output = ""

  init(_ text: String) throws {
    var name: String?
    var body = ""
    func flush(_ archive: inout Archive) {
      guard let name, name != "output" else { return }
      if name.hasSuffix(" (latin-1)") {
        archive.files.append((String(name.dropLast(10)), Archive.latin(body)))
      } else {
        archive.files.append((name, Array(body.utf8)))
      }
    }
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("-- "), line.hasSuffix(" --"), line.count > 6 {
        flush(&self)
        name = String(line.dropFirst(3).dropLast(3))
        body = ""
        if name != "output" { input += line + "\n" }
      } else if name == "output" {
        output += line + "\n"
      } else {
        body += line + "\n"
        input += line + "\n"
      }
    }
    // The last line break is the file's own, not one more line.
    if body.hasSuffix("\n") { body.removeLast() }
    if output.isEmpty, input.hasSuffix("\n") {
      input.removeLast()
    } else if output.hasSuffix("\n") {
      output.removeLast()
    }
    flush(&self)
  }

  private static func latin(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let first = rest.first {
      if first == UInt8(ascii: "\\"), rest.count >= 4, rest[rest.startIndex + 1] == UInt8(ascii: "x"),
        let byte = UInt8(String(decoding: rest.dropFirst(2).prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(byte)
        rest = rest.dropFirst(4)
      } else {
        bytes.append(first)
        rest = rest.dropFirst()
      }
    }
    return bytes
  }
}
