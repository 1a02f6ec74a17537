import FoundationEssentials
import Glibc
import Testing

@testable import Server

struct FileWatchTests {
  /// Changes a folder, and waits until the watch tells of it.
  private func told(_ folder: String, _ change: () throws -> Void) async throws -> Bool {
    let count = Counter()
    let watch = try #require(FileWatch([folder]) { count.add() })
    defer { watch.stop() }
    try change()
    for _ in 0..<600 where count.value == 0 { try await Task.sleep(for: .milliseconds(10)) }
    return count.value > 0
  }

  private func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = try TestAPI.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
  }

  private func write(_ path: String, _ text: String = "x") throws { try Data(text.utf8).write(to: URL(filePath: path)) }

  @Test func aFileThatIsWrittenIsToldOf() async throws {
    try await withFolder { (folder) async throws -> Void in
      try write("\(folder)/a.lua")
      #expect(try await told(folder) { try write("\(folder)/a.lua", "y") })
      #expect(try await told(folder) { unlink("\(folder)/a.lua") })
    }
  }

  @Test func aFileThatTakesTheNameOfAnotherIsToldOf() async throws {
    try await withFolder { (folder) async throws -> Void in
      try write("\(folder)/a.lua")
      try write("/\(folder)/.a.swp")
      #expect(try await told(folder) { rename("\(folder)/.a.swp", "\(folder)/a.lua") })
    }
  }

  @Test func foldersInsideAreWatchedAlsoWhereTheyCameLater() async throws {
    try await withFolder { (folder) async throws -> Void in
      let count = Counter()
      let watch = try #require(FileWatch([folder]) { count.add() })
      defer { watch.stop() }
      mkdir("\(folder)/plugin", 0o700)
      for _ in 0..<600 where count.value == 0 { try await Task.sleep(for: .milliseconds(10)) }
      let before = count.value
      #expect(before > 0)
      try write("\(folder)/plugin/plugin.lua")
      for _ in 0..<600 where count.value == before { try await Task.sleep(for: .milliseconds(10)) }
      #expect(count.value > before)
    }
  }

  @Test func aFolderThatIsNotThereYetIsWaitedFor() async throws {
    try await withFolder { (folder) async throws -> Void in
      #expect(try await told("\(folder)/queues.d") { mkdir("\(folder)/queues.d", 0o700) })
    }
  }

  @Test func manyWritesAreToldOfOnce() async throws {
    try await withFolder { (folder) async throws -> Void in
      let count = Counter()
      let watch = try #require(FileWatch([folder]) { count.add() })
      defer { watch.stop() }
      for index in 0..<200 { try write("\(folder)/\(index).lua") }
      for _ in 0..<600 where count.value == 0 { try await Task.sleep(for: .milliseconds(10)) }
      #expect(count.value == 1)
    }
  }
}
