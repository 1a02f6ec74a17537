import Glibc
import Model
import Snapshot
import Testing

@Suite struct SnapshotTests {
  private func snapshot(_ scratch: Scratch) throws -> Snapshot { try Snapshot(try FolderReader.read(scratch.path)) }

  @Test func theManifestIsThatOfTheContent() throws {
    let scratch = Scratch()
    scratch.write("b/train.py", "print(1)\n")
    scratch.write("a.sh", "echo\n", executable: true)
    scratch.link("link", to: "a.sh")
    let snapshot = try snapshot(scratch)
    #expect(
      snapshot.manifest.files == [
        .init(
          path: "a.sh", sha256: digest("echo\n"), size: 5, executable: true),
        .init(
          path: "b/train.py", sha256: digest("print(1)\n"), size: 9, executable: false),
        .init(path: "link", sha256: "", size: 0, executable: false, link: "a.sh"),
      ])
  }

  private func digest(_ text: String) -> String {
    String(run("sha256sum", input: text).prefix(64))
  }

  @Test func theManifestItselfIsTheLastBlobAndItsDigestNamesIt() throws {
    let scratch = Scratch()
    scratch.write("a", "1")
    let snapshot = try snapshot(scratch)
    let last = try #require(snapshot.blobs.last)
    guard case .bytes(let bytes) = last.content else { return #expect(Bool(false), "the manifest is in memory") }
    #expect(last.sha256 == snapshot.digest)
    #expect(digest(String(decoding: bytes, as: UTF8.self)) == snapshot.digest)
    #expect(try Value(json: bytes).decode(Manifest.self) == snapshot.manifest)
  }

  @Test func theSameContentGivesTheSameDigestWhereverItLiesAndWheneverItWasWritten() throws {
    let first = Scratch()
    let second = Scratch()
    for name in ["z", "a/b", "m.py"] { first.write(name, name) }
    for name in ["m.py", "z", "a/b"] { second.write(name, name) }
    utime(second.path + "/z", nil)
    #expect(try snapshot(first).digest == snapshot(second).digest)
  }

  @Test(
    "any change that a job could see changes the digest",
    arguments: ["content", "name", "mode", "link", "added"])
  func change(_ what: String) throws {
    let scratch = Scratch()
    scratch.write("a", "1")
    scratch.link("l", to: "a")
    let before = try snapshot(scratch).digest
    switch what {
    case "content": scratch.write("a", "2")
    case "name": rename(scratch.path + "/a", scratch.path + "/b")
    case "mode": chmod(scratch.path + "/a", 0o755)
    case "link":
      unlink(scratch.path + "/l")
      scratch.link("l", to: "./a")
    default: scratch.write("c", "")
    }
    #expect(try snapshot(scratch).digest != before)
  }

  @Test func equalFilesAreSentOnce() throws {
    let scratch = Scratch()
    scratch.write("a", "same")
    scratch.write("b", "same")
    scratch.write("c", "other")
    #expect(try snapshot(scratch).blobs.count == 3)
  }

  @Test func bigFilesAreHashedWholeAndProgressIsTold() throws {
    let scratch = Scratch()
    scratch.write("big", String(repeating: "0123456789", count: 250_000))
    var told: Int64 = 0
    let snapshot = try Snapshot(try FolderReader.read(scratch.path)) { told = $0 }
    #expect(snapshot.manifest.files[0].sha256 == run("sha256sum", scratch.path + "/big").prefix(64))
    #expect(told == 2_500_000)
  }

  @Test func aFileThatChangesMeanwhileIsAnError() throws {
    let scratch = Scratch()
    scratch.write("a", "1")
    let folder = try FolderReader.read(scratch.path)
    scratch.write("a", "123")
    #expect { try Snapshot(folder) } throws: { ($0 as? SnapshotError)?.code == .changed }
  }
}
