import Client
import ClientTesting
import Model
import Testing

@Suite struct APIClientTests {
  /// A server with one connection for each answer.
  private func server(_ answers: String...) -> (server: ScriptedServer, client: APIClient) {
    let server =
      switch answers.count {
      case 1: ScriptedServer([.read(), .send(answers[0])])
      case 2: ScriptedServer([.read(), .send(answers[0])], [.read(), .send(answers[1])])
      default:
        ScriptedServer([.read(), .send(answers[0])], [.read(), .send(answers[1])], [.read(), .send(answers[2])])
      }
    return (server, APIClient(url: server.url + "/", key: "lp-secret", http: HTTPClient()))
  }

  private func answer(_ status: String, _ body: String, type: String = "application/json", headers: String = "")
    -> String
  {
    "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\(headers)\r\n\(body)"
  }

  private static let run = """
    {"id":"abc12345","name":"calm-lake-1","state":"Running","inner_state":"running","attempt":1,"retries":0,"entity":"e",
    "project":"p","queue":"q","target":"process","priority":"medium","author":"alice","stop_requested":false,
    "created_at":"2026-07-01T12:00:00.000Z","queued_at":"2026-07-01T12:00:00.000Z","log_size":0,"args":[],"run_config":{},
    "resource":{}}
    """

  @Test func theKeyAndTheNamesGoWhereTheyBelong() async throws {
    let (server, client) = server(answer("200 OK", Self.run))
    defer { server.stop() }
    let run = try await client.run("a b/c?d")
    #expect(run.id == "abc12345")
    #expect(run.state == .running)
    let head = try #require(server.received.first)
    #expect(head.hasPrefix("GET /api/v1/runs/a%20b%2Fc%3Fd HTTP/1.1\r\n"), "\(head)")
    #expect(head.contains("Authorization: Bearer lp-secret\r\n"))
  }

  @Test func whatIsNotAskedForIsNotSent() async throws {
    let (server, client) = server(answer("200 OK", #"{"items":[],"next":"c2"}"#))
    defer { server.stop() }
    var query = RunQuery()
    query.queue = "gpu"
    query.states = [.failed, .crashed]
    let page = try await client.runs(query)
    #expect(page.next == "c2")
    #expect(
      server.received.first?.hasPrefix("GET /api/v1/runs?queue=gpu&limit=100&state=Failed&state=Crashed HTTP/1.1")
        == true)
  }

  @Test func warningsOfASubmissionAreGiven() async throws {
    let (server, client) = server(
      answer("201 Created", Self.run, headers: "Lunaport-Warning: nobody polls it\r\nLunaport-Warning: two\r\n"))
    defer { server.stop() }
    let submitted = try await client.submit(Submission(job: "a", queue: "q"))
    #expect(submitted.warnings == ["nobody polls it", "two"])
  }

  @Test func aRefusalCarriesAllThatTheServerSays() async throws {
    let body = #"{"error":{"code":"not_found","message":"there is no run `x`","hint":"list them"}}"#
    let (server, client) = server(answer("404 Not Found", body))
    defer { server.stop() }
    await #expect {
      _ = try await client.run("x")
    } throws: { error in
      guard let error = error as? APIError, case .refused(404, let body) = error else { return false }
      return body.code == "not_found" && body.hint == "list them" && error.isNotFound && !error.isTransient
    }
  }

  @Test("what is no answer of a server of ours is told apart", arguments: ["200 OK", "502 Bad Gateway"])
  func foreign(_ status: String) async throws {
    let (server, client) = server(answer(status, "<html>hello</html>", type: "text/html"))
    defer { server.stop() }
    await #expect {
      _ = try await client.run("x")
    } throws: { error in
      guard case .unreadable(_, let url, _, _) = error as? APIError else { return false }
      return url.hasSuffix("/api/v1/runs/x")
    }
  }

  @Test func aServerThatIsNotThereIsTransient() async throws {
    let client = APIClient(url: "http://127.0.0.1:1", key: nil, http: HTTPClient())
    await #expect {
      _ = try await client.viewer()
    } throws: { ($0 as? APIError)?.isTransient == true }
  }

  @Test func aRefusedStreamIsAnErrorToo() async throws {
    let (server, client) = server(answer("403 Forbidden", #"{"error":{"code":"forbidden","message":"not yours"}}"#))
    defer { server.stop() }
    await #expect {
      _ = try await client.log(of: "x", follow: true)
    } throws: { error in
      guard case .refused(403, let body) = error as? APIError else { return false }
      return body.message == "not yours"
    }
  }

  @Test func changesAreFollowedThroughALostConnection() async throws {
    let finished = Self.run.split(separator: "Running").joined(separator: "Finished")
    let flat = finished.split(separator: "\n").joined()
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    // The events end at once, as where the server stops; the run is asked for nevertheless, and the events again.
    let server = ScriptedServer(
      [.read(), .send(head)], [.read(), .send(answer("200 OK", Self.run))],
      [.read(), .send(head + "event: run\nid: 7\ndata: \(flat)\n\n"), .untilClosed],
      [.read(), .send(answer("200 OK", Self.run))])
    defer { server.stop() }
    let client = APIClient(url: server.url, key: nil, http: HTTPClient())
    var states: [VisibleState] = []
    for try await run in client.changes(ofRun: "abc12345") {
      states.append(run.state)
      if run.state == .finished { break }
    }
    #expect(states == [.running, .running, .finished])
  }

  @Test func aRunThatIsNotThereEndsItsChangesWithTheError() async throws {
    let body = #"{"error":{"code":"not_found","message":"there is no run `x`"}}"#
    let (server, client) = server(answer("404 Not Found", body))
    defer { server.stop() }
    await #expect {
      for try await _ in client.changes(ofRun: "x") {}
    } throws: { ($0 as? APIError)?.isNotFound == true }
  }
}
