import Model
import Testing

@testable import EndToEndTesting

extension EngineTests {
  /// Images built inside a cluster. What stands in for kaniko on the node says what it was given, and pushes nothing: the
  /// real one needs a registry of base images.
  @Suite(.serialized) struct KanikoTests {
    private static let engine = Engine(name: "kaniko", script: "kubernetes", plugin: "kubernetes", skips: [])
    private static let isWanted = Engine.all.contains { $0.plugin == engine.plugin }

    private static let settings: Value = [
      "namespace": "jobs", "repository": "registry.invalid/team", "image": "localhost/local/kaniko:stand-in",
      "unpack_image": "localhost/local/busy:latest",
    ]

    @Test(.enabled(if: Self.isWanted, Engine.wish))
    func theSourceReachesTheBuildAndItsDigestTheRun() async throws {
      try await Self.engine.running { place in
        try await scenario(300) { bench in
          try bench.write("queues/far.lua", "queue \"far\" { target = \"kubernetes\", resource = { spec = {} } }\n")
          _ = try await bench.serve()
          var kaniko = Self.settings.objectValue ?? [:]
          kaniko["kubeconfig"] = place.settings["kubernetes"]?["kubeconfig"]
          var settings = place.settings.objectValue ?? [:]
          settings["kaniko"] = .object(kaniko)
          let file = try bench.write("settings.json", Value.object(settings).json())
          _ = try await bench.agent("one", ["far"], ["--settings", file], variables: place.variables)

          // More than one Secret takes, of what no packing makes smaller.
          var noise: [UInt8] = []
          for _ in 0..<1_200_000 { noise.append(UInt8.random(in: 0...255)) }
          try bench.write("good/noise.txt", noise.map { String($0, radix: 36) }.joined())
          try await bench.job("good", "echo hello")
          let good = try await bench.launch("good", on: "far").id
          try await bench.run(good, within: 120, "asks for the image that was built") {
            $0.message?.contains("registry.invalid/team/good@sha256:") == true
          }
          let log = try await bench.log(good)
          for text in [
            "flag --destination=registry.invalid/team/good:", "flag --digest-file=/dev/termination-log",
            "./source/noise.txt", "./source/run.sh", "FROM python:",
          ] { #expect(log.contains(text), "\(text): \(log)") }
          #expect(try await bench.lunaport("run", "stop", good).code == 0)

          try bench.write("bad/Dockerfile", "FROM scratch\n# fail-here\n")
          try await bench.job("bad", "echo never")
          let bad = try await bench.end(of: try await bench.launch("bad", on: "far").id, within: 120)
          #expect(bad.state == .failed && bad.reason == .build, "\(bad)")
          #expect(bad.message?.contains("the image cannot be built: exit code 1") == true, "\(bad)")
        }
      }
    }
  }
}
