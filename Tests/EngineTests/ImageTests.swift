import Model
import Processes
import Scripting
import Testing

@testable import Client
@testable import EndToEndTesting

extension EngineTests {
  /// Images of code jobs: made by real engines, kept in a real registry, run by the driver.
  @Suite(.serialized) struct ImageTests {
    static let engines = Engine.all.filter { $0.plugin == "docker" && $0.settings == "settings" }
    /// What images begin with where no registry of the world can be reached.
    private static let base = "docker.io/local/busy:latest"

    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: engines)
    func twoRunsOfOneSourceAreBuiltOnceAndRunInTheImage(engine: Engine) async throws {
      try await engine.scenario { bench, far in
        _ = try await Self.building(far).agent()
        try await bench.job("coded", "echo \"hello from $(pwd) as $(id -u) with $*\"; exit 5")
        let submission = Submission(
          job: "coded", queue: "far", project: "p", overrides: Overrides(args: ["a b", "c"]))
        let ids = try await bench.launch([submission, submission])
        var builds: Set<Substring> = []
        for id in ids {
          let ended = try await bench.end(of: id, within: far.patience)
          #expect(ended.state == .failed && ended.exitCode == 5, "\(ended)")
          let log = try await bench.log(id)
          #expect(log.hasSuffix("\nhello from /app as 1000 with a b c\n"), "\(log)")
          builds.insert(log.split(separator: "hello")[0])
        }
        #expect(builds.count == 1, "two builds: \(builds)")
        let later = try await bench.launch([submission])[0]
        _ = try await bench.end(of: later, within: far.patience)
        let log = try await bench.log(later)
        #expect(log.hasPrefix("the image lunaport/coded:") && log.split(separator: "\n").count == 2, "\(log)")
      }
    }

    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: engines)
    func aDockerfileOfTheJobIsUsedAndItsFailureToldInWords(engine: Engine) async throws {
      try await engine.scenario { bench, far in
        _ = try await Self.building(far).agent()
        try bench.write("own/Dockerfile", "FROM \(Self.base)\nCOPY run.sh /work/\nWORKDIR /work\nENV FROM_FILE=yes\n")
        try await bench.job("own", "echo \"$FROM_FILE in $(pwd)\"")
        let good = try await bench.launch("own", on: "far").id
        let ended = try await bench.end(of: good, within: far.patience)
        #expect(ended.state == .finished, "\(ended)")
        #expect(try await bench.log(good).hasSuffix("\nyes in /work\n"))
        try bench.write("broken/Dockerfile", "FROM \(Self.base)\nRUN echo compiling; exit 7\n")
        try await bench.job("broken", "echo never")
        let bad = try await bench.end(of: try await bench.launch("broken", on: "far").id, within: far.patience)
        #expect(bad.state == .failed && bad.reason == .build, "\(bad)")
        let message = bad.message ?? ""
        #expect(message.contains("cannot be built") && message.contains("7") && message.contains("compiling"))
      }
    }

    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: engines)
    func aPushedImageIsPulledWithItsRegistrysPassword(engine: Engine) async throws {
      let registry = Engine(name: "registry", script: "registry", plugin: "", skips: [])
      let said = try Value(json: String(try await registry.call("start").split(separator: "\n").last ?? ""))
      let address = try #require(said["env"]?["LUNAPORT_REGISTRY"]?.stringValue)
      let passwords = try #require(said["env"]?["LUNAPORT_REGISTRY_AUTH"]?.stringValue)
      var fixture = try engine.fixtureRead()
      fixture.resource = ["Pull": "always"]
      try await engine.scenario(with: fixture) { bench, far in
        // The builder asks a credential helper, and the driver reads the password itself.
        let auths = try Value(json: #require(Disk.read(passwords)))["auths"]
        try bench.write(
          "bin/docker-credential-test",
          """
          #!/bin/sh
          read -r registry
          login=$(echo \(try #require(auths?[address]?["auth"]?.stringValue)) | base64 -d)
          test "$registry" = \(address) && printf '{"Username": "%s", "Secret": "%s"}' "${login%%:*}" "${login#*:}"
          """, executable: true)
        let helped = try bench.write("config.json", #"{"credHelpers": {"\#(address)": "test"}}"#)
        var far = Self.building(far, ["repository": .string("\(address)/team"), "auth_file": .string(helped)])
        far.place.variables["PATH"] = bench.path("bin") + ":" + (BaseEnvironment.current()["PATH"] ?? "")
        var docker = far.place.settings["docker"]?.objectValue ?? [:]
        let first = try await far.agent()
        try await bench.job("pushed", "echo \"out of the registry\"")
        // The engine has the image, but asks the registry for it, and has no password there.
        let refused = try await bench.end(of: try await bench.launch("pushed", on: "far").id, within: far.patience)
        #expect(refused.state == .failed && refused.message?.contains("auth_file") == true, "\(refused)")
        try await first.crash()
        docker["auth_file"] = .string(passwords)
        far = Self.building(far, [:], over: ["docker": .object(docker)])
        _ = try await far.agent()
        let run = try await bench.launch("pushed", on: "far").id
        let ended = try await bench.end(of: run, within: far.patience)
        #expect(ended.state == .finished, "\(ended)")
        #expect(try await bench.log(run).hasSuffix("out of the registry\n"))
      }
      try await registry.call("stop")
    }

    /// With settings for the builder: the engine that the driver has.
    private static func building(_ far: Far, _ more: [String: Value] = [:], over: [String: Value] = [:]) -> Far {
      var settings = far.place.settings.objectValue ?? [:]
      var builder = settings["docker-build"]?.objectValue ?? [:]
      builder["endpoint"] = settings["docker"]?["endpoint"]
      builder["base_image"] = .string(base)
      builder.merge(more) { $1 }
      settings["docker-build"] = .object(builder)
      settings.merge(over) { $1 }
      return Far(
        bench: far.bench, engine: far.engine,
        place: Engine.Place(settings: .object(settings), variables: far.place.variables), fixture: far.fixture)
    }
  }
}
