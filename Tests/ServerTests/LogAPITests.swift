import Client
import HTTP
import Model
import Testing

@testable import Server

struct LogAPITests {
  private func leased(_ api: TestAPI, retry: Bool = false) async throws -> (agent: String, lease: Lease) {
    try await api.job()
    let agent = try await api.register().id
    _ = try await api.launch()
    return (agent, try #require(try await api.lease(agent).leases.first))
  }

  private func put(
    _ api: TestAPI, _ lease: Lease, _ text: String, at offset: Int, as key: String? = nil
  ) async throws -> TestAPI.Answer {
    try await api.send(
      .put, "/api/v1/runs/\(lease.run)/log?attempt=\(lease.attempt)&epoch=\(lease.epoch)&offset=\(offset)",
      bytes: Array(text.utf8), as: key)
  }

  @Test func outputIsKeptByOffsetAndReadInPieces() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let (_, lease) = try await leased(api)
      #expect(try await put(api, lease, "hello ", at: 0).body["size"] == 6)
      #expect(try await put(api, lease, "hello world\n", at: 0).body["size"] == 12)
      let gap = try await put(api, lease, "later", at: 20)
      #expect((gap.status, gap.code) == (409, "gap"))
      #expect(gap.body["size"] == 12)
      let log = try await api.send(.get, "/api/v1/runs/\(lease.run)/log")
      #expect(log.text == "hello world\n")
      #expect(log.headers["Content-Type"] == "text/plain; charset=utf-8")
      #expect(log.headers["Lunaport-Log-Size"] == "12")
      #expect(try await api.send(.get, "/api/v1/runs/\(lease.run)/log?offset=6&limit=5").text == "world")
      #expect(try await api.send(.get, "/api/v1/runs/\(lease.run)/log?offset=99").text == "")
      #expect(try await api.send(.get, "/api/v1/runs/\(lease.run)/log?attempt=7").text == "")
      #expect(try await api.run(lease.run).logSize == 12)
    }
  }

  @Test func onlyTheHolderMayAppend() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let (_, lease) = try await leased(api)
      let other = try await api.key("robot", .agent)
      #expect(try await put(api, lease, "x", at: 0, as: other).status == 404)
      var stale = lease
      stale.epoch += 1
      #expect(try await put(api, stale, "x", at: 0).code == "stale")
      let run = try await api.launch()
      let never = try await api.send(.put, "/api/v1/runs/\(run.id)/log?attempt=0&epoch=0&offset=0", bytes: [65])
      #expect(never.status == 400)
    }
  }

  @Test func aFollowerSeesOutputAsItComesAndEndsWithTheRun() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let (agent, lease) = try await leased(api)
      _ = try await put(api, lease, "one\n", at: 0)
      var request = HTTPClient.Request(
        .get, "\(api.url)/api/v1/runs/\(lease.run)/log?follow=true", headers: ["Authorization": "Bearer \(api.admin)"])
      request.timeout = nil
      var body = try await api.client.stream(request).body.makeAsyncIterator()
      var text = ""
      while text != "one\n" { text += String(decoding: try #require(try await body.next()), as: UTF8.self) }
      _ = try await put(api, lease, "two\n", at: 4)
      while text != "one\ntwo\n" { text += String(decoding: try #require(try await body.next()), as: UTF8.self) }
      _ = try await put(api, lease, "three\n", at: 8)
      try await api.end(lease, agent)
      while let bytes = try await body.next() { text += String(decoding: bytes, as: UTF8.self) }
      #expect(text == "one\ntwo\nthree\n")
      #expect(api.service.feed.watchers == 0)
    }
  }

  @Test func aFollowerWaitsForTheFirstAttemptAndGoesOnWithTheNext() async throws {
    try await TestAPI.with([.test(retry: RetryPolicy(max: 1, on: [.failed]))]) { (api) async throws -> Void in
      try await api.job()
      let run = try await api.launch()
      async let followed = api.send(.get, "/api/v1/runs/\(run.id)/log?follow=true")
      try await api.eventually("somebody follows") { api.service.feed.watchers == 1 }
      let agent = try await api.register().id
      let first = try #require(try await api.lease(agent).leases.first)
      _ = try await put(api, first, "first\n", at: 0)
      try await api.end(first, agent, .exited(1))
      let second = try #require(try await api.lease(agent).leases.first)
      _ = try await put(api, second, "second\n", at: 0)
      try await api.end(second, agent)
      #expect(try await followed.text == "first\nsecond\n")
      #expect(try await api.send(.get, "/api/v1/runs/\(run.id)/log?attempt=1&follow=true").text == "first\n")
    }
  }

  @Test func aRunThatIsStoppedBeforeItStartsEndsItsFollowers() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let run = try await api.launch()
      async let followed = api.send(.get, "/api/v1/runs/\(run.id)/log?follow=true")
      try await api.eventually("somebody follows") { api.service.feed.watchers == 1 }
      try await api.send(.post, "/api/v1/runs/\(run.id)/stop")
      #expect(try await followed.text == "")
    }
  }
}
