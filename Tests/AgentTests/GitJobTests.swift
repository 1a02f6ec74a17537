import Agent
import GitTesting
import Glibc
import Model
import Processes
import Testing

/// Git jobs, from their commit to their end, with git itself and a host on loopback.
@Suite(.timeLimit(.minutes(2))) struct GitJobTests {
  private func spec(_ git: GitSource, _ entryPoint: [String] = ["./run.sh"]) -> RunSpec {
    RunSpec(
      job: nil, source: Source(kind: .git, git: git, entryPoint: entryPoint), overrides: Overrides(), target: "process",
      resource: .object([:]), needs: [], timeout: nil, grace: 5, retriesLost: false, generation: 1)
  }

  @Test func aCommitIsFetchedOnceWithTheAgentsSecretAndRun() async throws {
    let site = try Site()
    let host = try await GitHost(login: "x-access-token:s3cret")
    defer { host.close() }
    let commit = try host.commit([
      "train/run.sh": "#!/bin/sh\nls -a; cat note\n", "train/note": "first\n", "other": "x",
    ])
    _ = try host.commit(["train/note": "second\n"])
    try host.publish("closed/app.git")
    try Disk.makeFolder("\(site.data)/secrets")
    try Disk.write("\(site.data)/secrets/git-127.0.0.1", Array("s3cret\n".utf8), mode: 0o600)
    var git = GitSource(
      url: host.url + "/closed/app.git", commit: commit, ref: "main", folder: "train", secret: "git-127.0.0.1")
    let good = git
    git.secret = nil
    let closed = git
    try await site.living(site.agent()) {
      for id in ["aaaaaaaa", "bbbbbbbb"] {
        await site.server.submit(id, spec(good))
        #expect(try await site.server.settled(id).state == .succeeded)
        #expect(await site.server.log("\(id)-1") == ".\n..\nnote\nrun.sh\nfirst\n")
      }
      let asked = host.requests.count
      await site.server.submit("cccccccc", spec(good))
      #expect(try await site.server.settled("cccccccc").state == .succeeded)
      #expect(host.requests.count == asked, "it is here already")
      // Who names no secret must not find what another's secret has opened.
      await site.server.submit("dddddddd", spec(closed))
      let refused = try await site.server.settled("dddddddd")
      #expect(refused.state == .failed && refused.reason == .start)
      #expect(refused.message?.contains("does not let us read the repository") == true, "\(refused.message ?? "")")
    }
    let found = try await Command(["grep", "-rl", "s3cret", "\(site.data)/agent"], timeout: 30).run()
    #expect(found.exitCode == 1, "the secret is written nowhere: \(String(decoding: found.output, as: UTF8.self))")
  }

  @Test func aHostWithTLSIsTrustedOnceItsAuthorityLiesInTheDataFolder() async throws {
    let site = try Site()
    let authority = try await GitAuthority()
    let host = try await GitHost(login: "x-access-token:s3cret", authority: authority)
    defer { host.close() }
    let commit = try host.commit(["!run.sh": "#!/bin/sh\necho trusted\n"])
    try host.publish("closed/app.git")
    try Disk.makeFolder("\(site.data)/secrets")
    try Disk.write("\(site.data)/secrets/git-127.0.0.1", Array("s3cret\n".utf8), mode: 0o600)
    let git = GitSource(url: host.url + "/closed/app.git", commit: commit, secret: "git-127.0.0.1")
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", spec(git))
      let refused = try await site.server.settled("aaaaaaaa")
      #expect(refused.state == .failed && refused.reason == .start)
      let said = refused.message ?? ""
      #expect(said.contains("the certificate of 127.0.0.1 is not trusted on this machine"), "\(said)")
      let place = "\(site.data)/git-ca.pem"
      #expect(said.contains("put that authority's certificate (PEM) into \(place)"), "\(said)")
      // As it says, and without another start of the agent.
      try Disk.write(place, Disk.read(authority.file) ?? [])
      await site.server.submit("bbbbbbbb", spec(git))
      #expect(try await site.server.settled("bbbbbbbb").state == .succeeded)
      #expect(await site.server.log("bbbbbbbb-1") == "trusted\n")
    }
  }

  @Test(
    "what must not be fetched is not",
    arguments: [
      ("file:///PATH", nil, "not fetched by"), ("http://127.0.0.1:1/x", "hf-token", "is not for 127.0.0.1"),
      ("http://git.example/x", "git-git.example", "is not sent over http://"), ("https://user:pw@h/x", nil, "password"),
    ] as [(String, String?, String)])
  func refused(_ url: String, _ secret: String?, _ words: String) async throws {
    let site = try Site()
    let git = GitSource(url: url, commit: String(repeating: "0a", count: 20), secret: secret)
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", spec(git))
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .failed && run.reason == .start)
      #expect(run.message?.contains(words) == true, "\(run.message ?? "")")
    }
  }

  @Test func aStopDoesNotWaitForAHostThatHangs() async throws {
    let site = try Site()
    let host = try await GitHost()
    defer { host.close() }
    let hanging = GitSource(url: host.url + "/hang/app.git", commit: String(repeating: "0a", count: 20))
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", spec(hanging))
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .building }
      while host.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
      try await site.server.stop("aaaaaaaa")
      #expect(try await site.server.settled("aaaaaaaa").state == .stopped)
      // What the agent leaves behind is known to its next life by a mark.
      #expect(site.processes.killCommands() > 0)
    }
  }

  @Test func aFileWhoseNameIsNoTextIsNotLeftOut() async throws {
    let site = try Site()
    let host = try await GitHost()
    defer { host.close() }
    let script = "printf data > $(printf 'caf\\351')"
    #expect(try await Command(["/bin/sh", "-c", script], folder: host.path("work")).run().succeeded)
    let commit = try host.commit(["run.sh": "#!/bin/sh\n"])
    try host.publish()
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", spec(GitSource(url: host.url + "/open.git", commit: commit)))
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .failed)
      #expect(run.message?.contains("not UTF-8") == true, "\(run.message ?? "")")
    }
    #expect(Disk.names(in: "\(site.data)/agent/sources").isEmpty, "nothing of it stays")
  }

  @Test func aLinkInPlaceOfGitsOwnFilesIsNotFollowed() async throws {
    let site = try Site()
    let host = try await GitHost()
    defer { host.close() }
    // To who reads from it, a pipe without a writer says nothing for ever.
    #expect(mkfifo("\(site.root)/pipe", 0o600) == 0)
    try host.git("symlink", ".gitattributes", "\(site.root)/pipe")
    let commit = try host.commit(["run.sh": "#!/bin/sh\n"])
    try host.publish()
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", spec(GitSource(url: host.url + "/open.git", commit: commit)))
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .failed)
    }
  }

  @Test func aRepositoryWhoseLinksLeadOutIsRefused() async throws {
    let site = try Site()
    let host = try await GitHost()
    defer { host.close() }
    try host.git("symlink", "out", "/etc/passwd")
    let commit = try host.commit(["run.sh": "#!/bin/sh\n"])
    try host.publish()
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", spec(GitSource(url: host.url + "/open.git", commit: commit)))
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .failed)
      #expect(run.message?.contains("leads out of the folder") == true, "\(run.message ?? "")")
    }
  }
}
