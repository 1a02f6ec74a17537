import ClientTesting
import Glibc
import HTTP
import Testing

@testable import Client

@Suite(.timeLimit(.minutes(1))) struct HTTPClientTests {
  private let client = HTTPClient()

  private func failure(_ request: HTTPClient.Request) async -> HTTPClientError? {
    await #expect(throws: HTTPClientError.self) { try await client.send(request) }
  }

  @Test func aRequestIsSentAsItWasGiven() async throws {
    let server = ScriptedServer([
      .read(body: 5), .send("HTTP/1.1 100 Continue\r\n\r\n"),
      .send("HTTP/1.1 202 Accepted\r\nX-A:  padded \r\nx-a: 2\r\nContent-Length: 2\r\n\r\nok"), .untilClosed,
    ])
    defer { server.stop() }
    let response = try await client.send(
      .init(.patch, "\(server.url)/p?q=1", headers: ["X-Mine": "v", "X-Empty": ""], body: .bytes(Array("12345".utf8))))
    #expect(response.status == 202)
    #expect(response.headers.values("X-A") == ["padded", "2"])
    #expect(String(decoding: response.body, as: UTF8.self) == "ok")
    let lines = server.received[0].split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines.first == "PATCH /p?q=1 HTTP/1.1")
    #expect(lines.last == "12345")
    #expect(Set(lines).isSuperset(of: ["X-Mine: v", "X-Empty:", "Content-Length: 5", "User-Agent: lunaport"]))
    #expect(!lines.contains { $0.hasPrefix("Content-Type") || $0.hasPrefix("Expect") })
  }

  @Test func nothingListening() async throws {
    let server = ScriptedServer()
    server.stop()
    let error = await failure(
      .init(.post, "http://user:secret@127.0.0.1:\(server.port)/a?key=secret#f", body: .bytes([1])))
    #expect(error?.code == .connectionRefused)
    #expect(error?.requestSent == false)
    #expect(error?.url == "http://127.0.0.1:\(server.port)/a")
  }

  @Test func anUnknownHost() async throws {
    let error = await failure(.init(.get, "http://no-such-host.invalid/"))
    #expect(error?.code == .unknownHost)
    #expect(error?.requestSent == false)
  }

  @Test(arguments: ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "", "http://a b/"])
  func onlyWholeHTTPURLsAreTaken(url: String) async throws {
    let error = await failure(.init(.get, url))
    #expect(error?.code == .invalidRequest)
    #expect(error?.requestSent == false)
  }

  @Test func aHeaderCannotCarryALineEnd() async throws {
    let error = await failure(.init(.get, "http://127.0.0.1:1/", headers: ["X": "a\r\nY: b"]))
    #expect(error?.code == .invalidRequest)
  }

  @Test func aServerThatDoesNotAnswerIsGivenUpOnAndMayHaveActed() async throws {
    let server = ScriptedServer([.read(body: 1), .untilClosed])
    defer { server.stop() }
    let error = await failure(.init(.post, server.url, body: .bytes([65]), timeout: .milliseconds(200)))
    #expect(error?.code == .timeout)
    #expect(error?.requestSent == true)
  }

  @Test func aBodyThatStallsIsGivenUpOn() async throws {
    let server = ScriptedServer([
      .read(), .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"), .untilClosed,
    ])
    defer { server.stop() }
    var request = HTTPClient.Request(.get, server.url, timeout: nil)
    request.stallTimeout = .seconds(1)
    #expect(await failure(request)?.code == .timeout)
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
  ])
  func aConnectionThatEndsTooSoonIsAnError(answer: String) async throws {
    let server = ScriptedServer([.read(), .send(answer)])
    defer { server.stop() }
    let error = await failure(.init(.get, server.url))
    #expect(error?.code == .connectionLost)
    #expect(error?.requestSent == true)
  }

  @Test func whatIsNotHTTPIsAnError() async throws {
    let server = ScriptedServer([.read(), .send("SSH-2.0-OpenSSH_9.2\r\n\r\n")])
    defer { server.stop() }
    #expect(await failure(.init(.get, server.url))?.code == .invalidResponse)
  }

  @Test(arguments: ["Content-Length: 2000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n7d0\r\n"])
  func anAnswerThatIsTooLargeIsRefused(framing: String) async throws {
    let body = String(repeating: "x", count: 2000)
    let server = ScriptedServer([.read(), .send("HTTP/1.1 200 OK\r\n\(framing)\(body)"), .untilClosed])
    defer { server.stop() }
    var request = HTTPClient.Request(.get, server.url)
    request.responseLimit = 1999
    #expect(await failure(request)?.code == .responseTooLarge)
  }

  @Test func cancellingTheTaskEndsTheTransfer() async throws {
    let server = ScriptedServer([.read(), .untilClosed], [.read(), .send("HTTP/1.1 204 No Content\r\n\r\n")])
    defer { server.stop() }
    let task = Task { try await client.send(.init(.get, server.url, timeout: nil)) }
    while server.received.first?.isEmpty ?? true { try? await Task.sleep(for: .milliseconds(1)) }
    task.cancel()
    let error = await #expect(throws: HTTPClientError.self) { try await task.value }
    #expect(error?.code == .cancelled)
    #expect(error?.requestSent == true)
    #expect(try await client.send(.init(.get, server.url)).status == 204)
  }

  @Test func aTaskThatIsCancelledBeforehandSendsNothing() async throws {
    let server = ScriptedServer([.read(), .send("HTTP/1.1 204 No Content\r\n\r\n")])
    defer { server.stop() }
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await client.send(.init(.get, server.url))
    }
    let error = await #expect(throws: HTTPClientError.self) { try await task.value }
    #expect(error?.code == .cancelled)
    #expect(error?.requestSent == false)
    #expect(server.accepted == 0)
  }

  @Test func connectionsAreUsedAgain() async throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    let server = ScriptedServer([
      .read(), .send(answer), .read(body: 1), .send(answer), .read(), .send(answer), .untilClosed,
    ])
    defer { server.stop() }
    for body in [HTTPClient.Body.none, .bytes([65]), .none] {
      let method: HTTPMethod = if case .none = body { .get } else { .post }
      #expect(try await client.send(.init(method, server.url, body: body)).status == 200)
    }
    #expect(server.accepted == 1)
  }

  /// The first connection dies after the second request has been read: a POST may have had its effect.
  @Test func aPostIsNeverSentTwice() async throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    let server = ScriptedServer([.read(body: 1), .send(answer), .read(body: 1)], [.read(body: 1), .send(answer)])
    defer { server.stop() }
    #expect(try await client.send(.init(.post, server.url, body: .bytes([65]))).status == 200)
    let error = await failure(.init(.post, server.url, body: .bytes([65])))
    #expect(error?.code == .connectionLost)
    #expect(error?.requestSent == true)
    // libcurl may connect again before it finds that it cannot rewind.
    #expect(server.received.dropFirst().joined() == "")
  }

  @Test func aPutIsSentAgainWhenAPooledConnectionIsDead() async throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    let server = ScriptedServer([.read(body: 1), .send(answer), .read(body: 1)], [.read(body: 1), .send(answer)])
    defer { server.stop() }
    #expect(try await client.send(.init(.put, server.url, body: .bytes([65]))).status == 200)
    #expect(try await client.send(.init(.put, server.url, body: .bytes([66]))).status == 200)
    #expect(server.received.count == 2)
    #expect(server.received.last?.last == "B")
  }

  @Test func redirectsAreFollowedOnlyWhenAsked() async throws {
    let target = ScriptedServer([.read(), .send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend")])
    let redirect = "HTTP/1.1 302 Found\r\nLocation: \(target.url)/x\r\nContent-Length: 4\r\n\r\nhere"
    let server = ScriptedServer([.read(), .send(redirect), .untilClosed], [.read(), .send(redirect), .untilClosed])
    defer {
      server.stop()
      target.stop()
    }
    // A client of its own for each, so that each gets a connection with a script.
    let plain = try await HTTPClient().send(.init(.get, server.url))
    #expect(plain.status == 302)
    #expect(String(decoding: plain.body, as: UTF8.self) == "here")
    var request = HTTPClient.Request(.get, server.url)
    request.redirects = 3
    let followed = try await HTTPClient().send(request)
    #expect(followed.status == 200)
    #expect(String(decoding: followed.body, as: UTF8.self) == "end")
  }

  @Test func lettingGoOfAStreamClosesItsConnection() async throws {
    let server = ScriptedServer([.read(), .send("HTTP/1.1 200 OK\r\n\r\nfirst"), .untilClosed])
    defer { server.stop() }
    var stream: HTTPStream? = try await client.stream(.init(.get, server.url, timeout: nil))
    #expect(stream?.status == 200)
    #expect(server.closed == 0)
    stream = nil
    await server.waitForClose()
  }
}

@Suite(.timeLimit(.minutes(1))) struct HTTPClientFileTests {
  private let client = HTTPClient()

  private func temporary() -> String {
    var template = Array("/tmp/lunaport-client-XXXXXX".utf8CString)
    close(mkstemp(&template))
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Test func filesAreSentAndReceived() async throws {
    let path = temporary()
    defer { unlink(path) }
    let down = ScriptedServer([.read(), .send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwritten")])
    defer { down.stop() }
    let response = try await client.download(.init(.get, down.url), to: path).answer
    #expect(response.status == 200 && response.body.isEmpty)
    let up = ScriptedServer([.read(body: 7), .send("HTTP/1.1 204 No Content\r\n\r\n")])
    defer { up.stop() }
    #expect(try await client.send(.init(.put, up.url, body: .file(path: path))).status == 204)
    #expect(up.received[0].hasSuffix("\r\n\r\nwritten"))
  }

  @Test func aFileThatIsNotThereIsNamed() async throws {
    let upload = await #expect(throws: HTTPClientError.self) {
      try await client.send(.init(.put, "http://127.0.0.1:1/", body: .file(path: "/nonexistent/a")))
    }
    #expect(upload?.code == .file)
    #expect(upload?.fact == "cannot read /nonexistent/a: No such file or directory")
    let download = await #expect(throws: HTTPClientError.self) {
      try await client.download(.init(.get, "http://127.0.0.1:1/"), to: "/dev/null/a")
    }
    #expect(download?.code == .file)
  }
}

@Suite(.timeLimit(.minutes(1))) struct HTTPStreamTests {
  private let client = HTTPClient()

  @Test func theHeaderComesBeforeTheBody() async throws {
    let server = ScriptedServer([
      .read(), .send("HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"), .untilClosed,
    ])
    defer { server.stop() }
    let stream = try await client.stream(.init(.get, server.url, timeout: nil))
    #expect(stream.status == 200)
    #expect(stream.headers["X-A"] == "1")
  }

  @Test func theBodyComesInPiecesAndTheEndIsSeen() async throws {
    let server = ScriptedServer([
      .read(), .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
      .send("3\r\ndef\r\n0\r\nX-Trailer: 1\r\n\r\n"), .untilClosed,
    ])
    defer { server.stop() }
    let stream = try await client.stream(.init(.get, server.url, timeout: nil))
    var all: [UInt8] = []
    for try await piece in stream.body { all += piece }
    #expect(String(decoding: all, as: UTF8.self) == "abcdef")
    #expect(stream.headers["X-Trailer"] == nil)
  }

  @Test func aServerGoneInMidBodyIsAnErrorAfterWhatCame() async throws {
    let server = ScriptedServer([.read(), .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")])
    defer { server.stop() }
    let stream = try await client.stream(.init(.get, server.url, timeout: nil))
    var all: [UInt8] = []
    let error = await #expect(throws: HTTPClientError.self) {
      for try await piece in stream.body { all += piece }
    }
    #expect(error?.code == .connectionLost)
    #expect(String(decoding: all, as: UTF8.self) == "abc")
  }

  @Test func aSlowReaderGetsEverything() async throws {
    let count = 4_000_000
    let server = ScriptedServer([
      .read(),
      .send("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n" + String(repeating: "x", count: count)),
      .untilClosed,
    ])
    defer { server.stop() }
    let stream = try await client.stream(.init(.get, server.url))
    var total = 0
    var largest = 0
    for try await piece in stream.body {
      total += piece.count
      largest = max(largest, piece.count)
      for _ in 0..<100 { await Task.yield() }
    }
    #expect(total == count)
    // The buffer, and one more piece of what libcurl reads at a time.
    #expect(largest <= StreamSink.capacity + 128 << 10)
  }

  @Test func eventsAreReadUntilTheServerEnds() async throws {
    let server = ScriptedServer([
      .read(), .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\nid: 1\nda"),
      .send("ta: a\n\nevent: end\ndata: b\n\ndata: not whole"),
    ])
    defer { server.stop() }
    let stream = try await client.stream(.init(.get, server.url, timeout: nil))
    var events: [ServerSentEvent] = []
    for try await event in stream.events { events.append(event) }
    #expect(events == [ServerSentEvent(id: "1", data: "a"), ServerSentEvent(event: "end", data: "b")])
  }

  @Test func cancellingAReaderEndsTheTransfer() async throws {
    let server = ScriptedServer([.read(), .send("HTTP/1.1 200 OK\r\n\r\nfirst"), .untilClosed])
    defer { server.stop() }
    let stream = try await client.stream(.init(.get, server.url, timeout: nil))
    let task = Task {
      for try await piece in stream.body where piece == Array("first".utf8) {
        withUnsafeCurrentTask { $0?.cancel() }
      }
    }
    let error = await #expect(throws: HTTPClientError.self) { try await task.value }
    #expect(error?.code == .cancelled)
  }

  @Test func anErrorBeforeTheHeaderIsThrown() async throws {
    let server = ScriptedServer()
    server.stop()
    let error = await #expect(throws: HTTPClientError.self) { try await client.stream(.init(.get, server.url)) }
    #expect(error?.code == .connectionRefused)
  }
}
