import GitTesting
import Model
import Processes
import Testing

@testable import Git

/// git over TLS, against hosts whose certificates are of an authority that nobody knows who was not told.
@Suite(.timeLimit(.minutes(2))) struct HTTPSTests {
  /// - Parameter variables: of the agent's environment.
  private func checkout(
    _ host: GitHost, _ path: String, _ commit: String, authorities: String?, variables: [String: String] = [:]
  ) async throws {
    let remote = try GitRemote(host.url + path)
    let program = GitProgram.ofAgent(
      remote: remote, key: nil, login: ("bot", "s3cret"), knownHosts: [], authorities: authorities, fileBytesMax: nil,
      variable: { variables[$0] })
    try Disk.remove(host.path("out"))
    try Disk.makeFolder(host.path("out"))
    _ = try await GitCheckout(GitSource(url: remote.url, commit: commit), remote, program).write(to: host.path("out"))
  }

  private func failure(_ body: () async throws -> Void) async -> GitFailure? {
    await #expect(throws: GitFailure.self) { try await body() }
  }

  /// A closed repository with another one as its part.
  private func publishParts(_ host: GitHost) throws -> String {
    let part = try host.commit(["inner.txt": "inner"])
    try host.publish("closed/part.git")
    let commit = try host.commit(
      [
        "a.py": "1", ".gitmodules": "[submodule \"part\"]\n\tpath = part\n\turl = ../part.git\n",
      ], part: part)
    try host.publish("closed/app.git")
    return commit
  }

  @Test func aClosedRepositoryAndItsPartsComeFromAHostWhoseAuthorityIsTrusted() async throws {
    let authority = try await GitAuthority()
    let host = try await GitHost(login: "bot:s3cret", authority: authority)
    defer { host.close() }
    let commit = try publishParts(host)
    try await checkout(host, "/closed/app.git", commit, authorities: authority.file)
    #expect(Disk.text(host.path("out/a.py")) == "1")
    #expect(Disk.text(host.path("out/part/inner.txt")) == "inner")
    // The agent's environment may name the authority too.
    try await checkout(
      host, "/closed/app.git", commit, authorities: nil, variables: ["GIT_SSL_CAINFO": authority.file])
    #expect(Disk.text(host.path("out/part/inner.txt")) == "inner")
  }

  @Test func aPersonsGitResolvesNamesWithAnAuthorityOfTheirOwn() async throws {
    let authority = try await GitAuthority()
    let host = try await GitHost(authority: authority)
    defer { host.close() }
    let first = try host.commit(["a.py": "1"])
    try host.git("tag", "-a", "-m", "t", "v1")
    let second = try host.commit(["a.py": "2"])
    try host.publish()
    let remote = try GitRemote(host.url + "/open.git")
    func lookup() throws -> GitLookup {
      try Disk.makeFolder(host.path("look"))
      return GitLookup(
        remote, GitProgram.ofPerson(remote: remote, environment: host.environment, variable: { _ in nil }),
        scratch: host.path("look"))
    }
    let unknown = await failure { _ = try await lookup().resolve("main") }
    #expect(unknown?.code == .untrusted)
    #expect(unknown?.hint?.contains("git config --global http.sslCAInfo FILE") == true, "\(unknown?.hint ?? "")")
    // As the hint says.
    try host.git("config", "--global", "http.sslCAInfo", authority.file)
    let known = try lookup()
    #expect(try await known.resolve("main") == (second, "main"))
    #expect(try await known.resolve("v1") == (first, "v1"))
    #expect(try await known.files(of: first, in: nil).map(\.path) == ["a.py"])
    #expect(try await known.file("a.py", of: first) == Array("1".utf8))
  }

  @Test func aHostWhoseAuthorityIsNotTrustedIsAskedNothing() async throws {
    let authority = try await GitAuthority()
    let other = try await GitAuthority()
    let host = try await GitHost(login: "bot:s3cret", authority: authority)
    defer { host.close() }
    let commit = try publishParts(host)
    for (authorities, variables) in [
      (nil, [:]), (other.file, [:]), (host.path("none.pem"), [:]), (nil, ["GIT_SSL_NO_VERIFY": "1"]),
    ] as [(String?, [String: String])] {
      let failure = await failure {
        try await checkout(host, "/closed/app.git", commit, authorities: authorities, variables: variables)
      }
      #expect(failure?.code == .untrusted, "\(String(describing: failure))")
      #expect(failure?.isPassing == false, "it would be the same again")
      let said = failure?.message ?? ""
      #expect(said.hasPrefix("the certificate of 127.0.0.1 is not trusted on this machine: "), "\(said)")
      #expect(!said.contains("unable to access"), "\(said)")
    }
    #expect(host.requests.isEmpty)
  }

  @Test(
    "what git says of certificates, with GnuTLS and with OpenSSL",
    arguments: [
      "server certificate verification failed. CAfile: none CRLfile: none",
      "SSL: certificate subject name (localhost) does not match target host name 'git.example'",
      "server certificate expiration date has passed.",
      "SSL certificate problem: unable to get local issuer certificate",
      "SSL certificate problem: certificate has expired",
      "SSL: no alternative certificate subject name matches target host name 'git.example'",
      "error setting certificate verify locations:  CAfile: /none",
      "error setting certificate file: /none",
    ])
  func sayings(_ words: String) {
    let failure = GitFailure(
      printed: "fatal: unable to access 'https://git.example/x/': \(words)\n", host: "git.example")
    #expect(failure.code == .untrusted)
    #expect(failure.message == "the certificate of git.example is not trusted on this machine: \(words)")
  }

  @Test func aWrongPasswordIsToldWithoutItsText() async throws {
    let authority = try await GitAuthority()
    let host = try await GitHost(login: "bot:other", authority: authority)
    defer { host.close() }
    let commit = try publishParts(host)
    let failure = await failure { try await checkout(host, "/closed/app.git", commit, authorities: authority.file) }
    #expect(failure?.code == .denied, "\(String(describing: failure))")
    #expect(failure?.message.contains("s3cret") == false)
  }

  @Test("a login follows no redirect to another host", arguments: [true, false])
  func redirects(_ isClosed: Bool) async throws {
    let authority = try await GitAuthority()
    let host = try await GitHost(login: "bot:s3cret", authority: authority)
    defer { host.close() }
    let other = try await GitHost(login: "bot:s3cret", authority: authority)
    defer { other.close() }
    let commit = try publishParts(other)
    // Where the redirect itself is closed, git has a login in its hand already as it follows.
    let door = isClosed ? "/closed/moved" : "/moved"
    try Disk.write(host.path("moved"), Array(other.url.utf8))
    let failure = await failure {
      try await checkout(host, "\(door)/closed/app.git", commit, authorities: authority.file)
    }
    #expect(failure?.code == .denied, "\(String(describing: failure))")
    #expect(host.requests.contains { !$0.hasSuffix(" -") } == isClosed, "\(host.requests)")
    #expect(!other.requests.isEmpty)
    #expect(other.requests.allSatisfy { $0.hasSuffix(" -") }, "\(other.requests)")
  }

  @Test func aRedirectToAWayWithoutTLSIsNotFollowed() async throws {
    let authority = try await GitAuthority()
    let host = try await GitHost(authority: authority)
    defer { host.close() }
    let plain = try await GitHost()
    defer { plain.close() }
    let commit = try plain.commit(["a.py": "1"])
    try plain.publish()
    try Disk.write(host.path("moved"), Array(plain.url.utf8))
    let failure = await failure { try await checkout(host, "/moved/open.git", commit, authorities: authority.file) }
    #expect(failure?.code == .other, "\(String(describing: failure))")
    #expect(failure?.message.hasPrefix("127.0.0.1 leads to an address that is not fetched from: ") == true)
    #expect(!host.requests.isEmpty && plain.requests.isEmpty)
  }
}
