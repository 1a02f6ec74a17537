import FoundationEssentials
import Glibc
import Storage
import Testing

@Suite struct RunLogTests {
  private let folder = TemporaryFolder()

  private func logs(bytesMax: Int64 = 1 << 20) throws -> FolderRunLogs {
    try FolderRunLogs(folder: folder.path, bytesMax: bytesMax)
  }

  private func text(_ logs: FolderRunLogs, from offset: Int64 = 0, limit: Int = 1 << 20) async throws -> String {
    String(decoding: try await logs.read(run: "abcd1234", attempt: 1, from: offset, limit: limit), as: UTF8.self)
  }

  private func append(_ logs: FolderRunLogs, _ text: String, at offset: Int64) async throws -> LogSize {
    try await logs.append(Array(text.utf8), at: offset, run: "abcd1234", attempt: 1)
  }

  @Test func chunksFollowOneAnotherAndAreReadByOffset() async throws {
    let logs = try logs()
    #expect(try await logs.size(run: "abcd1234", attempt: 1) == LogSize(stored: 0, next: 0, isTruncated: false))
    #expect(try await text(logs).isEmpty)
    #expect(try await append(logs, "hello ", at: 0).next == 6)
    #expect(try await append(logs, "wörld\n", at: 6) == LogSize(stored: 13, next: 13, isTruncated: false))
    #expect(try await text(logs) == "hello wörld\n")
    #expect(try await text(logs, from: 6, limit: 3) == "wö")
    #expect(try await text(logs, from: 13).isEmpty)
    #expect(try await text(logs, from: 99).isEmpty)
    // Another attempt is another log.
    #expect(try await logs.size(run: "abcd1234", attempt: 2).stored == 0)
  }

  @Test func whatIsStoredAlreadyIsSkipped() async throws {
    let logs = try logs()
    _ = try await append(logs, "0123456789", at: 0)
    #expect(try await append(logs, "0123456789", at: 0).next == 10)
    #expect(try await append(logs, "345", at: 3).next == 10)
    #expect(try await append(logs, "89ab", at: 8).next == 12)
    #expect(try await append(logs, "", at: 12).next == 12)
    #expect(try await text(logs) == "0123456789ab")
  }

  @Test func aGapIsRefusedWithTheSizeThatIsThere() async throws {
    let logs = try logs()
    _ = try await append(logs, "0123", at: 0)
    await #expect(
      throws: StoreError(
        .gap, "the log has 4 bytes, and what was sent begins at 9", hint: "send it from 4", size: 4)
    ) { try await append(logs, "9", at: 9) }
    try await refuses(.invalid) { try await append(logs, "x", at: -1) }
    try await refuses(.invalid) { try await append(logs, "x", at: .max) }
    #expect(try await text(logs, from: .max).isEmpty)
    #expect(try await text(logs) == "0123")
  }

  @Test func aLogOutlivesItsProcessAndGoesOnWhereverItWasCut() async throws {
    let whole = (0..<50).map { "line \($0)\n" }.joined()
    for cut in [0, 1, 57, 200, whole.utf8.count] {
      let first = try logs()
      _ = try await append(first, whole, at: 0)
      // What a power cut may leave: any beginning.
      let path = "\(folder.path)/ab/abcd1234-1.log"
      #expect(truncate(path, off_t(cut)) == 0)
      let second = try logs()
      let size = try await second.size(run: "abcd1234", attempt: 1)
      #expect(size.next == Int64(cut))
      let rest = String(decoding: whole.utf8.dropFirst(cut), as: UTF8.self)
      _ = try await append(second, rest, at: size.next)
      #expect(try await text(second) == whole)
      unlink(path)
    }
  }

  @Test func aLogThatIsTooLongSaysSoOnceAndTakesTheRest() async throws {
    let logs = try logs(bytesMax: 10)
    let marker = "\n[lunaport: more than 10 bytes were printed; the rest is not kept]\n"
    #expect(try await append(logs, "0123456789", at: 0) == LogSize(stored: 10, next: 10, isTruncated: false))
    #expect(try await text(logs) == "0123456789")
    let size = LogSize(stored: 10 + Int64(marker.utf8.count), next: 15, isTruncated: true)
    #expect(try await append(logs, "abcde", at: 10) == size)
    #expect(try await append(logs, "abcde", at: 10) == size)
    #expect(try await append(logs, "xyz", at: 15).next == 18)
    #expect(try await text(logs) == "0123456789" + marker)
    // A server that starts again knows it from the file.
    let again = try self.logs(bytesMax: 10)
    #expect(try await again.size(run: "abcd1234", attempt: 1).isTruncated)
    #expect(try await append(again, "more", at: 18).next == 22)
    // A crash within the marker.
    truncate("\(folder.path)/ab/abcd1234-1.log", 20)
    #expect(try await append(again, "more", at: 22).isTruncated)
    #expect(try await text(again) == "0123456789" + marker)
  }

  @Test func oneChunkOverTheLimitIsCutAtIt() async throws {
    let logs = try logs(bytesMax: 4)
    let size = try await append(logs, "0123456789", at: 0)
    #expect(size.next == 10)
    #expect(size.isTruncated)
    #expect(try await text(logs).hasPrefix("0123\n[lunaport: more than 4 bytes"))
  }

  @Test func chunksOfOneLogSentAtOnceAreStoredOnce() async throws {
    let logs = try logs()
    let whole = (0..<64).map { String(repeating: Character(Unicode.Scalar(UInt8(0x21 + $0))), count: 100) }.joined()
    await withTaskGroup(of: Void.self) { group in
      for sender in 0..<8 {
        group.addTask {
          var offset = 0
          // Each sends everything, in chunks of its own size; an offset that is not there yet is tried again.
          while offset < whole.utf8.count {
            let chunk = Array(whole.utf8.dropFirst(offset).prefix(37 + sender * 13))
            let size = try? await logs.append(chunk, at: Int64(offset), run: "abcd1234", attempt: 1)
            if size != nil { offset += chunk.count }
          }
        }
      }
    }
    #expect(try await text(logs) == whole)
    try await logs.sync()
  }

  @Test func aFullDiskIsAnErrorAndTheChunkCanBeSentAgain() async throws {
    let logs = try logs()
    try FileManager.default.createDirectory(atPath: "\(folder.path)/ab", withIntermediateDirectories: true)
    #expect(symlink("/dev/full", "\(folder.path)/ab/abcd1234-1.log") == 0)
    try await refuses(.full) { try await append(logs, "lost?", at: 0) }
    unlink("\(folder.path)/ab/abcd1234-1.log")
    #expect(try await append(logs, "lost?", at: 0).next == 5)
  }

  @Test(arguments: ["", "..", "../../etc/passwd", "a/b", ".hidden", "a\0b"])
  func anIdThatIsNoNameNeverBecomesAPath(run: String) async throws {
    let logs = try logs()
    try await refuses(.invalid) { try await logs.append([1], at: 0, run: run, attempt: 1) }
    try await refuses(.invalid) { try await logs.read(run: run, attempt: 1, from: 0, limit: 1) }
    try await refuses(.invalid) { try await logs.size(run: run, attempt: 1) }
  }

  @Test func theLogsOfRunsThatAreGoneAreRemoved() async throws {
    let logs = try logs()
    for (run, attempt) in [("abcd1234", 1), ("abcd1234", 2), ("abzz0000", 1), ("zzzz0000", 10)] {
      _ = try await logs.append(Array("123456".utf8), at: 0, run: run, attempt: attempt)
    }
    // Somebody else's file is left alone.
    try Data("note".utf8).write(to: URL(filePath: folder.path + "/ab/README"))
    #expect(try await logs.removeOrphans { Set($0).subtracting(["nobody00"]) } == Removal())
    let removal = try await logs.removeOrphans { Set($0).intersection(["abzz0000"]) }
    #expect(removal.count == 3 && removal.bytes == 18)
    #expect(try await logs.size(run: "abcd1234", attempt: 2).stored == 0)
    #expect(try await logs.size(run: "zzzz0000", attempt: 10).stored == 0)
    #expect(try await logs.size(run: "abzz0000", attempt: 1).stored == 6)
    #expect(FileManager.default.fileExists(atPath: folder.path + "/ab/README"))
    // What was removed is not looked for when logs are put on disk.
    try await logs.sync()
  }
}
