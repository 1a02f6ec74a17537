import FoundationEssentials
import Glibc
import Hashing
import Storage
import Testing

@Suite struct BlobTests {
  private let folder = TemporaryFolder()

  private func blobs(bytesMax: Int64 = 1 << 20) throws -> FolderBlobs {
    try FolderBlobs(folder: folder.path, bytesMax: bytesMax)
  }

  private func drafts() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path + "/drafts")
  }

  private func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(filePath: path)) }

  @Test func whatIsPutIsFoundByBothHashesAndReadInPieces() async throws {
    let blobs = try blobs()
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
    let blob = try await blobs.put(bytes, expecting: Hash.of(bytes))
    #expect(blob == Blob(sha256: try Hash.of(bytes), md5: try Hash.of(bytes, .md5), size: 100_000))
    #expect(try await blobs.blob(sha256: blob.sha256) == blob)
    #expect(try await blobs.blob(md5: Hash.of(bytes, .md5)) == blob)
    #expect(try await blobs.read(blob.sha256, from: 0, count: 200_000) == bytes)
    #expect(try await blobs.read(blob.sha256, from: 99_990, count: 50) == Array(bytes.suffix(10)))
    #expect(try await blobs.read(blob.sha256, from: 50, count: 7) == Array(bytes[50..<57]))
    #expect(try await blobs.read(blob.sha256, from: 100_000, count: 7).isEmpty)
    let file = try #require(blobs.file(blob.sha256))
    #expect(try Array(Data(contentsOf: URL(filePath: file))) == bytes)
    let other = try Hash.of("other")
    #expect(try await blobs.missing([other, blob.sha256]) == [other])
    #expect(try await blobs.blob(sha256: other) == nil)
    #expect(try await blobs.blob(md5: Hash.of("other", .md5)) == nil)
    #expect(blobs.file(other) == nil)
    try await refuses(.notFound) { try await blobs.read(other, from: 0, count: 1) }
    try await refuses(.invalid) { try await blobs.read(blob.sha256, from: -1, count: 1) }
    #expect(try await blobs.read(blob.sha256, from: .max, count: 1).isEmpty)
  }

  @Test func theEmptyContentIsAContent() async throws {
    let blobs = try blobs()
    let blob = try await blobs.put([], expecting: nil)
    #expect(blob.size == 0)
    #expect(try await blobs.read(blob.sha256, from: 0, count: 10).isEmpty)
  }

  @Test func aFinishedFileIsTakenOver() async throws {
    let blobs = try blobs()
    let bytes = [UInt8](repeating: 7, count: 300_000)
    let draft = blobs.draft()
    try write(bytes, to: draft)
    let blob = try await blobs.adopt(draft, expecting: Hash.of(bytes))
    #expect(blob.size == 300_000)
    #expect(try await blobs.blob(md5: Hash.of(bytes, .md5)) == blob)
    #expect(try drafts().isEmpty)
    // The same content again, by either way, is the same blob.
    let second = blobs.draft()
    try write(bytes, to: second)
    #expect(try await blobs.adopt(second, expecting: nil) == blob)
    #expect(try await blobs.put(bytes, expecting: nil) == blob)
    #expect(try drafts().isEmpty)
    try await refuses(.notFound) { try await blobs.adopt(blobs.draft(), expecting: nil) }
  }

  @Test func contentWithAnotherHashIsRefusedAndRemoved() async throws {
    let blobs = try blobs()
    let wanted = try Hash.of("wanted")
    try await refuses(.mismatch) { try await blobs.put(Array("other".utf8), expecting: wanted) }
    let draft = blobs.draft()
    try write(Array("other".utf8), to: draft)
    try await refuses(.mismatch) { try await blobs.adopt(draft, expecting: wanted) }
    #expect(try drafts().isEmpty)
    #expect(try await blobs.missing([wanted, Hash.of("other")]).count == 2)
  }

  @Test func contentThatIsTooLargeIsRefusedAndRemoved() async throws {
    let blobs = try blobs(bytesMax: 100)
    try await refuses(.tooLarge) { try await blobs.put([UInt8](repeating: 1, count: 101), expecting: nil) }
    let draft = blobs.draft()
    try write([UInt8](repeating: 1, count: 101), to: draft)
    try await refuses(.tooLarge) { try await blobs.adopt(draft, expecting: nil) }
    #expect(try drafts().isEmpty)
    #expect(try await blobs.put([UInt8](repeating: 1, count: 100), expecting: nil).size == 100)
  }

  @Test func draftsThatACrashLeftAreRemovedAndBlobsStay() async throws {
    let first = try blobs()
    let blob = try await first.put([1, 2, 3], expecting: nil)
    try write([9], to: first.draft())
    let second = try blobs()
    #expect(try drafts().isEmpty)
    #expect(try await second.blob(sha256: blob.sha256) == blob)
  }

  @Test func theSameContentPutManyTimesAtOnceIsOneBlob() async throws {
    let blobs = try blobs()
    let found = try await withThrowingTaskGroup(of: Blob.self) { group in
      for index in 0..<64 { group.addTask { try await blobs.put([UInt8(index % 4)], expecting: nil) } }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(found.count == 4)
    for blob in found {
      let md5 = try #require(blob.md5)
      #expect(try await blobs.blob(md5: md5) == blob)
    }
    #expect(try drafts().isEmpty)
  }

  /// Makes a blob look as if it had been stored long ago.
  private func age(_ blobs: FolderBlobs, _ digest: Digest, by seconds: Int) throws {
    let long = timespec(tv_sec: time(nil) - seconds, tv_nsec: 0)
    #expect(utimensat(AT_FDCWD, try #require(blobs.file(digest)), [long, long], 0) == 0)
  }

  @Test func onlyWhatIsUnusedForLongIsRemoved() async throws {
    let blobs = try blobs()
    var stored: [String: Digest] = [:]
    for text in ["used", "old", "young", "asked", "again"] {
      let digest = try await blobs.put(Array(text.utf8), expecting: nil).sha256
      stored[text] = digest
      if text != "young" { try age(blobs, digest, by: 1_000) }
    }
    // Who asks whether it is there, or sends it, is about to name it in a job.
    #expect(try await blobs.missing([try #require(stored["asked"])]).isEmpty)
    _ = try await blobs.put(Array("again".utf8), expecting: nil)
    let removal = try await blobs.removeUnused([try #require(stored["used"])], for: 900)
    #expect(removal.count == 1 && removal.bytes == 3)
    for (text, digest) in stored { #expect((blobs.file(digest) == nil) == (text == "old"), "\(text)") }
    #expect(try await blobs.blob(md5: Hash.of("old", .md5)) == nil)

    let back = try await blobs.put(Array("old".utf8), expecting: nil)
    #expect(try await blobs.blob(md5: Hash.of("old", .md5)) == back)
    #expect(try await blobs.removeUnused([], for: 2_000) == Removal())
  }
}
