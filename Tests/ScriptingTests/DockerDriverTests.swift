import ClientTesting
import FoundationEssentials
import Lua
import Model
import Testing

@testable import Scripting

/// What the plugin `docker` does with what queues ask for and engines answer.
@Suite(.timeLimit(.minutes(1))) struct DockerDriverTests {
  private static func answer(_ status: String, _ body: String) -> ScriptedServer.Step {
    .send("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
  }

  private static func plan(_ settings: Value, _ resource: Value) async throws -> DriverFailure? {
    let driver = try await PluginHostTests.Bench(settings: ["docker": settings]).driver("docker")
    let node = Node(resource, Origin(.run)).withDefaults(of: driver.declaration.resource, driver: "docker")
    do throws(DriverFailure) {
      _ = try await driver.plan(
        PlanRequest(
          run: "abcd1234", name: "calm-sea-1", attempt: 1, entity: "e", project: "p", queue: "q", author: "a", job: nil,
          entryPoint: [], environment: [:], image: "image:1", resource: node.value))
      return nil
    } catch { return error }
  }

  /// Whoever may speak to the engine may do anything on its machine.
  @Test func noRunGetsTheEnginesSocket() async throws {
    let usual: Value = ["mounts": ["/"]]
    let own: Value = ["mounts": ["/"], "endpoint": "unix:///srv/engine/api"]
    for (settings, source, isRefused) in [
      (usual, "/var/run/docker.sock", true), (usual, "/run/docker.sock", true), (usual, "/run", true),
      (usual, "/var/run/", true), (usual, "/", true), (usual, "/runs", false), (usual, "/srv/data", false),
      (own, "/srv/engine/api", true), (own, "/srv/engine", true), (own, "/srv", true), (own, "/srv/engines", false),
    ] {
      let failure = try await Self.plan(settings, ["Binds": .array([.string("\(source):/x:ro")])])
      #expect((failure != nil) == isRefused, "\(source): \(failure?.message ?? "taken")")
      if isRefused { #expect(failure?.message.contains("the engine's own socket") == true) }
    }
  }

  /// Somebody removed it: nothing more will come, and the run's end must not wait for more.
  @Test func theLogOfAContainerThatIsGoneHasEnded() async throws {
    let gone = #"{"message":"No such container: abc"}"#
    let server = ScriptedServer([
      .read(), Self.answer("200 OK", #"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20"}"#),
      .read(), Self.answer("404 Not Found", gone), .read(), Self.answer("404 Not Found", gone), .untilClosed,
    ])
    defer { server.stop() }
    let settings: Value = ["endpoint": .string("tcp://127.0.0.1:\(server.port)")]
    let driver = try await PluginHostTests.Bench(settings: ["docker": settings]).driver("docker")
    let chunk = try await driver.logs(["id": "abc", "token": "t"], cursor: nil)
    #expect(chunk.isEnd && chunk.bytes.isEmpty)
  }

  /// It was pushed once, and somebody has cleared the registry: it is built again. What cannot be told is not lost.
  @Test func anImageThatItsRegistryHasLostIsSeen() async throws {
    let answers: [(String, String, Bool)] = [
      ("404 Not Found", #"{"message":"manifest unknown: manifest unknown"}"#, true),
      ("404 Not Found", #"{"message":"name unknown: repository name not known to registry"}"#, true),
      ("404 Not Found", #"{"message":"page not found"}"#, false), ("404 Not Found", "Not Found", false),
      ("500 Internal Server Error", #"{"message":"dial tcp: connection refused"}"#, false),
      ("500 Internal Server Error", #"{"message":"unknown: blob"}"#, false), ("200 OK", "{}", false),
    ]
    let version = Self.answer("200 OK", #"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20"}"#)
    let server = ScriptedServer(
      [.read(), version] + answers.flatMap { [.read(), Self.answer($0.0, $0.1)] } + [.untilClosed])
    defer { server.stop() }
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1"], settings: ["endpoint": .string("tcp://127.0.0.1:\(server.port)")],
      files: try Self.files(["images", "engine", "registries"]),
      "return require('images').is_lost(ctx, 'r.example/a:1')")
    for (status, body, isLost) in answers {
      #expect(try await bed.act() == .boolean(isLost), "\(status) \(body)")
    }
    #expect(server.received[0].contains("GET /v1.41/distribution/r.example/a:1/json"))
  }

  private static func files(_ names: [String]) throws -> [String: String] {
    let folder = GoldenTests.repository.appending(path: "plugins/docker")
    var files: [String: String] = [:]
    for name in names {
      files["\(name).lua"] = String(
        decoding: try Data(contentsOf: folder.appending(path: "\(name).lua")), as: UTF8.self)
    }
    return files
  }
}
