import FoundationEssentials
import Glibc
import Model
import Testing

@testable import Storage

/// What happens where the disk, the file or another process does not play along.
@Suite struct FailureTests {
  private func database(_ folder: TemporaryFolder) -> String { "\(folder.path)/\(SQLiteStore.fileName)" }

  /// A store with some runs, closed again.
  private func filled(_ folder: TemporaryFolder) async throws {
    let store = try SQLiteStore(folder: folder.path)
    _ = try await store.enqueue((0..<2_000).map { _ in newRun() }, identity: .random, now: 1)
    await store.close()
  }

  private func refusedToOpen(_ folder: TemporaryFolder) -> StoreError? {
    do {
      _ = try SQLiteStore(folder: folder.path)
      return nil
    } catch {
      return error
    }
  }

  @Test func aFullDiskRefusesWritesKeepsReadsAndLosesNothing() async throws {
    let folder = TemporaryFolder()
    let store = try SQLiteStore(folder: folder.path)
    let first = try await store.enqueue(newRun())[0]
    try await store.write { (transaction) throws(StoreError) in
      let pages = try transaction.db.first("PRAGMA page_count") { $0.int(0) } ?? 0
      try transaction.db.script("PRAGMA max_page_count = \(pages + 8)")
    }
    try await refuses(.full) {
      try await store.enqueue((0..<5_000).map { _ in newRun() }, identity: .random, now: 1)
    }
    #expect(try await store.run(first.id) == first)
    #expect(try await store.runs(RunFilter(), after: nil, limit: 10).items.count == 1)
    #expect(try await store.check().isEmpty)
    // A run that still fits is taken, and what was refused is taken once there is space.
    let second = try await store.enqueue(newRun())[0]
    try await store.write { (transaction) throws(StoreError) in
      try transaction.db.script("PRAGMA max_page_count = 1000000")
    }
    _ = try await store.enqueue((0..<5_000).map { _ in newRun() }, identity: .random, now: 1)
    #expect(try await store.run(second.id) == second)
    #expect(try await store.metrics().runs[.queued] == 5_002)
    #expect(try await store.check().isEmpty)
    await store.close()
  }

  @Test func whereSpaceRunsOutOnlyTheOperationThatDoesNotFitFails() async throws {
    let store = try SQLiteStore()
    try await store.join("a1")
    _ = try await store.enqueue(newRun())
    try await store.write { (transaction) throws(StoreError) in
      let pages = try transaction.db.first("PRAGMA page_count") { $0.int(0) } ?? 0
      try transaction.db.script("PRAGMA max_page_count = \(pages + 60)")
    }
    // Many at once, so that they meet in one transaction.
    let outcomes = await withTaskGroup(of: (Bool, StoreError.Code?).self) { group in
      for index in 0..<40 {
        group.addTask {
          let isLarge = index % 10 == 0
          let runs = (0..<(isLarge ? 5_000 : 1)).map { _ in newRun() }
          do throws(StoreError) {
            _ = try await store.enqueue(runs, identity: .random, now: 1)
            return (isLarge, nil)
          } catch {
            return (isLarge, error.code)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.filter { $0.0 }.allSatisfy { $0.1 == .full })
    #expect(outcomes.filter { !$0.0 }.allSatisfy { $0.1 == nil })
    #expect(try await store.metrics().runs[.queued] == 37)
    #expect(try await store.check().isEmpty)
  }

  @Test func anOperationThatIsRefusedTakesNoneOfItsNeighboursAlong() async throws {
    let store = try SQLiteStore()
    _ = try await store.enqueue(newRun(id: "taken000"))
    let outcomes = await withTaskGroup(of: (Int, StoreError.Code?).self) { group in
      for index in 0..<200 {
        group.addTask {
          do throws(StoreError) {
            _ = try await store.enqueue(
              [newRun(key: "key\(index)"), newRun(id: index % 7 == 0 ? "taken000" : "")], identity: .random, now: 1)
            return (index, nil)
          } catch {
            return (index, error.code)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    for (index, code) in outcomes { #expect(code == (index % 7 == 0 ? .exists : nil)) }
    #expect(try await store.metrics().runs[.queued] == 1 + 2 * (200 - 29))
    #expect(try await store.check().isEmpty)
  }

  @Test func aDatabaseThatCannotBeWrittenGoesOnBeingRead() async throws {
    let folder = TemporaryFolder()
    let store = try SQLiteStore(folder: folder.path)
    let run = try await store.enqueue(newRun())[0]
    try await store.writer.aside { (db) throws(StoreError) in try db.script("PRAGMA query_only = ON") }
    try await refuses(.readOnly) { try await store.enqueue(newRun()) }
    #expect(try await store.run(run.id) == run)
    await store.close()
  }

  @Test func aFolderWhereNothingCanBeMadeIsAnErrorWithTheFolder() {
    do {
      _ = try SQLiteStore(folder: "/sys/lunaport-test")
      Issue.record("a folder was made in /sys")
    } catch {
      #expect(error.code == .readOnly)
      #expect(error.fact.contains("/sys/lunaport-test"))
    }
  }

  @Test func aSecondStoreOnOneFolderIsRefusedWithTheFirstOnesProcess() async throws {
    let folder = TemporaryFolder()
    let first = try SQLiteStore(folder: folder.path)
    let error = refusedToOpen(folder)
    #expect(error?.code == .locked)
    #expect(error?.fact == "process \(getpid()) has the data folder `\(folder.path)` open")
    await first.close()
    let second = try SQLiteStore(folder: folder.path)
    await second.close()
  }

  /// A file that is closed twice is another thread's the second time.
  @Test func aRefusedLockClosesNothingThatOthersHaveOpened() async throws {
    let folder = TemporaryFolder()
    let store = try SQLiteStore(folder: folder.path)
    let lost = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<2 {
        group.addTask {
          var lost = 0
          while !Task.isCancelled {
            let file = open("/dev/null", O_RDONLY | O_CLOEXEC)
            if close(file) != 0 { lost += 1 }
          }
          return lost
        }
      }
      for _ in 0..<2_000 { _ = try? FolderLock(folder: folder.path) }
      group.cancelAll()
      return await group.reduce(0, +)
    }
    #expect(lost == 0)
    await store.close()
  }

  @Test func aFileThatIsNoDatabaseIsRefusedAndLeftAlone() throws {
    let folder = TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    let bytes = Data(Array("Dear diary, this is no database.\n".utf8) + Array(repeating: 7, count: 10_000))
    try bytes.write(to: URL(filePath: database(folder)))
    #expect(refusedToOpen(folder)?.code == .foreign)
    #expect(try Data(contentsOf: URL(filePath: database(folder))) == bytes)
  }

  @Test func aDatabaseOfAnotherProgramIsRefused() throws {
    let folder = TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    let other = try Connection(path: database(folder), mode: .readWrite)
    try other.script("CREATE TABLE run (id TEXT)")
    let error = refusedToOpen(folder)
    #expect(error?.code == .foreign)
    #expect(error?.fact.contains(database(folder)) == true)
    try other.script("PRAGMA application_id = 7")
    #expect(refusedToOpen(folder)?.code == .foreign)
  }

  @Test func aStoreOfANewerVersionIsRefusedAndLeftAlone() async throws {
    let folder = TemporaryFolder()
    try await filled(folder)
    let newer = try Connection(path: database(folder), mode: .readWrite)
    try newer.script("PRAGMA user_version = 99")
    let error = refusedToOpen(folder)
    #expect(error?.code == .newer)
    #expect(error?.fact.contains("schema 99") == true)
    try newer.script("PRAGMA user_version = \(Schema.version)")
    #expect(refusedToOpen(folder) == nil)
  }

  @Test func aDamagedHeadIsRefused() async throws {
    let folder = TemporaryFolder()
    try await filled(folder)
    let file = try DamagedFile(path: database(folder))
    file.write(Array(repeating: 0xA5, count: 4_096), at: 0)
    #expect([.foreign, .corrupt].contains(refusedToOpen(folder)?.code))
  }

  @Test(arguments: 0..<12)
  func aDamagedFileGivesErrorsAndNeverATrap(seed: UInt64) async throws {
    let folder = TemporaryFolder()
    try await filled(folder)
    var random = Random(seed: seed)
    let file = try DamagedFile(path: database(folder))
    let pages = file.size / 4_096
    for _ in 0..<max(4, pages / 4) {
      let page = Int.random(in: 1..<pages, using: &random)
      let noise = (0..<512).map { _ in UInt8.random(in: 0...255, using: &random) }
      file.write(noise, at: page * 4_096 + Int.random(in: 0..<3_584, using: &random))
    }
    let store: SQLiteStore
    do { store = try SQLiteStore(folder: folder.path) } catch {
      #expect(error.code == .corrupt)
      return
    }
    #expect(try await store.check().isEmpty == false)
    var codes: Set<StoreError.Code> = []
    func attempt(_ body: () async throws -> some Any) async {
      do { _ = try await body() } catch let error as StoreError { codes.insert(error.code) } catch {
        Issue.record("\(error)")
      }
    }
    await attempt { try await store.join("a1") }
    await attempt { try await store.runs(RunFilter(), after: nil, limit: 1_000) }
    await attempt { try await store.lease("a1", cpu, room: 1_000) }
    await attempt { try await store.enqueue((0..<500).map { _ in newRun() }, identity: .random, now: 1) }
    await attempt { try await store.lapse(now: 9_999) }
    await attempt { try await store.counts(queue: nil) }
    await attempt { try await store.backUp(to: "\(folder.path)/backup") }
    #expect(codes.isSubset(of: [.corrupt, .defect, .notFound, .exists, .io, .tooLarge]))
    await store.close()
  }

  @Test func theCheckFindsCountsThatAreWrongAndRunsWithoutSpec() async throws {
    let store = try SQLiteStore()
    let run = try await store.enqueue(newRun())[0]
    try await store.write { (transaction) throws(StoreError) in
      try transaction.db.execute("UPDATE tally SET n = 5")
      try transaction.db.execute("DELETE FROM spec")
    }
    #expect(
      try await store.check() == [
        "queue `research/cpu` counts 4 queued runs too many", "run `\(run.id)` has no spec",
      ])
  }

  @Test func aDamagedSpecIsAnErrorOfThatRunOnly() async throws {
    let store = try SQLiteStore()
    let runs = try await store.enqueue(newRun(), newRun())
    try await store.write { (transaction) throws(StoreError) in
      try transaction.db.execute("UPDATE spec SET body = x'7B7B' WHERE run = 1")
    }
    try await refuses(.corrupt) { try await store.run(runs[0].id) }
    #expect(try await store.run(runs[1].id) == runs[1])
  }
}

/// Writes into the middle of a file.
private final class DamagedFile {
  private let descriptor: Int32
  let size: Int

  init(path: String) throws {
    descriptor = open(path, O_RDWR)
    size = Int(lseek(descriptor, 0, SEEK_END))
    try #require(descriptor >= 0 && size > 0)
  }

  deinit { close(descriptor) }

  func write(_ bytes: [UInt8], at offset: Int) { _ = pwrite(descriptor, bytes, bytes.count, off_t(offset)) }
}
