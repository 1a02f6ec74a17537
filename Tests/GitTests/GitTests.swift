import GitTesting
import Glibc
import Model
import Processes
import Testing

@testable import Git

/// git against a host of repositories that is a program of its own.
@Suite(.timeLimit(.minutes(2))) struct GitTests {
  private func checkout(
    _ host: GitHost, _ source: GitSource, login: (user: String, password: String)? = nil,
    limits: GitCheckout.Limits = GitCheckout.Limits()
  ) async throws -> [String] {
    let remote = try GitRemote(source.url)
    let program = GitProgram.ofAgent(
      remote: remote, key: nil, login: login, knownHosts: [], fileBytesMax: limits.bytes, variable: { _ in nil })
    try Disk.makeFolder(host.path("out"))
    return try await GitCheckout(source, remote, program, limits: limits).write(to: host.path("out"))
  }

  private func failure(_ body: () async throws -> Void) async -> GitFailure? {
    await #expect(throws: GitFailure.self) { try await body() }
  }

  // MARK: Looking

  private func lookup(_ host: GitHost, _ path: String = "/open.git") throws -> GitLookup {
    try Disk.makeFolder(host.path("look"))
    let remote = try GitRemote(host.url + path)
    return GitLookup(
      remote, GitProgram.ofPerson(remote: remote, environment: host.environment, variable: { _ in nil }),
      scratch: host.path("look"))
  }

  @Test func namesAreResolvedToCommits() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let first = try host.commit(["a.py": "print(1)"])
    try host.git("tag", "-a", "-m", "t", "v1")
    let second = try host.commit(["a.py": "print(2)"])
    try host.git("branch", "side", "HEAD~1")
    // A branch of a tag's name: the tag is meant, as everywhere in git.
    try host.git("branch", "v1")
    try host.publish()
    let lookup = try lookup(host)
    #expect(try await lookup.resolve(nil) == (second, "main"))
    #expect(try await lookup.resolve("main") == (second, "main"))
    #expect(try await lookup.resolve("side") == (first, "side"))
    #expect(try await lookup.resolve("v1") == (first, "v1"), "the commit, and not the tag's own object")
    #expect(try await lookup.resolve(first.uppercased()) == (first, nil))
    for name in ["nope", "-h", "--upload-pack=touch x", String(first.prefix(8))] {
      #expect(await failure { _ = try await lookup.resolve(name) }?.code == .noCommit, "\(name)")
    }
  }

  @Test func filesAreSeenWithoutTheirContent() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let commit = try host.commit(["app/run.sh": "#!/bin/sh", "app/requirements.txt": "six\n", "big.bin": "x"])
    try host.publish()
    let lookup = try lookup(host)
    let entries = try await lookup.files(of: commit, in: "app")
    #expect(entries.map(\.path) == ["requirements.txt", "run.sh"])
    #expect(try await lookup.file("app/requirements.txt", of: commit) == Array("six\n".utf8))
  }

  // MARK: Fetching

  @Test func exactlyThePinnedCommitIsFetchedHoweverTheBranchMoved() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let first = try host.commit(["a.py": "print(1)", "!run.sh": "#!/bin/sh", "d/b.txt": "b"])
    try host.git("symlink", "link", "a.py")
    let linked = try host.commit([:])
    _ = try host.commit(["a.py": "print(2)"])
    try host.publish()
    _ = try await checkout(host, GitSource(url: host.url + "/open.git", commit: linked, ref: "main"))
    #expect(Disk.text(host.path("out/a.py")) == "print(1)")
    #expect(access(host.path("out/run.sh"), X_OK) == 0)
    #expect(Disk.link(host.path("out/link")) == "a.py")
    #expect(!Disk.exists(host.path("out/.git")), "nothing of git is left")
    #expect(first != linked)
  }

  @Test func whatIsGoneIsToldAsGone() async throws {
    let host = try await GitHost()
    defer { host.close() }
    _ = try host.commit(["a.py": "1"])
    try host.publish()
    let gone = String(repeating: "0a", count: 20)
    let failure = await failure { _ = try await checkout(host, GitSource(url: host.url + "/open.git", commit: gone)) }
    #expect(failure?.code == .noCommit)
    #expect(failure?.message.contains("is not in 127.0.0.1/open any more") == true, "\(failure?.message ?? "")")
  }

  @Test func aClosedRepositoryOpensToItsLoginAlone() async throws {
    let host = try await GitHost(login: "bot:s3cret")
    defer { host.close() }
    let commit = try host.commit(["a.py": "1"])
    try host.publish("closed/app.git")
    let source = GitSource(url: host.url + "/closed/app.git", commit: commit)
    for login in [nil, ("bot", "wrong")] as [(String, String)?] {
      let failure = await failure { _ = try await checkout(host, source, login: login) }
      #expect(failure?.code == .denied, "\(String(describing: failure))")
      #expect(failure?.message.contains("wrong") == false)
      try Disk.remove(host.path("out"))
    }
    _ = try await checkout(host, source, login: ("bot", "s3cret"))
    #expect(Disk.text(host.path("out/a.py")) == "1")
    #expect(
      await failure { _ = try await checkout(host, GitSource(url: host.url + "/no.git", commit: commit)) }?.code
        == .notFound)
    let far = GitSource(url: "http://127.0.0.1:1/x", commit: commit)
    try Disk.remove(host.path("out"))
    #expect(await failure { _ = try await checkout(host, far) }?.isPassing == true)
  }

  @Test func aLoginGoesToNoOtherHost() async throws {
    let host = try await GitHost(login: "bot:s3cret")
    defer { host.close() }
    let other = try await GitHost(login: "bot:s3cret")
    defer { other.close() }
    _ = try other.commit(["stolen.txt": "x"])
    try other.publish("closed/part.git")
    let part = try other.head()
    // A repository names as its part what lies on another host, which asks for a login.
    let commit = try host.commit(
      [
        ".gitmodules": "[submodule \"part\"]\n\tpath = part\n\turl = \(other.url)/closed/part.git\n"
      ], part: part)
    try host.publish()
    let failure = await failure {
      _ = try await checkout(
        host, GitSource(url: host.url + "/open.git", commit: commit), login: ("bot", "s3cret"))
    }
    #expect(failure?.code == .denied, "\(String(describing: failure))")
    #expect(!other.requests.isEmpty)
    #expect(other.requests.allSatisfy { $0.hasSuffix(" -") }, "\(other.requests)")
  }

  @Test func submodulesComeWithTheirCommit() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let part = try host.commit(["inner.txt": "inner"])
    try host.publish("part.git")
    let commit = try host.commit(
      [
        ".gitmodules": "[submodule \"part\"]\n\tpath = lib/part\n\turl = ../part.git\n"
      ], part: part, at: "lib/part")
    try host.publish()
    _ = try await checkout(host, GitSource(url: host.url + "/open.git", commit: commit))
    #expect(Disk.text(host.path("out/lib/part/inner.txt")) == "inner")
    #expect(!Disk.exists(host.path("out/lib/part/.git")))
  }

  @Test(
    "nothing but the network is read, and nothing is run",
    arguments: ["file://PATH/open.git", "PATH/open.git", "ext::sh -c touch% PATH/ran"])
  func submodulesFromElsewhere(_ url: String) async throws {
    let host = try await GitHost()
    defer { host.close() }
    let part = try host.commit(["inner.txt": "inner"])
    try host.publish()
    let commit = try host.commit(
      [
        ".gitmodules": "[submodule \"part\"]\n\tpath = part\n\turl = \"\(url.replacing("PATH", with: host.root))\"\n"
      ], part: part)
    try host.publish()
    let failure = await failure {
      _ = try await checkout(host, GitSource(url: host.url + "/open.git", commit: commit))
    }
    #expect(failure != nil)
    #expect(!Disk.exists(host.path("ran")))
    #expect(!Disk.exists(host.path("out/part/inner.txt")))
  }

  @Test func configurationOfTheMachineAndHooksAreNotHeeded() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let commit = try host.commit(["a.txt": "a", ".gitattributes": "*.txt filter=evil\n*.bin filter=lfs diff=lfs\n"])
    try host.publish()
    // The agent's user has a filter and a hook: for their own work, and not for what others name.
    let hook = host.path("home/hooks/post-checkout")
    try Disk.makeFolder(host.path("home/hooks"))
    try Disk.write(hook, Array("#!/bin/sh\ntouch \(host.path("ran"))\n".utf8), mode: 0o755)
    try Disk.write(
      host.path("home/.gitconfig"),
      Array(
        "[core]\n\thooksPath = \(host.path("home/hooks"))\n[filter \"evil\"]\n\tsmudge = touch \(host.path("ran")); cat\n"
          .utf8))
    let remote = try GitRemote(host.url + "/open.git")
    var program = GitProgram.ofAgent(
      remote: remote, key: nil, login: nil, knownHosts: [], fileBytesMax: nil, variable: { _ in nil })
    program.environment["HOME"] = host.path("home")
    try Disk.makeFolder(host.path("out"))
    let notes = try await GitCheckout(GitSource(url: remote.url, commit: commit), remote, program).write(
      to: host.path("out"))
    #expect(Disk.text(host.path("out/a.txt")) == "a")
    #expect(!Disk.exists(host.path("ran")))
    #expect(notes.count == 1 && notes[0].contains("Git LFS"), "\(notes)")
  }

  @Test func whatIsTooLargeIsRefusedBeforeItIsWritten() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let commit = try host.commit(["zeros": String(repeating: "0", count: 3_000_000), "b": "1", "c": "2"])
    try host.publish()
    let source = GitSource(url: host.url + "/open.git", commit: commit)
    var limits = GitCheckout.Limits(bytes: 2_000_000)
    let large = await failure { _ = try await checkout(host, source, limits: limits) }
    #expect(large?.code == .tooLarge, "three megabytes are a few kilobytes on their way")
    #expect(!Disk.exists(host.path("out/zeros")))
    try Disk.remove(host.path("out"))
    limits = GitCheckout.Limits(entries: 2)
    let many = await failure { _ = try await checkout(host, source, limits: limits) }
    #expect(many?.message.contains("3 files") == true, "\(many?.message ?? "")")
  }

  @Test func aPackThatIsTooLargeIsCutOff() async throws {
    let host = try await GitHost()
    defer { host.close() }
    var random = SystemRandomNumberGenerator()
    let noise = (0..<300_000).map { _ in String(UInt64.random(in: 0...UInt64.max, using: &random), radix: 36) }.joined()
    let commit = try host.commit(["noise": noise])
    try host.publish()
    let failure = await failure {
      _ = try await checkout(
        host, GitSource(url: host.url + "/open.git", commit: commit), limits: GitCheckout.Limits(bytes: 1 << 20))
    }
    #expect(failure?.code == .tooLarge, "\(String(describing: failure))")
  }

  @Test func whereThereIsNoGitNobodySaysThatThereIs() async throws {
    let host = try await GitHost()
    defer { host.close() }
    #expect(GitProgram.isInstalled())
    #expect(!GitProgram.isInstalled(path: host.root + ":" + host.path("work")))
    let program = GitProgram(environment: ["PATH": host.root], host: "h", fileBytesMax: 1 << 20)
    #expect(await failure { _ = try await program.run(["version"], timeout: 10) }?.code == .noGit)
  }

  // MARK: SSH

  /// In the place of ssh: notes how it was called, and serves the repository from the disk.
  private func fakeSSH(_ host: GitHost, exit: String = "eval \"$last\"") throws -> GitProgram {
    try Disk.makeFolder(host.path("bin"))
    try Disk.write(
      host.path("bin/ssh"),
      Array(
        """
        #!/bin/sh
        printf '%s\\n' "$@" >\(host.path("called"))
        for last in "$@"; do :; done
        \(exit)
        """.utf8), mode: 0o755)
    try Disk.write(host.path("key"), Array("PRIVATE\n".utf8))
    var program = GitProgram.ofAgent(
      remote: try GitRemote("git@git.example:\(host.root)/open.git"), key: host.path("key"), login: nil,
      knownHosts: [host.path("known hosts"), "/b"], fileBytesMax: nil, variable: { _ in nil })
    program.environment["PATH"] = host.path("bin") + ":" + (program.environment["PATH"] ?? "")
    return program
  }

  @Test func sshUsesTheKeyAloneAndOnlyHostsThatAreKnown() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let commit = try host.commit(["a.py": "1"])
    try host.publish()
    let program = try fakeSSH(host)
    try Disk.makeFolder(host.path("out"))
    let source = GitSource(url: "git@git.example:\(host.root)/open.git", commit: commit)
    _ = try await GitCheckout(source, GitRemote(source.url), program).write(to: host.path("out"))
    #expect(Disk.text(host.path("out/a.py")) == "1")
    let called = (Disk.text(host.path("called")) ?? "").split(separator: "\n").map(String.init)
    for option in [
      "StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "ForwardAgent=no",
      "UserKnownHostsFile=\"\(host.path("known hosts"))\" \"/b\"",
    ] {
      #expect(called.contains(option), "\(option) in \(called)")
    }
    #expect(called.firstIndex(of: "-i").map { called[$0 + 1] } == host.path("key"))
    #expect(called.firstIndex(of: "-F").map { called[$0 + 1] } == "/dev/null")
  }

  @Test(
    "what ssh complains of is told in words",
    arguments: [
      ("Host key verification failed.", GitFailure.Code.unknownHost, "is not known on this machine"),
      ("git@git.example: Permission denied (publickey).", .denied, "does not let us"),
      ("ERROR: Repository not found.", .notFound, "Repository not found."),
      ("ssh: connect to host git.example port 22: Connection refused", .unreachable, "cannot be reached"),
    ])
  func complaints(_ line: String, _ code: GitFailure.Code, _ words: String) async throws {
    let host = try await GitHost()
    defer { host.close() }
    let program = try fakeSSH(host, exit: "echo '\(line)' >&2; exit 255")
    let failure = await failure {
      _ = try await program.run(["ls-remote", "git@git.example:x"], timeout: 20)
    }
    #expect(failure?.code == code)
    #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
  }

  @Test func aHostThatHangsIsGivenUp() async throws {
    let host = try await GitHost()
    defer { host.close() }
    let program = try fakeSSH(host, exit: "exec sleep 600")
    let failure = await failure { _ = try await program.run(["ls-remote", "git@git.example:x"], timeout: 0.2) }
    #expect(failure?.code == .timeout)
    #expect(failure?.isPassing == true)
  }
}
