import Model
import Processes
import Testing

@testable import EndToEndTesting

/// Tests of drivers on their engines; those of one engine take turns.
enum EngineTests {}

extension EngineTests {
  /// Every driver keeps the contract on its real engine: `lunaport plugin test`, as people run it.
  struct ConformanceTests {
    /// Seconds for the whole suite on one engine; a cluster takes seconds for each of some fifty runs.
    private static let seconds = 2_400.0

    @Test(.enabled(if: Engine.areWanted, Engine.wish), arguments: Engine.all)
    func theDriverKeepsTheContract(engine: Engine) async throws {
      try await engine.running { place in
        let bench = try Bench()
        let settings = try bench.write("settings.json", place.settings.json())
        let result = try await Command(
          [
            "\(Bench.built)/lunaport", "plugin", "test", engine.pluginPath, "--fixture", engine.fixturePath,
            "--settings",
            settings, "--json",
          ], environment: bench.environment(place.variables), folder: bench.root, timeout: Self.seconds
        ).run()
        let output = String(decoding: result.output, as: UTF8.self)
        guard let cases = try? Value(json: output).arrayValue else {
          throw Engine.Failure(
            text: "plugin test ended with \(result.exitCode ?? -1): \(output)"
              + String(decoding: result.error, as: UTF8.self))
        }
        var skipped: Set<String> = []
        for one in cases {
          let (name, reason) = (one["name"]?.stringValue ?? "", one["reason"]?.stringValue ?? "")
          switch one["outcome"] {
          case "failed": Issue.record("\(engine.name): \(name): \(reason)")
          case "skipped":
            skipped.insert(
              String(reason.split(separator: "`", omittingEmptySubsequences: false).dropFirst().first ?? ""))
          default: break
          }
        }
        #expect(skipped == engine.skips, "\(engine.name) skips other cases than it should")
        #expect(cases.count > 25)
        await bench.close()
      }
    }
  }
}
