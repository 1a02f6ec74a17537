import Client
import Glibc
import HTTP
import Testing

@testable import Server

/// What a client may not do, and what it is told.
@Suite(.timeLimit(.minutes(1))) struct HTTPLimitTests {
  private let client = HTTPClient()

  private func limits(_ change: (inout HTTPLimits) -> Void) -> HTTPLimits {
    var limits = HTTPLimits()
    change(&limits)
    return limits
  }

  private let echo: @Sendable (inout HTTPRoutes) -> Void = { routes in
    routes.on(.post, "/echo") { .text("\($0.bytes.count)") }
    routes.on(.post, "/small", body: .memory(limit: 10)) { .text("\($0.bytes.count)") }
    routes.on(.get, "/") { _ in .text("up") }
  }

  // MARK: Bodies

  @Test func aBodyUpToTheLimitIsTakenAndOneBeyondIsRefused() async throws {
    try await withServer(limits: limits { $0.body = 100_000 }, routes: echo) { _, url in
      let cases = [
        ("/echo", 100_000, 200), ("/echo", 100_001, 413), ("/small", 10, 200), ("/small", 11, 413),
        ("/echo", 3_000_000, 413), ("/nowhere", 3_000_000, 404),
      ]
      for (path, count, status) in cases {
        let body = HTTPClient.Body.bytes([UInt8](repeating: 65, count: count))
        let answer = try await client.send(.init(.post, url + path, body: body))
        #expect(answer.status == status, "\(count) bytes to \(path)")
      }
    }
  }

  @Test func allBodiesTogetherAreBoundedAndGiveTheirRoomBack() async throws {
    try await withServer(limits: limits { $0.bodies = 300_000 }, routes: echo) { _, url in
      // Again and again: what one request took is there for the next.
      for _ in 0..<4 {
        for (count, status) in [(200_000, 200), (500_000, 503), (1_000, 200)] {
          let body = HTTPClient.Body.bytes([UInt8](repeating: 65, count: count))
          let answer = try await client.send(.init(.post, url + "/echo", body: body))
          #expect(answer.status == status, "\(count) bytes")
        }
      }
    }
  }

  @Test func aBodyBeyondTheLimitIsNotReadFirst() async throws {
    try await withServer(limits: limits { $0.body = 100 }, routes: echo) { server, _ in
      let raw = RawClient(port: server.address.port)
      await raw.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n")
      let answer = await raw.readToEnd()
      #expect(answer.hasPrefix("HTTP/1.1 413 "))
      #expect(answer.contains(#""code":"body_too_large""#))
    }
  }

  @Test func aChunkedBodyIsCountedAsItComes() async throws {
    try await withServer(limits: limits { $0.body = 100 }, routes: echo) { server, _ in
      let chunk = "40\r\n" + String(repeating: "x", count: 64) + "\r\n"
      let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      let within = RawClient(port: server.address.port)
      await within.send(head + chunk + "0\r\n\r\n")
      #expect(await within.read { $0.hasSuffix("64") }.hasPrefix("HTTP/1.1 200 "))
      let beyond = RawClient(port: server.address.port)
      await beyond.send(head + chunk + chunk + "0\r\n\r\n")
      #expect(await beyond.read { $0.hasSuffix("}}") }.hasPrefix("HTTP/1.1 413 "))
      // The connection is good for another request.
      await beyond.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(await beyond.read { $0.hasSuffix("up") }.hasPrefix("HTTP/1.1 200 "))
    }
  }

  @Test func aChunkedBodyWithoutEndIsCutOff() async throws {
    try await withServer(limits: limits { $0.body = 100 }, routes: echo) { server, _ in
      let raw = RawClient(port: server.address.port)
      await raw.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      let chunk = "10000\r\n" + String(repeating: "x", count: 65536) + "\r\n"
      var sent = 0
      while await raw.send(chunk) { sent += chunk.utf8.count }
      // What the sockets of both sides hold comes on top of what the server reads.
      #expect(sent < 20 << 20)
    }
  }

  // MARK: Headers

  @Test func aHeaderThatIsTooLargeIsRefused() async throws {
    try await withServer(routes: echo) { server, url in
      let fits = try await client.send(.init(.get, url, headers: ["X": String(repeating: "a", count: 7000)]))
      #expect(fits.status == 200)
      let large = try await client.send(.init(.get, url, headers: ["X": String(repeating: "a", count: 8500)]))
      #expect(large.status == 431)
      #expect(large.text.contains(#""code":"headers_too_large""#))
      for bomb in ["GET / HTTP/1.1\r\nX: ", "GET /"] {
        let raw = RawClient(port: server.address.port)
        await raw.send(bomb + String(repeating: "a", count: 1 << 20))
        let answer = await raw.readToEnd()
        #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 431 ") || answer.hasPrefix("HTTP/1.1 414 "))
      }
      #expect(try await client.send(.init(.get, url)).text == "up")
    }
  }

  /// Around the memory of a connection, libmicrohttpd by itself leaves some sizes without an answer.
  @Test func aHeaderOfAnySizeIsAnswered() async throws {
    try await withServer(routes: echo) { server, url in
      func answer(_ line: String, _ fields: String = "") async -> String {
        let raw = RawClient(port: server.address.port)
        await raw.send("GET \(line) HTTP/1.1\r\nHost: x\r\n\(fields)Connection: close\r\n\r\n")
        return await raw.readToEnd()
      }
      for size in stride(from: 7_000, through: 12_000, by: 24) {
        let text = String(repeating: "a", count: size)
        let fields = (0..<size / 80).map { "X-\($0): 1\r\n" }.joined()
        for (line, fields) in [
          ("/" + text, ""), ("/?a=" + text, ""), ("/?a=1&b=2&c=" + text, ""), ("/", "X: \(text)\r\n"),
          ("/", "Cookie: a=\(text.dropLast(size / 2)); b=2\r\n"), ("/?" + text.dropFirst(3_000), fields),
        ] {
          let status = await answer(line, fields).split(separator: " ").dropFirst().first ?? "none"
          let isGood = ["200", "404", "414", "431"].contains(status)
          #expect(isGood, "\(status) for \(size) in \(line.prefix(12)) and \(fields.prefix(12))")
        }
      }
      let after = try await client.send(.init(.get, url))
      #expect(after.text == "up")
    }
  }

  @Test func aQueryOfTooManyItemsIsRefused() async throws {
    try await withServer(routes: echo) { server, url in
      for (count, status) in [(1, 200), (32, 200), (33, 414), (200, 414), (1_000, 414)] {
        for item in ["a=1", "a"] {
          let query = Array(repeating: item, count: count).joined(separator: "&")
          let answer = try await client.send(.init(.get, "\(url)/?\(query)"))
          #expect(answer.status == status, "\(count) of \(item)")
        }
      }
      for query in [String(repeating: "&", count: 5_000), String(repeating: "&", count: 33) + "a=1"] {
        let answer = try await client.send(.init(.get, "\(url)/?\(query)"))
        #expect(answer.text.contains(#""code":"query_too_large""#), "\(answer.text)")
      }
      #expect(try await client.send(.init(.get, url)).text == "up")
    }
  }

  @Test func tooManyHeaderFieldsAreRefused() async throws {
    try await withServer(limits: limits { $0.headerCount = 20 }, routes: echo) { server, _ in
      func answer(_ count: Int) async -> String {
        let raw = RawClient(port: server.address.port)
        let fields = (0..<count).map { "X-\($0): 1\r\n" }.joined()
        await raw.send("GET / HTTP/1.1\r\nHost: x\r\n\(fields)Connection: close\r\n\r\n")
        return await raw.readToEnd()
      }
      #expect(await answer(18).hasPrefix("HTTP/1.1 200 "))
      #expect(await answer(19).hasPrefix("HTTP/1.1 431 "))
    }
  }

  // MARK: Connections

  @Test func oneAddressCannotTakeEveryConnection() async throws {
    try await withServer(limits: limits { $0.connectionsPerAddress = 3 }, routes: echo) { server, url in
      let held = (0..<3).map { _ in RawClient(port: server.address.port) }
      for raw in held {
        await raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(await raw.read { $0.hasSuffix("up") }.hasPrefix("HTTP/1.1 200 "))
      }
      let refused = try await client.send(.init(.get, url))
      #expect(refused.status == 429)
      #expect(refused.headers["Retry-After"] == "5")
      #expect(refused.text.contains(#""code":"too_many_connections""#))
      // It is closed with its answer, so that its place is free for the time when there are fewer.
      #expect(refused.headers["Connection"] == "close")
    }
  }

  @Test func thereAreNotMoreConnectionsThanAllowed() async throws {
    try await withServer(limits: limits { $0.connections = 2 }, routes: echo) { server, url in
      let held = (0..<2).map { _ in RawClient(port: server.address.port) }
      for raw in held {
        await raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = await raw.read { $0.hasSuffix("up") }
      }
      let refused = try await client.send(.init(.get, url))
      #expect(refused.status == 503)
      for _ in 0..<200 { _ = RawClient(port: server.address.port) }
      #expect(await held[0].send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
      #expect(await held[0].read { $0.hasSuffix("up") }.hasPrefix("HTTP/1.1 200 "))
    }
  }

  // MARK: Time

  /// Whether it sends a byte now and then makes no difference to this limit.
  @Test func aHeaderThatDoesNotEndIsCutOff() async throws {
    let limits = limits {
      $0.idle = .seconds(600)
      $0.receive = .seconds(-599)
    }
    try await withServer(limits: limits, routes: echo) { server, _ in
      let raw = RawClient(port: server.address.port)
      await raw.send("GET / HTTP/1.1\r\n")
      #expect(await raw.readToEnd().isEmpty)
    }
  }

  @Test func aBodyThatDoesNotEndIsCutOff() async throws {
    try await withServer(limits: limits { $0.receive = .seconds(1) }, routes: echo) { server, _ in
      let raw = RawClient(port: server.address.port)
      await raw.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
      #expect(await raw.readToEnd().isEmpty)
    }
  }

  @Test func anIdleConnectionIsClosed() async throws {
    try await withServer(limits: limits { $0.idle = .seconds(1) }, routes: echo) { server, _ in
      let raw = RawClient(port: server.address.port)
      await raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(await raw.readToEnd().hasSuffix("up"))
    }
  }

  @Test func aHandlerThatTakesTooLongIsCancelledAndAnsweredFor() async throws {
    let cancelled = Signal()
    try await withServer(limits: limits { $0.answer = .seconds(1) }) { routes in
      routes.on(.get, "/") { _ in
        await cancelled.waitOrCancel()
        return .text("late")
      }
    } _: { _, url in
      let answer = try await client.send(.init(.get, url))
      #expect(answer.status == 503)
      #expect(answer.text.contains(#""code":"answer_timeout""#))
      await cancelled.wait()
    }
  }
}

/// What is not a request.
@Suite(.timeLimit(.minutes(1))) struct HTTPBadRequestTests {
  private func answer(_ server: HTTPServer, _ request: String) async -> String {
    let raw = RawClient(port: server.address.port)
    await raw.send(request)
    raw.closeSending()
    return await raw.readToEnd()
  }

  @Test(arguments: [
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\na",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    "GET a HTTP/1.1\r\nHost: x\r\n\r\n",
  ])
  func malformedRequestsGet400(request: String) async throws {
    let reached = Signal()
    let service = HTTPService { _ in
      reached.happen()
      return .noContent()
    }
    try await withServer(service) { server, _ in
      let raw = RawClient(port: server.address.port)
      await raw.send(request)
      let answer = await raw.read { $0.contains("\r\n\r\n") }
      #expect(answer.hasPrefix("HTTP/1.1 400 "))
      #expect(!reached.hasHappened)
    }
  }

  @Test func absoluteTargetsAndTheServerItselfAreRouted() async throws {
    let service = HTTPService { .text("\($0.method) \($0.path) \($0.segments)") }
    try await withServer(service) { server, _ in
      func body(_ target: String) async -> String {
        let raw = RawClient(port: server.address.port)
        await raw.send("GET \(target) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return await raw.readToEnd().components(after: "\r\n\r\n")
      }
      #expect(await body("http://example.org/a/b?x") == #"GET /a/b ["a", "b"]"#)
      #expect(await body("http://example.org") == #"GET / [""]"#)
      #expect(await body("*") == #"GET * ["*"]"#)
      #expect(await body("/a/http://b") == #"GET /a/http://b ["a", "http:", "", "b"]"#)
    }
  }

  /// Bytes that a seeded generator makes, some of them almost requests.
  @Test func garbageNeverStopsTheServer() async throws {
    var routes = HTTPRoutes()
    routes.on(.post, "/echo") { .text("\($0.bytes.count)") }
    routes.on(.put, "/up", body: .file(directory: "/tmp", limit: 1000)) { _ in .noContent() }
    let pieces = [
      "GET ", "POST ", "PUT ", "/echo", "/up", "/", " HTTP/1.1", " HTTP/1.0", " HTTP/9.9", "\r\n", "\r\n\r\n", "\n",
      "Host: x", "Content-Length: 5", "Content-Length: 99999999999999999999", "Transfer-Encoding: chunked",
      "Expect: 100-continue", "Connection: close", "Range: bytes=0-", "5\r\nabcde\r\n", "0\r\n\r\n", "\0", "\u{FFFD}",
      "ffffffffffffffff\r\n", ": ", "%", "?a=b&c", String(repeating: "A", count: 3000),
    ]
    try await withServer(routes.service { _, _ in }) { server, url in
      await withTaskGroup(of: Void.self) { group in
        for seed in 0..<300 {
          group.addTask {
            var random = SeededRandom(UInt64(seed))
            var request = ""
            for _ in 0..<Int.random(in: 1...30, using: &random) {
              request += pieces.randomElement(using: &random) ?? ""
            }
            _ = await self.answer(server, request)
          }
        }
      }
      let answer = try await HTTPClient().send(.init(.post, "\(url)/echo", body: .bytes([1, 2])))
      #expect(answer.text == "2")
    }
  }
}

extension String {
  func components(after separator: String) -> String {
    firstRange(of: separator).map { String(self[$0.upperBound...]) } ?? ""
  }
}

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
