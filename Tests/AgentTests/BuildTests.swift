import Agent
import AgentTesting
import Glibc
import Model
import Processes
import Scripting
import Testing

@Suite(.timeLimit(.minutes(1))) struct BuildTests {
  let site: Site
  let builder: FakeBuilder

  init() throws {
    site = try Site()
    builder = FakeBuilder(prefix: "\(site.root)/prefix")
    try Disk.makeFolder("\(site.root)/prefix/bin")
    try Disk.write("\(site.root)/prefix/bin/greet", Array("#!/bin/sh\necho greetings\n".utf8), mode: 0o755)
  }

  private func spec(_ words: [String] = ["greet"]) async throws -> RunSpec {
    var spec = RunSpec.code(try await site.server.source(["requirements.txt": "numpy\n", "a": "1"]), words)
    spec.source.requirements = "requirements.txt"
    return spec
  }

  @Test func theBuiltEnvironmentIsFirstInThePath() async throws {
    try await site.living(site.agent(builders: [builder])) {
      await site.server.submit("aaaaaaaa", try await spec())
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .succeeded, "\(run.message ?? "")")
      #expect(await site.server.log("aaaaaaaa-1") == "collecting numpy\n\ndone\ngreetings\n")
      #expect(await site.server.states("aaaaaaaa").first == "building")
      let request = try #require(builder.state.withLock { $0.requests.first })
      #expect(request.requirements == "numpy\n")
      #expect(Disk.text("\(request.folder)/a") == "1")
    }
  }

  @Test func nothingIsBuiltForARunWhoseSecretIsNotThere() async throws {
    try await site.living(site.agent(builders: [builder])) {
      var spec = try await spec()
      spec.resource = ["env": ["KEY": ["$secret": "none"]]]
      await site.server.submit("aaaaaaaa", spec)
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.reason == .start && run.message?.contains("no secret `none`") == true, "\(run.message ?? "")")
      #expect(builder.state.withLock { $0.requests.isEmpty })
    }
  }

  @Test func tenRunsShareOneBuildAndEachHasItsLog() async throws {
    builder.close()
    try await site.living(site.agent(builders: [builder])) {
      for number in 0..<10 { await site.server.submit("run0000\(number)", try await spec()) }
      await site.server.until { server in
        (0..<10).allSatisfy { server.log("run0000\($0)-1") == "collecting numpy\n\n" }
      }
      #expect(builder.state.withLock { $0.builds } == 1)
      builder.open()
      await site.server.until { $0.runs.values.allSatisfy { $0.state.isSettled } }
      for number in 0..<10 {
        #expect(await site.server.runs["run0000\(number)"]?.state == .succeeded)
        #expect(await site.server.log("run0000\(number)-1") == "collecting numpy\n\ndone\ngreetings\n")
      }
    }
  }

  @Test func aFailedBuildFailsTheRunWithItsLastLines() async throws {
    builder.state.withLock {
      $0.failures = [DriverFailure(.targetError, "pip ended with exit code 1", hint: "look at its output")]
    }
    try await site.living(site.agent(builders: [builder])) {
      await site.server.submit("aaaaaaaa", try await spec())
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .failed)
      #expect(run.reason == .build)
      #expect(run.message == "pip ended with exit code 1; look at its output\ncollecting numpy\ndone")
      #expect(await site.server.log("aaaaaaaa-1") == "collecting numpy\n\ndone\n")
    }
  }

  @Test func aBuildThatMaySucceedLaterIsTriedAgain() async throws {
    builder.state.withLock { $0.failures = [DriverFailure(.unavailable, "no index", retry: .after(0.05))] }
    try await site.living(site.agent(builders: [builder])) {
      await site.server.submit("aaaaaaaa", try await spec())
      #expect(try await site.server.settled("aaaaaaaa").state == .succeeded)
      #expect(builder.state.withLock { $0.builds } == 2)
    }
  }

  @Test func aRunThatIsStoppedWhileItBuildsNeverStarts() async throws {
    builder.close()
    try await site.living(site.agent(builders: [builder])) {
      await site.server.submit("aaaaaaaa", try await spec())
      await site.server.until { $0.runs["aaaaaaaa"]?.state == .building && !$0.log("aaaaaaaa-1").isEmpty }
      try await site.server.stop("aaaaaaaa")
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .stopped)
      #expect(await site.server.states("aaaaaaaa").contains("starting") == false)
      try await site.cleared("aaaaaaaa-1")
    }
  }

  @Test func stoppingOneOfTwoLeavesTheBuildToTheOther() async throws {
    builder.close()
    try await site.living(site.agent(builders: [builder])) {
      for id in ["aaaaaaaa", "bbbbbbbb"] { await site.server.submit(id, try await spec()) }
      await site.server.until { !$0.log("aaaaaaaa-1").isEmpty && !$0.log("bbbbbbbb-1").isEmpty }
      try await site.server.stop("aaaaaaaa")
      #expect(try await site.server.settled("aaaaaaaa").state == .stopped)
      #expect(builder.state.withLock { $0.running } == 1)
      builder.open()
      #expect(try await site.server.settled("bbbbbbbb").state == .succeeded)
      #expect(builder.state.withLock { $0.builds } == 1)
    }
  }

  @Test func withoutABuilderTheRunSaysSo() async throws {
    try await site.living(site.agent()) {
      await site.server.submit("aaaaaaaa", try await spec())
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.reason == .build)
      #expect(run.message?.contains("no builder") == true)
    }
  }

  @Test func theBuilderThatTheQueueNamesBuildsAndNoOther() async throws {
    let first = FakeBuilder(name: "a", prefix: "\(site.root)/none")
    var named = try await spec()
    named.needs = [Need(.builder(source: .code, target: "process", name: "fake"), why: "w")]
    try await site.living(site.agent(builders: [first, builder])) {
      await site.server.submit("aaaaaaaa", named)
      #expect(try await site.server.settled("aaaaaaaa").state == .succeeded)
      #expect(builder.state.withLock { $0.builds } == 1)
      #expect(first.state.withLock { $0.builds } == 0)
      named.needs = [Need(.builder(source: .code, target: "process", name: "gone"), why: "w")]
      await site.server.submit("bbbbbbbb", named)
      let run = try await site.server.settled("bbbbbbbb")
      #expect(run.reason == .build && run.message == "no builder `gone` makes code jobs for target `process`")
    }
  }

  @Test func aStoppingAgentGivesBackWhatItHasNotStarted() async throws {
    builder.close()
    try await site.living(site.agent(builders: [builder])) {
      await site.server.submit("aaaaaaaa", try await spec())
      await site.server.until { !$0.log("aaaaaaaa-1").isEmpty }
    }
    let run = await site.server.runs["aaaaaaaa"]
    #expect(run?.state == .queued)
    // The next life takes it as a new attempt.
    builder.open()
    try await site.living(site.agent(builders: [builder])) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .succeeded)
      #expect(run.attempt == 2)
    }
  }
}
