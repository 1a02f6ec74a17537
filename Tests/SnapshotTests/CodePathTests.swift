import Model
import Snapshot
import Testing

@Suite struct CodePathTests {
  @Test func aScriptMeansItsFolder() throws {
    let scratch = Scratch()
    scratch.write("train.py")
    let path = try CodePath(scratch.path + "/train.py", entryPoint: nil)
    #expect(path.folder == scratch.path)
    #expect(path.words == ["train.py"])
    #expect(path.jobName == "job-train.py")
  }

  @Test func aFolderNeedsAnEntryPoint() throws {
    let scratch = Scratch()
    scratch.folder("my project")
    let folder = scratch.path + "/my project/"
    #expect { try CodePath(folder, entryPoint: nil) } throws: { ($0 as? SnapshotError)?.code == .entryPoint }
    let path = try CodePath(folder, entryPoint: "python -m pkg.train --flag")
    #expect(path.words == ["python", "-m", "pkg.train", "--flag"])
    #expect(path.jobName == "job-my-project")
  }

  @Test func aScriptTakesNoOtherEntryPoint() throws {
    let scratch = Scratch()
    scratch.write("train.py")
    #expect { try CodePath(scratch.path + "/train.py", entryPoint: "x") } throws: {
      ($0 as? SnapshotError)?.code == .entryPoint
    }
  }

  @Test(
    "entry points are split as a shell splits them",
    arguments: [
      ("a b  c", ["a", "b", "c"]), ("a 'b c' d", ["a", "b c", "d"]), (#"a "b \"c\"" d\ e"#, ["a", #"b "c""#, "d e"]),
      ("a ''", ["a", ""]), (#"a'b'"c"d"#, ["abcd"]), (#"'a\b' "a\b""#, [#"a\b"#, #"a\b"#]), ("\ta\nb ", ["a", "b"]),
    ])
  func words(_ text: String, _ words: [String]) throws {
    #expect(try CodePath.words(of: text) == words)
  }

  @Test("broken entry points are refused", arguments: ["", "  ", "'a", "\"a", "a\\", "''"])
  func broken(_ text: String) {
    #expect { try CodePath.words(of: text) } throws: { ($0 as? SnapshotError)?.code == .entryPoint }
  }

  private static let folder = Folder(
    path: "proj",
    entries: [
      .init(path: "bin/tool", kind: .file(size: 1, executable: true)),
      .init(path: "notes.txt", kind: .file(size: 1, executable: false)),
      .init(path: "run", kind: .file(size: 1, executable: true)),
      .init(path: "script.sh", kind: .file(size: 1, executable: false)),
      .init(path: "sub/train.py", kind: .file(size: 1, executable: false)),
      .init(path: "train.py", kind: .file(size: 1, executable: true)),
    ], ignored: [.init(path: "old.py", reason: ".gitignore:1 says old.*")])

  @Test(
    "what is run is a command that works in the folder",
    arguments: [
      (["train.py"], ["python3", "train.py"]), (["./train.py", "-x"], ["python3", "train.py", "-x"]),
      (["sub/train.py"], ["python3", "sub/train.py"]), (["run"], ["./run"]),
      (["./bin/tool", "a"], ["./bin/tool", "a"]),
      (["script.sh"], ["sh", "script.sh"]), (["python", "-m", "pkg"], ["python", "-m", "pkg"]),
      (["make", "train"], ["make", "train"]), (["/usr/bin/env", "x"], ["/usr/bin/env", "x"]),
    ])
  func command(_ words: [String], _ command: [String]) throws {
    #expect(try Self.folder.command(words) == command)
  }

  @Test(
    "an entry point that cannot run is refused with what to do",
    arguments: [
      (["trian.py"], "there is no trian.py in proj", "did you mean train.py?"),
      (
        ["old.py"], "the entry point old.py is left out of the snapshot: .gitignore:1 says old.*",
        "take it back with a line !old.py in .lunaportignore"
      ),
      (
        ["notes.txt"], "the entry point notes.txt is not executable",
        "chmod +x notes.txt, or name the program that runs it: --entry-point \"PROGRAM notes.txt\""
      ),
      (["bin/nothing"], "there is no bin/nothing in proj", "the entry point is a path within the folder, or a program"),
    ])
  func refused(_ words: [String], _ message: String, _ hint: String) {
    #expect { try Self.folder.command(words) } throws: { error in
      let error = error as? SnapshotError
      return error?.message == message && error?.hint == hint
    }
  }

  @Test(
    "the Python version is taken from where it is written",
    arguments: [
      ("--", "3.11", "3.10", "python-3.12.1", "3.11"), ("--", nil, "3.10.4\n", "python-3.12.1", "3.12"),
      ("--", nil, "# mine\n3.10.4\n3.9\n", nil, "3.10"), ("--", nil, nil, nil, nil),
      ("--", "python3.9", nil, nil, "3.9"),
    ] as [(String, String?, String?, String?, String?)])
  func runtime(_: String, _ option: String?, _ pyenv: String?, _ runtime: String?, _ expected: String?) throws {
    let scratch = Scratch()
    scratch.write("train.py")
    if let pyenv { scratch.write(".python-version", pyenv) }
    if let runtime { scratch.write("runtime.txt", runtime) }
    let source = try FolderReader.read(scratch.path).source(["train.py"], runtime: option, manifest: nil)
    #expect(source.python == expected)
  }

  @Test("what is no version is refused", arguments: ["3", "latest", "3.x", "", "3.11.2.1", "pypy3.9"])
  func noVersion(_ text: String) throws {
    let scratch = Scratch()
    scratch.write("train.py")
    let folder = try FolderReader.read(scratch.path)
    #expect { try folder.source(["train.py"], runtime: text, manifest: nil) } throws: {
      ($0 as? SnapshotError)?.code == .runtime
    }
  }

  @Test func theDependencyListIsFoundUnlessItIsIgnored() throws {
    let scratch = Scratch()
    scratch.write("train.py")
    scratch.write("requirements.txt", "numpy\n")
    #expect(
      try FolderReader.read(scratch.path).source(["train.py"], runtime: nil, manifest: nil).requirements
        == "requirements.txt")
    scratch.write(".gitignore", "requirements.txt\n")
    #expect(try FolderReader.read(scratch.path).source(["train.py"], runtime: nil, manifest: nil).requirements == nil)
  }
}
