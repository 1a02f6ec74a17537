import FoundationEssentials
import Glibc
import Model
import Storage
import Testing

@Suite struct BackupTests {
  @Test(arguments: StoreKind.all)
  func aBackupIsTheWholeStoreWhileWorkGoesOn(kind: StoreKind) async throws {
    try await kind.with { store in
      let runs = try await store.enqueue((0..<300).map { _ in newRun() }, identity: .random, now: 1).map(\.run)
      let place = TemporaryFolder()
      try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: true)
      let path = "\(place.path)/lunaport.sqlite"
      async let busy: Void = {
        for _ in 0..<50 { _ = try await store.enqueue(newRun()) }
      }()
      try await store.backUp(to: path)
      try await busy
      try await refuses(.exists) { try await store.backUp(to: path) }
      try await refuses(.io) { try await store.backUp(to: "\(place.path)/nowhere/copy") }
      #expect(try FileManager.default.contentsOfDirectory(atPath: place.path) == ["lunaport.sqlite"])
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600, "everybody's configs are in it")
      let copy = try SQLiteStore(folder: place.path)
      #expect(try await copy.check().isEmpty)
      for run in runs { #expect(try await copy.run(run.id) == run) }
      await copy.close()
    }
  }
}
