import FoundationEssentials
import Model
import Testing

@testable import Storage

@Suite struct SchemaTests {
  /// `Schemas/N.sql` is the whole schema as release N left it, with some rows. A file is added with every step and never
  /// changed.
  private static func released(_ version: Int) throws -> String {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
    return try String(contentsOf: folder.appending(path: "Schemas/\(version).sql"), encoding: .utf8)
  }

  private static func tables(_ connection: Connection) throws -> [String] {
    try connection.all("SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name") { $0.text(0) }
  }

  @Test func aNewStoreHasTheSchemaOfTheNewestRelease() throws {
    let fresh = try Connection(path: ":memory:", mode: .memory)
    try Schema.migrate(fresh, path: "memory")
    let old = try Connection(path: ":memory:", mode: .memory)
    try old.script(SchemaTests.released(Schema.version))
    #expect(try SchemaTests.tables(fresh) == SchemaTests.tables(old))
  }

  @Test(arguments: 1...Schema.version)
  func aStoreOfEveryReleaseIsBroughtForwardWithAllThatIsInIt(version: Int) async throws {
    let folder = TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    try Connection(path: "\(folder.path)/\(SQLiteStore.fileName)", mode: .readWrite)
      .script(SchemaTests.released(version))
    let store = try SQLiteStore(folder: folder.path)
    #expect(try await store.check().isEmpty)
    let runs = try await store.runs(RunFilter(), after: nil, limit: 10).items
    #expect(runs.map(\.id) == ["second00", "first000"])
    #expect(runs.map(\.state) == [.queued, .succeeded])
    #expect(runs[1].spec == spec(needs: [need("process")]))
    #expect(try await store.account("ann")?.entities == ["research"])
    let job = try #require(JobReference("train"))
    #expect(try await store.job(job, entity: "research", project: nil).version == 0)
    #expect(try await store.agent("a1")?.agent.name == "a1")
    #expect(try await store.lease("a1", cpu).map(\.id) == ["second00"])
    #expect(try await store.lease("a1", cpu).isEmpty)
    await store.close()
  }

  @Test func theNumbersOfWordsNeverChange() {
    #expect(RunState.allCases.map(\.number) == Array(0...8))
    #expect(Reason.allCases.map(\.number) == Array(1...10))
    #expect(Priority.allCases.map(\.rank) == Array(0...3))
  }
}
