import Testing

@testable import Model

struct GitSourceTests {
  private static let commit = String(repeating: "0a", count: 20)

  @Test(arguments: [
    ("https://github.com/team/app.git", GitRemote.Way.https, "github.com", nil, nil, "github.com/team/app"),
    ("https://GitHub.com:8443/team/app", .https, "github.com", 8_443, nil, "github.com/team/app"),
    ("https://bot@git.example/a/b/c.git", .https, "git.example", nil, "bot", "git.example/a/b/c"),
    ("git@github.com:team/app.git", .ssh, "github.com", nil, "git", "github.com/team/app"),
    ("ssh://git@git.example:2222/team/app.git", .ssh, "git.example", 2_222, "git", "git.example/team/app"),
    ("http://127.0.0.1:80/x", .http, "127.0.0.1", 80, nil, "127.0.0.1/x"),
  ])
  func addressesAreRead(
    _ text: String, _ way: GitRemote.Way, _ host: String, _ port: Int?, _ user: String?, _ short: String
  ) throws {
    let remote = try GitRemote(text)
    #expect(remote.way == way)
    #expect(remote.host == host)
    #expect(remote.port == port)
    #expect(remote.user == user)
    #expect(remote.short == short)
    #expect(remote.url == text)
  }

  @Test(
    "nothing that git would run or take for an option is an address",
    arguments: [
      "", "app", "/srv/app.git", "file:///srv/app.git", "ext::sh -c id", "git://host/x", "ssh://-oProxyCommand=id/x",
      "-oProxyCommand=id@host:x", "git@-oProxyCommand=id:x", "git@host:-x", "https://", "https://host", "https://host/",
      "https://user:password@host/x", "https://ho st/x", "https://host/x\n", "https://host:0/x", "https://host:x/x",
      "https://host:+443/x",
      "host:path", "../x:y@z",
    ])
  func refused(_ text: String) {
    #expect(throws: SourceProblem.self) { try GitRemote(text) }
  }

  @Test(
    "a secret goes only to the host that its own name says",
    arguments: [
      ("git-github.com", "https://github.com/a/b", true), ("git-github.com_ro", "https://github.com/a/b", true),
      ("git-GitHub.com", "git@github.com:a/b", true), ("hf-token", "https://github.com/a/b", false),
      ("git-github.com", "https://evil.example/a/b", false),
      ("git-github.com", "https://github.com.evil.example/a", false),
      ("git-github.community", "https://github.com/a/b", false), ("git-git.example", "http://git.example/a", false),
      ("git-127.0.0.1", "http://127.0.0.1:8000/a", true),
      ("git-127.0.0.1.example", "http://127.0.0.1.example/a", false), ("git-127.a.b.c", "http://127.a.b.c/a", false),
    ])
  func secrets(_ secret: String, _ url: String, _ isGood: Bool) {
    let git = GitSource(url: url, commit: Self.commit, secret: secret)
    #expect(git.problems.isEmpty == isGood, "\(git.problems)")
  }

  @Test(arguments: ["main", "ABC", String(repeating: "0A", count: 20), String(repeating: "0a", count: 21), "-x"])
  func onlyAWholeHashIsACommit(_ commit: String) {
    #expect(!GitSource(url: "https://h/x", commit: commit).problems.isEmpty)
  }

  @Test(arguments: ["..", "a/../b", "/a", "a//b", ".git", "a/.git/b", "-a", "", "."])
  func aFolderStaysInside(_ folder: String) {
    #expect(!GitSource(url: "https://h/x", commit: Self.commit, folder: folder).problems.isEmpty)
    #expect(GitSource(url: "https://h/x", commit: Self.commit, folder: "services/train").problems.isEmpty)
  }

  @Test(arguments: ["-x", "a..b", "a b", "a~1", "a^", "a:b", "", "a\\b", "--upload-pack=id"])
  func noRef(_ ref: String) { #expect(GitSource.problem(withRef: ref) != nil) }

  @Test(arguments: ["main", "v1.2", "feature/x-1", "refs/tags/a"])
  func refs(_ ref: String) { #expect(GitSource.problem(withRef: ref) == nil) }

  @Test func aBranchOfTheSameCommitIsNoChange() {
    func source(_ ref: String?) -> Source {
      Source(
        kind: .git, git: GitSource(url: "https://github.com/a/b.git", commit: Self.commit, ref: ref),
        entryPoint: ["python3", "src/train.py"])
    }
    #expect(source("main").identity == source("release").identity)
    #expect(source(nil).jobName == "job-https-github.com-a-b.git-src-train.py")
  }
}
