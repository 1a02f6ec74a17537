import Client
import HTTP
import Model
import Synchronization
import Testing

@testable import Server

struct EventAPITests {
  /// Opens a stream of events, which is watched when this returns.
  private func open(
    _ api: TestAPI, _ query: String = "", after id: String? = nil, as key: String? = nil
  ) async throws -> HTTPStream {
    let before = api.service.feed.watchers
    var request = HTTPClient.Request(
      .get, "\(api.url)/api/v1/events\(query)", headers: ["Authorization": "Bearer \(key ?? api.admin)"])
    request.timeout = nil
    request.headers["Last-Event-ID"] = id
    let stream = try await api.client.stream(request)
    #expect(stream.status == 200)
    #expect(stream.headers["Content-Type"] == "text/event-stream")
    try await api.eventually("the stream is watched") { api.service.feed.watchers > before }
    return stream
  }

  private func watch(
    _ api: TestAPI, _ query: String = "", after id: String? = nil, as key: String? = nil
  ) async throws -> HTTPStream.Events.Iterator {
    try await open(api, query, after: id, as: key).events.makeAsyncIterator()
  }

  /// Events up to the one that fits.
  private func read(
    _ events: inout HTTPStream.Events.Iterator, until isLast: (ServerSentEvent) throws -> Bool
  ) async throws -> [ServerSentEvent] {
    var found: [ServerSentEvent] = []
    while let event = try await events.next() {
      found.append(event)
      if try isLast(event) { return found }
    }
    return found
  }

  private func state(_ event: ServerSentEvent) -> String? {
    event.event == "run" ? (try? Value(json: event.data))?["state"]?.stringValue : nil
  }

  @Test func aRunIsSeenGoingToItsEnd() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let agent = try await api.register().id
      var events = try await watch(api)
      let run = try await api.launch()
      let lease = try #require(try await api.lease(agent).leases.first)
      try await api.end(lease, agent)
      let seen = try await read(&events) { state($0) == "Finished" }
      #expect(
        seen.allSatisfy { $0.event != "run" || JSONSchema.named("Run").fits((try? Value(json: $0.data)) ?? .null) })
      #expect(seen.last.map { $0.data.contains(run.id) } ?? false)
      #expect(Set(seen.compactMap(\.id)).count == seen.count)
    }
  }

  @Test func aStreamEndsWithTheKeyOfWhoReadsIt() async throws {
    let clock = ManualClock()
    try await TestAPI.with(clock: clock.serverClock) { (api) async throws -> Void in
      let answer = try await api.post("/api/v1/keys", KeyRequest(account: "ann"))
      let key = try answer.decode(KeyView.self)
      let stream = try await open(api, as: key.key)
      var others = try await watch(api, as: try await api.key("bob"))
      clock.advance(by: 31)
      #expect(try await api.send(.delete, "/api/v1/keys/\(key.id)").status == 204)
      let isOver = Mutex(false)
      Task {
        defer { isOver.withLock { $0 = true } }
        for try await _ in stream.events {}
      }
      // Asked again and again: each look is a sleep of the clock.
      try await api.eventually("the stream is cut") {
        clock.advance(by: 31)
        return isOver.withLock { $0 }
      }
      try await api.job()
      _ = try await api.launch()
      #expect(try await read(&others) { state($0) != nil }.last?.event == "run")
    }
  }

  @Test func whoComesBackHearsWhatItMissed() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      var events = try await watch(api, "?queue=q")
      let first = try await api.launch()
      let last = try await read(&events) { $0.data.contains(first.id) }.last?.id
      let missed = try await api.launch()
      var again = try await watch(api, "?queue=q", after: last)
      let heard = try await read(&again) { $0.data.contains(missed.id) }
      #expect(heard.count == 1)
      var stranger = try await watch(api, after: "elsewhere-7")
      #expect(try await read(&stranger) { _ in true }.first?.event == "reset")
    }
  }

  @Test func oneSeesOnlyWhatBelongsToOnesEntities() async throws {
    try await TestAPI.with([.test(), .test("secret", entity: "other")]) { (api) async throws -> Void in
      try await api.job()
      try await api.job(entity: "other")
      let ann = try await api.key("ann")
      var events = try await watch(api, as: ann)
      _ = try await api.launch(Submission(job: "p/train", queue: "secret", entity: "other"))
      let own = try await api.launch()
      let seen = try await read(&events) { $0.data.contains(own.id) }
      #expect(seen.count == 1)
      #expect(try await api.send(.get, "/api/v1/events?entity=other", as: ann).status == 404)
    }
  }

  @Test func oneRunAloneCanBeWatched() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      try await api.job()
      let run = try await api.launch()
      var events = try await watch(api, "?run=\(run.id)")
      _ = try await api.launch()
      _ = try await api.register()
      try await api.send(.post, "/api/v1/queues/default/q/pause")
      try await api.send(.post, "/api/v1/runs/\(run.id)/stop")
      #expect(try await read(&events) { _ in true }.map(state) == ["Killed"])
    }
  }

  @Test func queuesAndAgentsAreWatchedToo() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      var events = try await watch(api)
      let agent = try await api.register()
      let first = try await read(&events) { $0.event == "agent" }
      #expect(first.last?.data.contains(agent.id) ?? false)
      try await api.send(.post, "/api/v1/queues/default/q/pause")
      let paused = try await read(&events) { $0.event == "queue" }
      #expect(try Value(json: paused.last?.data ?? "")["gate"] == "paused")
      api.configuration.change { $0.queues = [:] }
      _ = await api.service.reload()
      #expect(try await read(&events) { $0.event == "queue_gone" }.last?.data == #"{"entity":"default","name":"q"}"#)
    }
  }

  @Test func aSilentStreamShowsThatItLives() async throws {
    let clock = ManualClock()
    try await TestAPI.with(clock: clock.serverClock) { (api) async throws -> Void in
      var request = HTTPClient.Request(
        .get, "\(api.url)/api/v1/events", headers: ["Authorization": "Bearer \(api.admin)"])
      request.timeout = nil
      var body = try await api.client.stream(request).body.makeAsyncIterator()
      let comment = ServerSentEvent.comment("")
      var bytes: [UInt8] = []
      while bytes.count < comment.count { bytes += try #require(try await body.next()) }
      try await api.eventually("the stream sleeps") { clock.next != nil }
      clock.advance(by: Service.keepAliveSeconds)
      while bytes.count < 2 * comment.count { bytes += try #require(try await body.next()) }
      #expect(bytes == comment + comment)
    }
  }
}
