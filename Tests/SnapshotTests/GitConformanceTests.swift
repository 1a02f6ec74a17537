import Snapshot
import Testing

/// What git leaves out, a snapshot leaves out, and nothing else.
@Suite struct GitConformanceTests {
  /// Checks one folder against `git check-ignore`, path by path.
  private func check(_ scratch: Scratch, _ files: [String], _ comment: String) throws {
    let out = run(
      "git", "-C", scratch.path, "check-ignore", "--no-index", "--stdin", "-z",
      input: files.joined(separator: "\0") + "\0")
    let ignoredByGit = Set(out.split(separator: "\0").map(String.init))
    let taken = Set(try FolderReader.read(scratch.path).entries.map(\.path))
    for file in files {
      #expect(
        taken.contains(file) != ignoredByGit.contains(file),
        "\(file) is \(ignoredByGit.contains(file) ? "ignored" : "taken") by git\n\(comment)")
    }
  }

  @Test(
    "single patterns mean what they mean to git",
    arguments: [
      "*.log", "/a.txt", "sub", "sub/", "/sub/", "sub/deep", "sub/*", "sub/**", "**/b.txt", "**/deep/", "a**/b.txt",
      "sub/**/b.txt", "sub**/b.txt", "**", "*", "/*", "?.txt", "[ab].txt", "[!a].txt", "[^a].txt", "[a-c].txt",
      "[]a].txt", "[a\\]].txt", "[[:alpha:]].txt", "[[:digit:]].txt", "[[:nope:]].txt", "[a", "[a-", "a[", "\\a.txt",
      "\\!bang", "!a.txt", "#hash", "\\#hash", "spaced name", "spaced\\ name", "trail ", "trail\\ ", "/", "//", "",
      "sub/deep/", "sub//deep", "./a.txt", "../a.txt", "sub/../a.txt", "*/b.txt", "*/*/b.txt", "**/*.txt", "*.t?t",
      "foo**", "**foo", "sub/**/", "/**/b.txt", "**/**/b.txt", "***/b.txt", "sub/***", "a.txt\\", "*.txt\\\\", "é.txt",
      "?.tx[t]", "[a-z]*[0-9].txt", "*[!x]", "deep/b.txt", "/deep/b.txt", "*deep*", "s?b/d*p", "[s]ub/[d]eep", "a*.txt",
      "*a*b*", "x1.txt\r", "[!/]*.txt", "sub[/]deep", "sub/[[:alnum:]]*", "[\\a-\\c].txt", "[a-\\]].txt", "[--z].txt",
    ])
  func single(_ pattern: String) throws {
    let scratch = Scratch()
    let files = [
      "a.txt", "b.txt", "x1.txt", "c", "a.log", "sub/a.txt", "sub/b.txt", "sub/deep/b.txt", "sub/deep/x.log",
      "sub/deep/er/b.txt", "other/sub/a.txt", "foobar", "xfoo", "sub2/b.txt", "#hash", "!bang", "spaced name", "trail ",
      "trail", "].txt", "é.txt", "[a", "a[", "ab", "sub/c1.txt", "deep/b.txt", "-.txt", "a.txt\\",
    ]
    for file in files { scratch.write(file) }
    scratch.write(".gitignore", pattern + "\n")
    _ = run("git", "init", "-q", scratch.path)
    try check(scratch, files, "pattern: \(pattern)")
  }

  @Test("trees with random ignore files lose what git ignores", arguments: 0..<60)
  func random(_ seed: Int) throws {
    var random = SeededNumbers(state: UInt64(seed) &* 7_919 &+ 1)
    let scratch = Scratch()
    _ = run("git", "init", "-q", scratch.path)
    let names = ["a", "b", "ab", "a.txt", "b.log", "build", "x1", "data", ".hidden", "a b"]
    var files: Set<String> = []
    for _ in 0..<40 {
      let depth = Int.random(in: 0..<4, using: &random)
      let folders = (0..<depth).map { _ in ["sub", "build", "a", "data"].randomElement(using: &random) ?? "sub" }
      files.insert((folders + [names.randomElement(using: &random) ?? "a"]).joined(separator: "/"))
    }
    // A name cannot be a file and a folder at once.
    let folders = Set(files.flatMap { file in prefixes(of: file) })
    let kept = files.subtracting(folders).sorted()
    for file in kept { scratch.write(file) }
    var comment = ""
    for folder in [""] + folders.sorted() where folder.isEmpty || Bool.random(using: &random) {
      let lines = (0..<Int.random(in: 1..<6, using: &random)).map { _ in pattern(&random) }
      let path = folder.isEmpty ? ".gitignore" : folder + "/.gitignore"
      scratch.write(path, lines.joined(separator: "\n") + "\n")
      comment += "\(path): \(lines)\n"
    }
    try check(scratch, kept, comment)
  }

  private func prefixes(of file: String) -> [String] {
    let parts = file.split(separator: "/").map(String.init)
    return (1..<max(1, parts.count)).map { parts[..<$0].joined(separator: "/") }
  }

  private func pattern(_ random: inout SeededNumbers) -> String {
    let atoms = [
      "a", "b", "ab", "build", "data", "sub", "*", "**", "?", "[ab]", "[!a]", "*.txt", "*.log", "a*", "*b", "x[0-9]",
      ".hidden", ".*", "a\\ b", "a?b",
    ]
    let count = Int.random(in: 1..<4, using: &random)
    var text = (0..<count).map { _ in atoms.randomElement(using: &random) ?? "a" }.joined(separator: "/")
    if Int.random(in: 0..<4, using: &random) == 0 { text = "/" + text }
    if Int.random(in: 0..<4, using: &random) == 0 { text += "/" }
    if Int.random(in: 0..<3, using: &random) == 0 { text = "!" + text }
    return text
  }

  @Test("ignore files above the folder count, up to the top of the checkout") func above() throws {
    let scratch = Scratch()
    _ = run("git", "init", "-q", scratch.path)
    scratch.write(".gitignore", "*.log\n/pkg/only-here\nmodel/\n")
    scratch.write("pkg/.gitignore", "/app/cache\n")
    for file in ["train.py", "x.log", "cache/x", "only-here", "model/weights", "sub/cache/y"] {
      scratch.write("pkg/app/\(file)")
    }
    let taken = try FolderReader.read(scratch.path + "/pkg/app").entries.map(\.path)
    #expect(taken == ["only-here", "sub/cache/y", "train.py"])
  }
}
