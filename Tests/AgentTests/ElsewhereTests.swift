import AgentTesting
import Model
import Testing

@testable import Agent

/// What programs are given that do not run on the agent's machine.
@Suite(.timeLimit(.minutes(1))) struct ElsewhereTests {
  let site: Site

  init() throws { site = try Site(speed: 10) }

  @Test func aProgramThatDoesNotSeeTheAgentsDiskGetsItsConfigInAVariable() async throws {
    let driver = FakeDriver(target: "process", provides: [.imageSource])
    let builder = FakeBuilder(prefix: "/nowhere")
    try await site.submit("true") { $0.overrides.runConfig = ["rate": 0.5, "layers": [1, 2], "json": "x"] }
    _ = try await site.living(site.agent(drivers: [driver], builders: [builder])) {
      try await site.server.settled("aaaaaaaa")
    }
    let request = try #require(driver.state.withLock { $0.requests.first })
    #expect(request.environment["LUNAPORT_CONFIG_JSON"] == #"{"json":"x","layers":[1,2],"rate":0.5}"#)
    #expect(request.environment["LUNAPORT_CONFIG_RATE"] == "0.5")
    #expect(request.environment["LUNAPORT_CONFIG"] == nil)
    #expect(request.folder == nil)
  }

  @Test func anImageJobHasItsImageAndMayLeaveTheProgramToIt() async throws {
    let driver = FakeDriver(target: "docker", provides: [.imageSource])
    let image = try ImageReference("registry.example:5000/team/train:v3")
    for (id, entryPoint) in [("aaaaaaaa", [String]()), ("bbbbbbbb", ["/bin/sh", "-c"])] {
      var spec = RunSpec.code("", [], target: "docker")
      spec.source = Source(kind: .image, image: image, entryPoint: entryPoint)
      spec.overrides.args = ["--fast"]
      spec.resource = ["Image": "${image_uri}"]
      await site.server.submit(id, spec)
    }
    try await site.living(site.agent(drivers: [driver])) {
      for id in ["aaaaaaaa", "bbbbbbbb"] {
        let run = try await site.server.settled(id)
        #expect(run.state == .succeeded, "\(run.message ?? "")")
      }
    }
    let requests = driver.state.withLock { $0.requests }.sorted { $0.run < $1.run }
    for request in requests {
      #expect(request.image == image.pinned && request.resource == ["Image": .string(image.pinned)])
      #expect(request.args == ["--fast"] && request.folder == nil)
      #expect(request.environment["LUNAPORT_CONFIG_JSON"] == "{}")
    }
    #expect(requests.map(\.entryPoint) == [[], ["/bin/sh", "-c"]])
    #expect(requests.map(\.command) == [["--fast"], ["/bin/sh", "-c", "--fast"]])
  }

  @Test func aConfigThatFitsInNoVariableIsToldAndNotLeftOut() async throws {
    let driver = FakeDriver(target: "process", provides: [.imageSource])
    let builder = FakeBuilder(prefix: "/nowhere")
    try await site.submit("true") { $0.overrides.runConfig = ["text": .string(String(repeating: "x", count: 200_000))] }
    let run = try await site.living(site.agent(drivers: [driver], builders: [builder])) {
      try await site.server.settled("aaaaaaaa")
    }
    #expect(run.state == .failed && run.reason == .start)
    #expect(run.message?.contains("config has 200") == true, "\(run.message ?? "")")
    #expect(driver.count("start") == 0)
  }

  @Test func ofSeveralBuildersTheFirstThatIsWellBuilds() async throws {
    let driver = FakeDriver(target: "process", provides: [.imageSource])
    let ill = FakeBuilder(name: "first", prefix: "/first", health: .unhealthy)
    let other = FakeBuilder(name: "second", prefix: "/second", sources: [.git])
    let well = FakeBuilder(name: "third", prefix: "/third")
    try await site.submit("true")
    _ = try await site.living(site.agent(drivers: [driver], builders: [ill, other, well])) {
      try await site.server.settled("aaaaaaaa")
    }
    #expect(driver.state.withLock { $0.requests.first?.prefix } == "/third")
  }
}
