import Model
import Testing

@testable import EndToEndTesting

/// What scripts rely on: the fixed names of JSON output, and who may do what.
struct ShapeTests {
  @Test func jsonHasTheFixedNames() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--name", "box")
      try await bench.polls("box", "local")
      try bench.write("j/run.sh", "#!/bin/sh\nexit 3\n", executable: true)
      let made = try await bench.lunaport(
        "job", "create", "code", bench.path("j/run.sh"), "--project", "p", "--name", "j", "--json")
      #expect(try Value(json: made.output)["name"] == "j", "\(made)")
      try bench.write("c.json", "{\"overrides\": {\"args\": [\"x\"]}}")
      let launched = try await bench.lunaport(
        "launch", "-j", "j", "-q", "local", "-p", "p", "-c", bench.path("c.json"), "--json")
      let submitted = try Value(json: launched.output)
      let id = try #require(submitted["id"]?.stringValue)
      #expect(id.count == 8 && id.allSatisfy { ("a"..."z").contains($0) || ("0"..."9").contains($0) })
      #expect(submitted["name"]?.stringValue?.split(separator: "-").count == 3)
      #expect(["Queued", "Pending", "Running", "Failed"].contains(submitted["state"]?.stringValue))
      _ = try await bench.end(of: id)

      let shown = try Value(json: try await bench.lunaport("run", "show", id, "--json").output)
      #expect(shown["state"] == "Failed")
      #expect(shown["exit_code"] == 3)
      #expect(shown["attempt"] == 1)
      #expect(shown["queue"] == "local")
      #expect(shown["author"] == "admin")
      for key in ["created_at", "started_at", "finished_at"] {
        #expect(shown[key]?.stringValue.flatMap(Timestamp.seconds) != nil, "\(key): \(shown)")
      }
      #expect(shown["args"] == ["x"])

      guard case .array(let queues) = try Value(json: try await bench.lunaport("queue", "list", "--json").output),
        let queue = queues.first
      else {
        Issue.record("no array of queues")
        return
      }
      #expect(queues.count == 1)
      #expect(queue["name"] == "local" && queue["entity"] == "default" && queue["target"] == "process")
      let one = try Value(json: try await bench.lunaport("queue", "show", "local", "--json").output)
      #expect(
        one["counts"] == [
          "Idle": 0, "Queued": 0, "Pending": 0, "Running": 0, "Killed": 0, "Crashed": 0, "Failed": 1, "Finished": 0,
        ], "\(one)")
    }
  }

  @Test func theAuthorOfARunIsWhoSubmittedItAndAgentsSubmitNothing() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--no-agent")
      try await bench.job("quick", "true")
      let made = try await bench.lunaport("key", "create", "alice", "--entity", "default", "--json")
      let key = try #require(try Value(json: made.output)["key"]?.stringValue, "\(made)")
      // The form that the wandb client takes: at most one dash, and 40 or more letters and digits behind it.
      let parts = key.split(separator: "-", omittingEmptySubsequences: false)
      #expect(parts.count <= 2)
      #expect(parts.last.map { $0.count >= 40 && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } } == true)
      let launched = try await bench.lunaport(
        ["launch", "-j", "quick", "-q", "local", "-p", "p", "-e", "default", "--json"], ["LUNAPORT_API_KEY": key])
      let id = try #require(try Value(json: launched.output)["id"]?.stringValue, "\(launched)")
      _ = try await bench.agent("one", ["local"])
      let run = try await bench.end(of: id)
      #expect(run.author == "alice" && run.state == .finished)

      let agentKey = try #require(bench.agentKey.withLock { $0 })
      let refused = try await bench.lunaport(
        ["launch", "-j", "quick", "-q", "local", "-p", "p"], ["LUNAPORT_API_KEY": agentKey])
      #expect(refused.code == 2)
      #expect(refused.errors.contains("forbidden"), "\(refused.errors)")
      let wrong = try await bench.lunaport(["run", "list"], ["LUNAPORT_API_KEY": "wrong"])
      #expect(wrong.code == 2 && wrong.errors.contains("unauthenticated"), "\(wrong.errors)")
      #expect(try await bench.runs(on: "local").count == 1)
    }
  }
}
