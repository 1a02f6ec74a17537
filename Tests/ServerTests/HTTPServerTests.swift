import Client
import HTTP
import Testing

@testable import Server

@Suite struct HTTPServerTests {
  private let client = HTTPClient()

  @Test func aRequestReachesItsHandlerWholeAndTheAnswerItsClient() async throws {
    try await withServer { routes in
      routes.on(.post, "/api/{kind}/{name}") { request in
        let query = request.query.map { "\($0.name)=\($0.value ?? "nil")" }.joined(separator: ",")
        return HTTPResponse(
          status: 201, headers: ["X-Peer": request.peer, "x-echo": request.headers["X-ASK"] ?? "none"],
          body: .bytes(
            Array("\(request.parameters["kind"] ?? "") \(request.parameters["name"] ?? "") \(query) ".utf8)
              + request.bytes))
      }
    } _: { _, url in
      let response = try await client.send(
        .init(
          .post, "\(url)/api/a%20b/%ED%81%90?x=1+2&y=%2B&flag&empty=", headers: ["X-Ask": "hello", "X-Empty": ""],
          body: .bytes(Array("body".utf8))))
      #expect(response.status == 201)
      #expect(response.text == "a b 큐 x=1 2,y=+,flag=nil,empty= body")
      #expect(response.headers["x-peer"] == "127.0.0.1")
      #expect(response.headers["X-Echo"] == "hello")
      #expect(response.headers["Content-Length"] == "\(response.body.count)")
    }
  }

  @Test func aRequestOfTheSameProcessIsJudgedAsOneFromAConnection() async throws {
    try await withServer { routes in
      routes.on(.put, "/{name}", body: .memory(limit: 4)) { request in
        .text("\(request.parameters["name"] ?? "") \(request.query.first?.value ?? "") \(request.bytes.count)")
      }
      routes.on(.put, "/upload/{name}", body: .file(directory: "/tmp", limit: 4)) { _ in .noContent() }
    } _: { server, _ in
      func answer(_ path: String, _ body: [UInt8]) async throws -> String {
        let response = await server.answer(
          try HTTPRequest(
            method: .put, path: path, query: [HTTPQueryItem(name: "at", value: "7")], body: body, peer: "here"))
        guard case .bytes(let bytes) = response.body else { return "\(response.status)" }
        return "\(response.status) \(String(decoding: bytes, as: UTF8.self))"
      }
      for (path, size, said) in [
        ("/a%20b", 4, "200 a b 7 4"), ("/a", 5, "413 "), ("/upload/a", 0, "413 "), ("/a/b/c", 0, "404 "),
      ] {
        let text = try await answer(path, Array(repeating: 65, count: size))
        #expect(text.hasPrefix(said), "\(path): \(text)")
      }
      await server.shutdown(grace: .seconds(1))
      let late = try await answer("/a", [])
      #expect(late.hasPrefix("503 "), "\(late)")
    }
  }

  @Test func headGivesTheHeaderOfGetAndNoBody() async throws {
    try await withServer { routes in
      routes.on(.get, "/text") { _ in .text("12345") }
      routes.on(.get, "/stream") { _ in
        .stream(contentType: "text/plain") { _ in Issue.record("a stream was started for HEAD") }
      }
    } _: { _, url in
      let response = try await client.send(.init(.head, "\(url)/text"))
      #expect(response.status == 200)
      #expect(response.headers["Content-Length"] == "5")
      #expect(response.body.isEmpty)
      let stream = try await client.send(.init(.head, "\(url)/stream"))
      #expect(stream.status == 200)
      #expect(stream.headers["Content-Type"] == "text/plain")
    }
  }

  @Test func optionsAndWrongMethodsNameWhatIsAllowed() async throws {
    try await withServer { routes in
      routes.on(.get, "/runs") { _ in .noContent() }
      routes.on(.post, "/runs") { _ in .noContent() }
    } _: { server, url in
      let options = try await client.send(.init(.options, "\(url)/runs"))
      #expect(options.status == 204)
      #expect(options.headers["Allow"] == "GET, HEAD, OPTIONS, POST")
      let all = RawClient(port: server.address.port)
      await all.send("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(await all.readToEnd().hasPrefix("HTTP/1.1 204 "))
      let delete = try await client.send(.init(.delete, "\(url)/runs"))
      #expect(delete.status == 405)
      #expect(delete.headers["Allow"] == "GET, HEAD, OPTIONS, POST")
      #expect(
        delete.text
          == #"{"error":{"code":"method_not_allowed","hint":"it takes GET, HEAD, OPTIONS, POST","message":"/runs does not take DELETE"}}"#
      )
      let nowhere = try await client.send(.init(.post, "\(url)/nowhere", body: .bytes([1])))
      #expect(nowhere.status == 404)
      #expect(nowhere.headers["Content-Type"] == "application/json")
    }
  }

  @Test func whatAHandlerThrowsIsRenderedOrReported() async throws {
    struct Broken: Error {}
    let reported = Signal()
    var routes = HTTPRoutes()
    routes.on(.get, "/fault") { _ in
      throw HTTPFault(status: 409, code: "taken", message: "the name is taken", hint: "choose another")
    }
    routes.on(.get, "/broken") { _ in throw Broken() }
    routes.on(.get, "/header") { _ in HTTPResponse(headers: ["X-Bad": "a\r\nX-Forged: b"]) }
    routes.on(.get, "/file") { _ in .file("/nonexistent", contentType: "text/plain") }
    let service = routes.service(
      render: { fault in .text("\(fault.status) \(fault.code)", status: fault.status) },
      report: { _, error in if error is Broken { reported.happen() } })
    try await withServer(service) { _, url in
      #expect(try await client.send(.init(.get, "\(url)/fault")).text == "409 taken")
      #expect(try await client.send(.init(.get, "\(url)/broken")).text == "500 internal_error")
      #expect(reported.hasHappened)
      let header = try await client.send(.init(.get, "\(url)/header"))
      #expect(header.status == 500)
      #expect(header.headers["X-Forged"] == nil)
      #expect(try await client.send(.init(.get, "\(url)/file")).status == 500)
    }
  }

  @Test func anAddressInUseIsNamed() async throws {
    try await withServer(HTTPService { _ in .noContent() }) { server, _ in
      let error = #expect(throws: HTTPListenError.self) {
        try HTTPServer.start(listen: server.address) { _ in .noContent() }
      }
      #expect(error?.hint == "another process listens there; stop it or choose another port")
    }
  }
}
