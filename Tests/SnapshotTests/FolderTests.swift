import Glibc
import Model
import Snapshot
import Testing

@Suite struct FolderTests {
  private func problems(_ scratch: Scratch, _ limits: SnapshotLimits = SnapshotLimits()) throws -> [SnapshotError] {
    try FolderReader.read(scratch.path).problems(limits)
  }

  @Test func theRepositoryIsNeverTakenAtAnyDepth() throws {
    let scratch = Scratch()
    scratch.write(".git/config")
    scratch.write("vendor/lib/.git/config")
    scratch.write("sub/.git", "gitdir: ../.git/modules/sub")
    scratch.write("sub/a.py")
    scratch.write(".gitignore", "!.git\n")
    #expect(try FolderReader.read(scratch.path).entries.map(\.path) == [".gitignore", "sub/a.py"])
  }

  @Test func lunaportignoreSpeaksAfterGitignore() throws {
    let scratch = Scratch()
    scratch.write(".gitignore", "*.bin\nsecret\n")
    scratch.write(".lunaportignore", "!model.bin\nnotebooks/\n")
    for file in ["model.bin", "other.bin", "secret", "notebooks/a.ipynb", "a.py"] { scratch.write(file) }
    let folder = try FolderReader.read(scratch.path)
    #expect(folder.entries.map(\.path) == [".gitignore", ".lunaportignore", "a.py", "model.bin"])
    #expect(folder.reason(toIgnore: "notebooks/a.ipynb") == ".lunaportignore:2 says notebooks/")
    #expect(folder.reason(toIgnore: "other.bin") == ".gitignore:1 says *.bin")
    #expect(folder.reason(toIgnore: "a.py") == nil)
  }

  @Test func theExecutableBitAndLinksInsideAreKept() throws {
    let scratch = Scratch()
    scratch.write("run.sh", "#!/bin/sh\n", executable: true)
    scratch.write("data/x", "12345")
    scratch.link("latest", to: "data/x")
    scratch.link("sub/up", to: "../data")
    scratch.link("dangling", to: "nothing/here")
    let folder = try FolderReader.read(scratch.path)
    #expect(
      folder.entries == [
        .init(path: "dangling", kind: .link(target: "nothing/here")),
        .init(path: "data/x", kind: .file(size: 5, executable: false)),
        .init(path: "latest", kind: .link(target: "data/x")),
        .init(path: "run.sh", kind: .file(size: 10, executable: true)),
        .init(path: "sub/up", kind: .link(target: "../data")),
      ])
    #expect(folder.problems(SnapshotLimits()).isEmpty)
  }

  @Test(
    "links that lead out are refused, however they do it",
    arguments: [
      [("out", "/etc/passwd")], [("out", "..")], [("sub/out", "../../x")], [("out", "sub/../../x")],
      // Through another link: what looks like a way inside is not.
      [("a/b/c/root", "../../.."), ("out", "a/b/c/root/../x")],
      [("one", "two"), ("two", "three"), ("three", "../x")],
    ])
  func outward(_ links: [(String, String)]) throws {
    let scratch = Scratch()
    scratch.write("a.py")
    for (name, target) in links { scratch.link(name, to: target) }
    let problem = try #require(try problems(scratch).first)
    #expect(problem.code == .linkLeadsOut)
    #expect(problem.notes.contains { $0.contains(" -> ") })
  }

  @Test func linksThatGoInCirclesLeadNowhereAndAreKept() throws {
    let scratch = Scratch()
    scratch.link("a", to: "b")
    scratch.link("b", to: "a")
    scratch.link("self", to: "./self/x")
    #expect(try problems(scratch).isEmpty)
  }

  @Test func aFolderThatIsTooBigNamesItsBiggestFiles() throws {
    let scratch = Scratch()
    scratch.write("small", "x")
    for size in [3_000, 1_000, 2_000, 5_000, 4_000, 10] {
      scratch.write("f\(size)", String(repeating: "x", count: size))
    }
    let problem = try #require(try problems(scratch, SnapshotLimits(bytes: 10_000)).first)
    #expect(problem.code == .tooLarge)
    #expect(problem.message == "\(scratch.path) holds 14.7 KiB, and a snapshot at most 9.8 KiB")
    #expect(
      problem.notes == [
        "the biggest files:", "4.9 KiB  f5000", "3.9 KiB  f4000", "2.9 KiB  f3000", "2 KiB  f2000", "1000 B  f1000",
      ])
    #expect(problem.hint?.contains(".lunaportignore") == true)
  }

  @Test func aFolderOfTooManyFilesNamesItsFullestFolders() throws {
    let scratch = Scratch()
    for index in 0..<6 { scratch.write("venv/lib/\(index)") }
    for index in 0..<3 { scratch.write("src/\(index)") }
    scratch.write("train.py")
    let problem = try #require(try problems(scratch, SnapshotLimits(entries: 9)).first)
    #expect(problem.notes == ["the fullest folders:", "6 files  venv/", "3 files  src/", "1 files  ./"])
  }

  @Test func anEmptyFolderIsNoJob() throws {
    let scratch = Scratch()
    scratch.write("x.log")
    scratch.write(".gitignore", "*\n")
    let problem = try #require(try problems(scratch).first)
    #expect(problem.code == .empty)
    #expect(problem.notes == ["2 names in it are left out by ignore files"])
  }

  @Test func whatIsNoFileIsLeftOutAndNamed() throws {
    let scratch = Scratch()
    scratch.write("a.py")
    mkfifo(scratch.path + "/pipe", 0o600)
    let folder = try FolderReader.read(scratch.path)
    #expect(folder.entries.map(\.path) == ["a.py"])
    #expect(folder.special == ["pipe"])
  }

  @Test func aNameThatIsNotUTF8IsRefused() throws {
    let scratch = Scratch()
    _ = run("bash", "-c", #"touch "$0"/$'\xff\xfe'"#, scratch.path)
    #expect { try FolderReader.read(scratch.path) } throws: { ($0 as? SnapshotError)?.code == .badName }
  }

  @Test func aFolderThatIsNotThereIsAnError() {
    #expect { try FolderReader.read("/nowhere/at/all") } throws: { error in
      (error as? SnapshotError)?.message == "cannot read /nowhere/at/all: No such file or directory"
    }
  }
}
