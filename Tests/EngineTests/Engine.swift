import FoundationEssentials
import Model
import Processes
import Scripting
import Testing

@testable import EndToEndTesting

/// A real engine, or a double of a cloud, that a driver of this repository runs on: `Engines/SCRIPT.sh` starts it.
struct Engine: Sendable, CustomTestStringConvertible {
  var name: String
  var script: String
  var plugin: String
  /// In the plugin's `spec`.
  var fixture = "conformance"
  /// Which of the script's settings.
  var settings = "settings"
  /// What the suite has to skip here: capabilities, and parts of the fixture.
  var skips: Set<String>
  /// Runs go on while the engine is dead.
  var outlived = true

  var testDescription: String { name }

  /// All whose driver and script are in the repository.
  static let all = [
    Engine(name: "docker", script: "docker", plugin: "docker", skips: ["pending"], outlived: false),
    Engine(
      name: "docker over TLS", script: "docker", plugin: "docker", settings: "settings_tls", skips: ["pending"],
      outlived: false),
    Engine(name: "podman", script: "podman", plugin: "docker", fixture: "podman", skips: ["memory", "pending"]),
    Engine(name: "kubernetes", script: "kubernetes", plugin: "kubernetes", skips: ["signal", "stats"]),
    Engine(name: "slurm", script: "slurm", plugin: "slurm", skips: ["watch"]),
    Engine(name: "slurm by REST", script: "slurm", plugin: "slurm", settings: "settings_rest", skips: ["watch"]),
    Engine(name: "sagemaker", script: "cloud", plugin: "sagemaker", skips: cloudSkips),
    Engine(name: "vertex", script: "cloud", plugin: "vertex", skips: cloudSkips),
  ].filter {
    Disk.exists($0.scriptPath) && Disk.exists($0.fixturePath) && (wanted == ["1"] || wanted.contains($0.name))
  }

  /// Clouds bound no memory but that of their machines, and show the environment to whoever may look.
  private static let cloudSkips: Set<String> = ["limit.memory", "secrets", "signal", "stats", "watch"]

  /// Without LUNAPORT_ENGINES nothing is tried; with 1 all engines are, with names (`docker,podman`) those. One that does
  /// not start is a failure.
  private static let wanted = (BaseEnvironment.variable("LUNAPORT_ENGINES") ?? "").split(separator: ",").map(
    String.init)
  static let areWanted = !wanted.isEmpty
  static let wish: Comment = "set LUNAPORT_ENGINES=1 to try the drivers on real engines, which takes a while"

  private static let folder = "\(Bench.repository)/Tests/EngineTests/Engines"
  private var scriptPath: String { "\(Self.folder)/\(script).sh" }
  var pluginPath: String { "\(Bench.plugins)/\(plugin)" }
  var fixturePath: String { "\(pluginPath)/spec/\(fixture).lua" }

  /// Seconds that a script may take: the first start of Kubernetes builds it from its source.
  private static let scriptSeconds = 3_600.0

  func fixtureRead() throws -> Fixture {
    try Fixture(reading: SourceFile.read(fixturePath, as: "\(fixture).lua").get())
  }

  // MARK: The script

  @discardableResult
  func call(_ verb: String) async throws -> String {
    let result = try await Command(
      ["bash", scriptPath, verb], environment: ProcessInfo.processInfo.environment, timeout: Self.scriptSeconds
    ).run()
    let output = String(decoding: result.output, as: UTF8.self)
    guard result.succeeded else {
      throw Failure(text: "\(script).sh \(verb) failed: \(output)\(String(decoding: result.error, as: UTF8.self))")
    }
    return output
  }

  struct Failure: Error, CustomStringConvertible {
    var text: String
    var description: String { text }
  }

  /// Of each script: two tests of one engine would stop it for each other.
  private static let turns = Dictionary(
    uniqueKeysWithValues: Set(all.map(\.script) + ["moto"]).map { ($0, Turns(1)) })
  /// Of tests: an engine mostly waits, but each takes its share of the machine when it starts.
  private static let tests = Turns(4)
  /// The test has its turn already, and wants one more engine.
  @TaskLocal private static var isRunning = false

  /// A running engine, for as long as `body` takes. What fails is told.
  func running(_ body: (Place) async throws -> Void) async throws {
    await Self.turns[script]?.take()
    if Self.isRunning {
      try await started(body)
    } else {
      await Self.tests.take()
      try await Self.$isRunning.withValue(true) { try await started(body) }
      await Self.tests.give()
    }
    await Self.turns[script]?.give()
  }

  private func started(_ body: (Place) async throws -> Void) async throws {
    do {
      let last = try await call("start").split(separator: "\n").last.map(String.init) ?? ""
      let said = try Value(json: last)
      guard let settings = said[self.settings], settings[plugin] != nil else {
        throw Failure(text: "\(script).sh start gives no \(self.settings) of \(plugin): \(last)")
      }
      try await body(
        Place(settings: settings, variables: (said["env"]?.objectValue ?? [:]).compactMapValues(\.stringValue)))
    } catch {
      Issue.record("\(name): \(error)")
    }
    do { try await call("stop") } catch { Issue.record("\(name): \(error)") }
  }

  /// How an engine is reached.
  struct Place: Sendable {
    /// Of plugins, as an agent takes them.
    var settings: Value
    var variables: [String: String]
  }
}
