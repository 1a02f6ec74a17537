import Model
import Processes
import Scripting
import Testing

/// Secrets that come back from a run reach nobody.
@Suite(.timeLimit(.minutes(1))) struct CoveredOutputTests {
  static let secret = "hunter2-0123456789"
  static let stars = String(repeating: "*", count: 18)
  let site: Site
  let driver = FakeDriver(target: "process", provides: [.codeSource, .stop, .logs])

  init() throws {
    site = try Site(speed: 20)
    try Disk.makeFolder("\(site.data)/secrets")
    try keep(CoveredOutputTests.secret)
  }

  private func keep(_ text: String) throws {
    try Disk.write("\(site.data)/secrets/token", Array("\(text)\n".utf8), mode: 0o600)
  }

  private func submit() async throws {
    try await site.submit("true") { $0.resource = ["env": ["KEY": ["$secret": "token"]]] }
  }

  /// Its driver gives three bytes at a time.
  @Test func aSecretThatComesInPiecesIsCovered() async throws {
    driver.set { $0.output = Array("one \(Self.secret)\nhunter2 \(Self.secret)\(Self.secret)!\nhunter2-".utf8) }
    try await site.living(site.agent(drivers: [driver])) {
      try await submit()
      _ = try await site.server.settled("aaaaaaaa")
    }
    #expect(
      await site.server.log("aaaaaaaa-1") == "one \(Self.stars)\nhunter2 \(Self.stars)\(Self.stars)!\nhunter2-")
  }

  @Test func aNewLifeInTheMiddleOfASecretDoesNotShowTheRest() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.output = Array("one hunter2-01234".utf8)
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await submit()
      await site.server.until { $0.log("aaaaaaaa-1") == "one " }
      // All of it was read, and waits.
      let reads = driver.count("poll")
      while driver.count("poll") < reads + 3 { try await site.clock.sleep(0.2) }
    }
    driver.set { $0.output += Array("56789 two\n".utf8) }
    try await site.living(site.agent(drivers: [driver])) {
      await site.server.until { $0.log("aaaaaaaa-1").hasSuffix("two\n") }
      driver.set { $0.started["aaaaaaaa-1"] = Observation(.succeeded, exitCode: 0) }
      _ = try await site.server.settled("aaaaaaaa")
    }
    #expect(await site.server.log("aaaaaaaa-1") == "one \(Self.stars) two\n")
  }

  @Test func aServerThatLostTheEndOfALogGetsItCoveredAgain() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.output = Array("one \(Self.secret)\n".utf8)
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await submit()
      await site.server.until { $0.log("aaaaaaaa-1") == "one \(Self.stars)\n" }
      await site.server.cutLog("aaaaaaaa-1", to: 8)
      driver.set {
        $0.output += Array("two\n".utf8)
        $0.started["aaaaaaaa-1"] = Observation(.succeeded, exitCode: 0)
      }
      _ = try await site.server.settled("aaaaaaaa")
    }
    #expect(await site.server.log("aaaaaaaa-1") == "one \(Self.stars)\ntwo\n")
  }

  /// A later life does not know what to cover: it shows nothing, and says so.
  @Test func aSecretThatIsGoneWithholdsTheRest() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.output = Array("one\n".utf8)
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await submit()
      await site.server.until { $0.log("aaaaaaaa-1") == "one\n" && $0.runs["aaaaaaaa"]?.state == .running }
    }
    try Disk.remove("\(site.data)/secrets/token")
    driver.set {
      $0.output += Array("\(Self.secret)\n".utf8)
      $0.started["aaaaaaaa-1"] = Observation(.succeeded, exitCode: 0)
    }
    try await site.living(site.agent(drivers: [driver])) {
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .succeeded)
    }
    let log = await site.server.log("aaaaaaaa-1")
    #expect(log.hasPrefix("one\n\n[the rest is not shown") && !log.contains("hunter2"))
    #expect(site.events("output_withheld").count == 1)
  }

  @Test func aSecretThatComesBackIsCoveredInWhatWaited() async throws {
    driver.set {
      $0.first = Observation(.running)
      $0.output = Array("one\n".utf8)
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await submit()
      await site.server.until { $0.log("aaaaaaaa-1") == "one\n" && $0.runs["aaaaaaaa"]?.state == .running }
    }
    try Disk.remove("\(site.data)/secrets/token")
    driver.set { $0.output += Array("\(Self.secret)\n".utf8) }
    try await site.living(site.agent(drivers: [driver])) {
      while site.events("output_withheld").isEmpty { try await site.clock.sleep(0.2) }
      try keep(Self.secret)
      await site.server.until { $0.log("aaaaaaaa-1") == "one\n\(Self.stars)\n" }
    }
  }

  @Test func messagesOfTargetsAreCovered() async throws {
    driver.set {
      $0.startFailures = [
        (DriverFailure(.targetError, "cannot start with \(Self.secret)", retry: .safe), false)
      ]
      $0.first = Observation(.failed, exitCode: 1, message: "exec \(Self.secret): not found")
    }
    try await site.living(site.agent(drivers: [driver])) {
      try await submit()
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.message == "exec \(Self.stars): not found")
    }
    let messages = await site.server.taken.compactMap { $0.message ?? $0.ending?.message }
    #expect(messages.contains("trying again: cannot start with \(Self.stars)"), "\(messages)")
    #expect(!messages.joined().contains("hunter2"))
    #expect(!site.events.withLock { $0.map(\.text).joined() }.contains("hunter2"))
    #expect(Disk.text("\(site.data)/agent/journal")?.contains("hunter2") == false)
  }

  /// As pip does with the address of an index that has a password in it.
  @Test func whatABuilderPrintsIsCovered() async throws {
    let builder = FakeBuilder(prefix: "/nowhere")
    builder.state.withLock { $0.failures = [DriverFailure(.targetError, "no index at \(Self.secret)")] }
    let digest = try await site.server.source(["requirements.txt": "\(Self.secret)\n", "run.sh": "true\n"])
    var spec = RunSpec.code(digest, ["run.sh"])
    spec.source.requirements = "requirements.txt"
    spec.resource = ["env": ["KEY": ["$secret": "token"]]]
    let wanted = spec
    try await site.living(site.agent(drivers: [driver], builders: [builder])) {
      await site.server.submit("aaaaaaaa", wanted)
      let run = try await site.server.settled("aaaaaaaa")
      #expect(run.state == .failed && run.reason == .build)
      #expect(run.message == "no index at \(Self.stars)\ncollecting \(Self.stars)\ndone")
    }
    #expect(await site.server.log("aaaaaaaa-1") == "collecting \(Self.stars)\n\ndone\n")
  }
}
