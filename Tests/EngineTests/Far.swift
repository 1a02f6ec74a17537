import Model
import Processes
import Scripting
import Testing

@testable import Client
@testable import EndToEndTesting

/// A queue of an engine, with a job whose runs are shell scripts.
struct Far: Sendable {
  let bench: Bench
  let engine: Engine
  var place: Engine.Place
  let fixture: Fixture
  /// Seconds for one run: a cluster may have to fetch its image first.
  let patience = 180.0

  func agent() async throws -> Program {
    let settings = try bench.write("settings.json", place.settings.json())
    return try await bench.agent("one", ["far"], ["--settings", settings], variables: place.variables)
  }

  func prepare() async throws {
    try bench.write("queues/far.lua", Self.queue("far", on: engine.plugin, fixture.resource))
    _ = try await bench.serve()
    try await Self.job("work", of: fixture, bench)
  }

  static func queue(_ name: String, on target: String, _ resource: Value) -> String {
    "queue \"\(name)\" { target = \"\(target)\", resource = \(lua(resource)) }\n"
  }

  /// A job whose argument is a shell script; without a fixture one of local processes.
  static func job(_ name: String, of fixture: Fixture?, _ bench: Bench) async throws {
    guard let fixture, let image = fixture.image else {
      // The script comes as an argument, as it does to an image.
      return try await bench.job(name, "exec /bin/sh -c \"$1\"")
    }
    let source = Source(kind: .image, image: try ImageReference(image), entryPoint: fixture.shell)
    _ = try await bench.client.createJob(
      JobRequest(entity: nil, project: "p", name: name, source: source, inputs: nil, aliases: nil))
  }

  /// Starts a run of a shell script; gives its id.
  func launch(_ script: String, config: [String: Value]? = nil) async throws -> String {
    try await bench.launch("work", on: "far") {
      $0.overrides = Overrides(args: [script], runConfig: config)
    }.id
  }

  /// A document as Lua.
  static func lua(_ value: Value) -> String {
    switch value {
    case .array(let items): "{ \(items.map(lua).joined(separator: ", ")) }"
    case .object(let fields):
      "{ \(fields.sorted { $0.key < $1.key }.map { "[\"\($0)\"] = \(lua($1))" }.joined(separator: ", ")) }"
    case .null: "null"
    default: value.json()
    }
  }
}

extension Engine {
  /// Plays a scenario on this engine, with a server that has a queue of it.
  /// - Parameter fixture: another than the engine's own.
  func scenario(
    with fixture: Fixture? = nil, _ body: @escaping @Sendable (Bench, Far) async throws -> Void
  ) async throws {
    try await running { place in
      let fixture = try fixture ?? fixtureRead()
      try await EndToEndTesting.scenario(600) { bench in
        let far = Far(bench: bench, engine: self, place: place, fixture: fixture)
        try await far.prepare()
        try await body(bench, far)
      }
    }
  }
}
