import Client
import Glibc
import HTTP
import Model
import Processes
import Synchronization
import Testing

/// Where a server is, and the key of its admin.
struct ServerPlace: Sendable {
  var url: String
  var key: String
}

extension Bench {
  static let plugins = "\(repository)/plugins"

  /// Starts `up` or `serve` and waits until it serves.
  /// - Parameter again: on the port of the one before it.
  @discardableResult
  func serve(
    _ verb: String = "serve", _ more: [String] = [], again: Bool = false, plugins: String = Bench.plugins,
    variables: [String: String] = [:]
  ) async throws -> Program {
    let before = server.withLock { $0 }
    let address = again ? before.map { String($0.url.dropFirst("http://".count)) } : nil
    let program = try start(
      verb,
      [
        verb, "--data", path("data"), "--listen", address ?? "127.0.0.1:0", "--queues", path("queues"), "--plugins",
        plugins,
      ] + more, variables)
    try await ready(program)
    return program
  }

  /// Waits until a server serves, and talks to that one from then on.
  func ready(_ program: Program) async throws {
    let line = try await within(20, "\(program.name) is ready") { try await program.output.line { _ in true } }
    let url = try #require(line.hasPrefix("ready http://") ? String(line.dropFirst("ready ".count)) : nil)
    let key = try #require(Disk.text(path("data/admin.key")))
    server.withLock { $0 = ServerPlace(url: url, key: String(key.filter { !$0.isWhitespace })) }
  }

  func up(_ more: String...) async throws -> Program { try await serve("up", more) }

  /// Starts an agent that keeps its things in a folder of its name, with a key of a service account.
  func agent(
    _ name: String, _ queues: [String], maxJobs: Int = 4, plugins: String = Bench.plugins, _ more: [String] = [],
    variables: [String: String] = [:]
  ) async throws -> Program {
    let key = try await serviceKey()
    return try start(
      "agent \(name)",
      ["agent"] + queues.flatMap { ["-q", $0] } + [
        "--plugins", plugins, "--data", path(name), "--max-jobs", String(maxJobs), "--name", name,
      ] + more, variables.merging(["LUNAPORT_API_KEY": key]) { $1 })
  }

  func serviceKey() async throws -> String {
    if let known = agentKey.withLock({ $0 }) { return known }
    let made = try await client.createKey(KeyRequest(account: "machines", role: .agent, entities: ["default"]))
    let key = try #require(made.key)
    agentKey.withLock { $0 = key }
    return key
  }

  /// Waits until the server counts the agent among those that poll `queue`.
  func polls(_ agent: String, _ queue: String) async throws {
    try await within(15, "agent \(agent) polls queue \(queue)") {
      try await self.follow(queue: queue) {
        try await self.client.queue(entity: "default", name: queue).agents.contains(agent)
      }
    }
  }

  // MARK: HTTP

  /// The API as the admin.
  var client: APIClient {
    let place = server.withLock { $0 }
    return APIClient(url: place?.url ?? "", key: place?.key, http: http)
  }

  /// The API with another key.
  func client(key: String) -> APIClient {
    APIClient(url: server.withLock { $0 }?.url ?? "", key: key, http: http)
  }

  /// One request as it is, for what has no method of its own.
  func request(
    _ method: HTTPMethod, _ path: String, _ body: Value? = nil, key: String? = nil
  ) async throws -> (status: Int, headers: HTTPHeaders, text: String) {
    let place = try #require(server.withLock { $0 })
    var headers: HTTPHeaders = ["Authorization": "Bearer \(key ?? place.key)"]
    if body != nil { headers["Content-Type"] = "application/json" }
    let response = try await http.send(
      HTTPClient.Request(
        method, place.url + path, headers: headers, body: body.map { .bytes(Array($0.json().utf8)) } ?? .none))
    return (response.status, response.headers, String(decoding: response.body, as: UTF8.self))
  }

  /// The value of a metric that has these labels.
  func metric(_ name: String) async throws -> Double? {
    let text = try await request(.get, "/metrics").text
    return text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
      .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
  }
}
