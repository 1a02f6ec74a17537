import Client
import HTTP
import Synchronization
import Testing

@testable import Server

/// Requests that wait, and what ends them.
@Suite(.timeLimit(.minutes(1))) struct HTTPWaitTests {
  @Test func aThousandWaitingPollsAreAllAnswered() async throws {
    let count = 1000
    let waiting = Countdown(count)
    let release = Signal()
    try await withServer { routes in
      routes.on(.get, "/poll/{n}") { request in
        waiting.arrive()
        await release.wait()
        return .text(request.parameters["n"] ?? "")
      }
    } _: { server, url in
      let client = HTTPClient()
      let answers = try await withThrowingTaskGroup(of: String.self) { group in
        for n in 0..<count {
          group.addTask { try await client.send(.init(.get, "\(url)/poll/\(n)", timeout: .seconds(50))).text }
        }
        await waiting.wait()
        #expect(server.connectionCount == count)
        release.happen()
        return try await group.reduce(into: Set<String>()) { $0.insert($1) }
      }
      #expect(answers == Set((0..<count).map(String.init)))
    }
  }

  @Test func aConnectionIsUsedForOneRequestAfterAnother() async throws {
    try await withServer { routes in
      routes.on(.get, "/{n}") { request in
        await Task.yield()
        return .text(request.parameters["n"] ?? "")
      }
    } _: { server, url in
      let client = HTTPClient()
      for n in 0..<200 {
        let answer = try await client.send(.init(.get, "\(url)/\(n)"))
        #expect(answer.text == "\(n)")
      }
      #expect(server.connectionCount == 1)
    }
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
    try await withServer { routes in
      routes.on(.get, "/{n}") { request in
        for _ in 0..<(Int(request.parameters["n"] ?? "") ?? 0) { await Task.yield() }
        return .text("<\(request.parameters["n"] ?? "")>")
      }
    } _: { server, _ in
      let raw = RawClient(port: server.address.port)
      await raw.send(["9", "5", "1", "0"].map { "GET /\($0) HTTP/1.1\r\nHost: x\r\n\r\n" }.joined())
      let answer = await raw.read { $0.contains("<0>") }
      let order = answer.split(separator: "\r\n").filter { $0.contains("<") }.map { $0.prefix(3) }
      #expect(order == ["<9>", "<5>", "<1>", "<0>"])
    }
  }

  @Test func aClientThatHangsUpCancelsItsHandler() async throws {
    let waiting = Signal()
    let cancelled = Signal()
    try await withServer { routes in
      routes.on(.get, "/") { _ in
        waiting.happen()
        await withTaskCancellationHandler {
          await cancelled.wait()
        } onCancel: {
          cancelled.happen()
        }
        return .noContent()
      }
    } _: { server, _ in
      var raw: RawClient? = RawClient(port: server.address.port)
      await raw?.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      await waiting.wait()
      raw = nil
      await cancelled.wait()
      while server.connectionCount > 0 { try? await Task.sleep(for: .milliseconds(1)) }
    }
  }

  @Test func aClientThatHungUpBeforeItsHandlerBeganCancelsItToo() async throws {
    let cancelled = Signal()
    try await withServer { routes in
      routes.on(.get, "/") { _ in
        await cancelled.waitOrCancel()
        return .noContent()
      }
    } _: { server, _ in
      for _ in 0..<20 { await RawClient(port: server.address.port).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }
      while server.connectionCount > 0 { try? await Task.sleep(for: .milliseconds(1)) }
    }
  }

  @Test func aHandlerThatIgnoresItsCancellationDoesNotHoldTheConnection() async throws {
    let waiting = Signal()
    let release = Signal()
    try await withServer { routes in
      routes.on(.get, "/") { _ in
        waiting.happen()
        await release.wait()
        return .noContent()
      }
    } _: { server, _ in
      var raw: RawClient? = RawClient(port: server.address.port)
      await raw?.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      await waiting.wait()
      raw = nil
      while server.connectionCount > 0 { try? await Task.sleep(for: .milliseconds(1)) }
      release.happen()
    }
  }

  @Test func aShortHandlerRunsWithoutAThreadChange() async throws {
    try await withServer { routes in
      routes.on(.get, "/") { request in .text("\(pthreadName())") }
    } _: { _, url in
      // libmicrohttpd names its own threads.
      let answer = try await HTTPClient().send(.init(.get, url))
      #expect(answer.text.hasPrefix("MHD"))
    }
  }
}

/// The end of a server.
@Suite(.timeLimit(.minutes(1))) struct HTTPShutdownTests {
  private let client = HTTPClient()

  @Test func aWaitingPollEndsCleanlyAndAtOnce() async throws {
    let waiting = Signal()
    let never = Signal()
    var routes = HTTPRoutes()
    routes.on(.get, "/poll") { request in
      await request.whileWaiting {
        waiting.happen()
        await never.waitOrCancel()
      }
      return .noContent()
    }
    let server = try HTTPServer.start(
      listen: HTTPAddress(host: "127.0.0.1", port: 0), service: routes.service { _, _ in })
    async let answer = client.send(.init(.get, "http://\(server.address)/poll"))
    await waiting.wait()
    await server.shutdown(grace: .seconds(50))
    #expect(try await answer.status == 204)
    #expect(try await answer.headers["Connection"] == "close")
    let refused = await #expect(throws: HTTPClientError.self) {
      try await client.send(.init(.get, "http://\(server.address)/poll"))
    }
    #expect(refused?.code == .connectionRefused)
  }

  @Test func aRunningRequestIsFinishedWithinTheGraceTime() async throws {
    let running = Signal()
    let release = Signal()
    let server = try HTTPServer.start(listen: HTTPAddress(host: "127.0.0.1", port: 0)) { _ in
      running.happen()
      await release.wait()
      return .text(Task.isCancelled ? "cancelled" : "done")
    }
    async let answer = client.send(.init(.get, "http://\(server.address)/"))
    // A second connection is open and idle, and asks for something when the shutdown has begun.
    let idle = RawClient(port: server.address.port)
    await running.wait()
    while server.connectionCount < 2 { try? await Task.sleep(for: .milliseconds(1)) }
    async let shutdown: Void = server.shutdown(grace: .seconds(50))
    while !server.core.isClosing { try? await Task.sleep(for: .milliseconds(1)) }
    await idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    let refusal = await idle.readToEnd()
    #expect(refusal.hasPrefix("HTTP/1.1 503 "))
    #expect(refusal.contains(#""code":"server_closing""#))
    release.happen()
    await shutdown
    #expect(try await answer.text == "done")
  }

  @Test func aRequestBeyondTheGraceTimeIsAnsweredForAndCancelled() async throws {
    let running = Signal()
    let cancelled = Signal()
    let server = try HTTPServer.start(listen: HTTPAddress(host: "127.0.0.1", port: 0)) { _ in
      running.happen()
      await cancelled.waitOrCancel()
      return .text("late")
    }
    async let answer = client.send(.init(.get, "http://\(server.address)/"))
    await running.wait()
    await server.shutdown(grace: .milliseconds(50))
    #expect(try await answer.status == 503)
    #expect(cancelled.hasHappened)
  }

  @Test func aSecondShutdownWaitsForTheFirst() async throws {
    let server = try HTTPServer.start(listen: HTTPAddress(host: "127.0.0.1", port: 0)) { _ in .noContent() }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<3 { group.addTask { await server.shutdown(grace: .seconds(1)) } }
    }
  }

  /// Stopping while connections suspend and resume is where libmicrohttpd would abort the process.
  @Test(arguments: 0..<20) func aServerUnderLoadStopsAtOnce(round: Int) async throws {
    var routes = HTTPRoutes()
    routes.on(.get, "/yield") { _ in
      await Task.yield()
      return .text("ok")
    }
    routes.on(.get, "/wait") { _ in
      try await Task.sleep(for: .seconds(60))
      return .text("ok")
    }
    routes.on(.get, "/stream") { _ in
      .stream(contentType: "text/plain") { writer in
        while true {
          try await writer.write([65])
          await Task.yield()
        }
      }
    }
    routes.on(.put, "/upload", body: .file(directory: "/tmp", limit: 10 << 20)) { _ in .noContent() }
    let server = try HTTPServer.start(
      listen: HTTPAddress(host: "127.0.0.1", port: 0), threads: 1 + round % 2, service: routes.service { _, _ in })
    let url = "http://\(server.address)"
    let begun = Countdown(30)
    await withTaskGroup(of: Void.self) { group in
      for n in 0..<40 {
        group.addTask { [client] in
          do {
            while true {
              switch n % 4 {
              case 0: _ = try await client.send(.init(.get, "\(url)/yield"))
              case 1: _ = try await client.send(.init(.get, "\(url)/wait", timeout: .milliseconds(20 + n)))
              case 2:
                let stream = try await client.stream(.init(.get, "\(url)/stream", timeout: nil))
                begun.arrive()
                for try await _ in stream.body {}
                return
              default:
                let body = [UInt8](repeating: 65, count: 900_000)
                _ = try await client.send(.init(.put, "\(url)/upload", body: .bytes(body)))
              }
              begun.arrive()
            }
          } catch let error as HTTPClientError where error.code == .timeout {
            begun.arrive()
          } catch {}
        }
      }
      await begun.wait()
      await server.shutdown(grace: .milliseconds(round))
    }
  }
}
