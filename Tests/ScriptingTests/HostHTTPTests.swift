import ClientTesting
import FoundationEssentials
import Lua
import Model
import Testing

@testable import Scripting

@Suite(.timeLimit(.minutes(1))) struct HostHTTPTests {
  private static func ok(_ body: String, _ headers: String = "") -> String {
    "HTTP/1.1 200 OK\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  /// A plugin that sends what it is given.
  private static func sender(needs: [String] = ["http:127.0.0.1"], settings: Value = [:]) async throws -> PluginBed {
    try await PluginBed(
      needs: needs, settings: settings, "local answer, failed = host.http(...)\nreturn answer, failed")
  }

  @Test func aRequestIsSentAsThePluginDescribesIt() async throws {
    let server = ScriptedServer([
      .read(body: 29), .send("HTTP/1.1 404 Not Found\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\ngone"),
      .untilClosed,
    ])
    defer { server.stop() }
    let answer = try await Self.sender().act(
      [
        "method": "POST", "url": .string(server.url + "/p"), "headers": ["X-Mine": "v"],
        "query": ["b": "x y&z", "a": .list(["1", 2])],
        "json": .tree(["list": .table(LuaTable(tag: "list")), "n": 1, "null": .table(LuaTable(tag: "null"))]),
      ])
    #expect(answer["status"] == 404)
    #expect(answer["body"] == "gone")
    #expect(answer["headers"]["x-a"] == "1, 2")
    let lines = server.received[0].components(separatedBy: "\r\n")
    #expect(lines.first == "POST /p?a=1&a=2&b=x%20y%26z HTTP/1.1")
    #expect(lines.last == #"{"list":[],"n":1,"null":null}"#)
    #expect(Set(lines).isSuperset(of: ["X-Mine: v", "Content-Type: application/json", "Content-Length: 29"]))
  }

  @Test func bodiesAreBytesBothWays() async throws {
    let bytes = [UInt8](0...255)
    let server = ScriptedServer([
      .read(body: 256), .sendBytes(Array("HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n".utf8) + bytes), .untilClosed,
    ])
    defer { server.stop() }
    let answer = try await Self.sender().act(["method": "PUT", "url": .string(server.url), "body": .bytes(bytes)])
    #expect(answer["body"].bytes == bytes)
    #expect(server.receivedBytes[0].suffix(256) == bytes[...])
  }

  @Test func formsAndCredentialsAreCoded() async throws {
    let server = ScriptedServer(
      [.read(body: 13), .send(Self.ok("")), .read(), .send(Self.ok("")), .untilClosed])
    defer { server.stop() }
    let bed = try await Self.sender()
    _ = try await bed.act(
      ["method": "POST", "url": .string(server.url), "form": ["a": "x y", "b": "&"], "bearer": "t0ken"])
    _ = try await bed.act(["url": .string(server.url), "user": "me", "password": "p:w"])
    let text = server.received[0]
    #expect(text.contains("\r\n\r\na=x%20y&b=%26"))
    #expect(text.contains("Content-Type: application/x-www-form-urlencoded\r\n"))
    #expect(text.contains("Authorization: Bearer t0ken\r\n"))
    #expect(text.contains("Authorization: Basic bWU6cDp3\r\n"))
  }

  @Test func aLongAnswerIsRefusedOrCut() async throws {
    let server = ScriptedServer(
      [.read(), .send(Self.ok("0123456789"))], [.read(), .send(Self.ok("0123456789"))],
      [.read(), .send(Self.ok("0123456789")), .untilClosed])
    defer { server.stop() }
    let bed = try await Self.sender()
    let failure = await bed.failure(["url": .string(server.url), "limit": 9])
    #expect(failure?.code == .targetError)
    #expect(failure?.retry == .never)
    let cut = try await bed.act(["url": .string(server.url), "limit": 9, "cut": true])
    #expect(cut["body"] == "012345678")
    #expect(cut["cut"] == true)
    let whole = try await bed.act(["url": .string(server.url), "limit": 10, "cut": true])
    #expect(whole["body"] == "0123456789")
    #expect(whole["cut"] == nil)
  }

  /// What was never sent may be sent again; what was sent and not answered may have had its effect.
  @Test func failuresSayWhetherTheRequestWasSent() async throws {
    let server = ScriptedServer([.read()], [.read(), .untilClosed], [.read()])
    defer { server.stop() }
    let bed = try await Self.sender(needs: ["http:127.0.0.1", "http:*.invalid", "socket:/nonexistent/*"])
    let refused = await bed.failure(["method": "POST", "url": "http://127.0.0.1:1/a?token=hidden"])
    #expect(refused?.code == .unavailable)
    #expect(refused?.retry == .safe)
    #expect(refused?.message == "POST http://127.0.0.1:1/a: nothing listens there")
    let unknown = await bed.failure(["method": "POST", "url": "http://nowhere.invalid/"])
    #expect(unknown?.retry == .safe)
    let absent = await bed.failure(["method": "POST", "url": "http://x/v1", "socket": "/nonexistent/s"])
    #expect(absent?.retry == .safe)
    #expect(absent?.message.contains("http://x/v1 on /nonexistent/s: cannot connect") == true)
    let lost = await bed.failure(["method": "POST", "url": .string(server.url)])
    #expect(lost?.code == .unavailable)
    #expect(lost?.retry == .unknownEffect)
    let slow = await bed.failure(["method": "POST", "url": .string(server.url), "timeout": 0.2])
    #expect(slow?.code == .timeout)
    #expect(slow?.retry == .unknownEffect)
    #expect(await bed.failure(["url": .string(server.url)])?.retry == .safe)
    let nonsense = await bed.failure(["url": "gopher://127.0.0.1/"])
    #expect(nonsense?.code == .configInvalid)
  }

  @Test func aSocketIsReachedByItsPath() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "s-\(UUID().uuidString.prefix(8))").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let server = ScriptedServer(path: path, [.read(), .send(Self.ok("socket")), .untilClosed])
    defer { server.stop() }
    let bed = try await Self.sender(needs: ["socket:$endpoint"], settings: ["endpoint": .string("unix://" + path)])
    let answer = try await bed.act(["url": "http://docker/v1.41/info", "socket": .string("unix://" + path)])
    #expect(answer["body"] == "socket")
    let other = await bed.failure(["url": "http://docker/", "socket": "/var/run/docker.sock"])
    #expect(other?.message.contains("no permission `socket:/var/run/docker.sock`") == true)
  }

  @Test(arguments: ["/run/plugin/../docker.sock", "unix:///run/plugin/../docker.sock", "plugin/x.sock"])
  func aSocketIsJudgedByWhereItsPathLeads(_ path: String) async throws {
    let bed = try await Self.sender(needs: ["socket:/run/plugin/*"])
    let failure = await bed.failure(["url": "http://docker/", "socket": .string(path)])
    #expect(failure?.message.contains("is no absolute path, or leads upwards") == true, "\(failure?.message ?? "")")
  }

  @Test func noAnswerIsHeldThatThePluginCouldNotHold() throws {
    #expect(HostFunctions.kept(.max) == LuaPlugin.limits.memoryBytes)
    #expect(HostFunctions.kept(10) == 10)
    #expect(HostFunctions.kept(-1) == 0)
  }

  @Test func filesAreSentAndReceived() async throws {
    let server = ScriptedServer([
      .read(body: 7), .send(Self.ok("download")), .read(), .send("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
      .untilClosed,
    ])
    defer { server.stop() }
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1", "files"],
      """
      local url = ...
      host.files.append("up/a.txt", "upl")
      host.files.append("up/a.txt", "oad\\xff")
      local answer = assert(host.http { method = "PUT", url = url, file = "up/a.txt", into = "down.bin" })
      local refused = assert(host.http { url = url, into = "down.txt" })
      return {
        size = answer.size, body = answer.body, text = host.files.read("down.bin"), up = host.files.size("up/a.txt"),
        path = host.files.path("down.bin"), none = host.files.size("nothing"), refused = refused,
      }
      """)
    let answer = try await bed.act(.string(server.url))
    #expect(answer["size"] == 8)
    #expect(answer["body"] == nil)
    #expect(answer["text"] == "download")
    #expect(answer["up"] == 7)
    #expect(answer["path"].string == bed.root.path + "/data/down.bin")
    #expect(answer["none"] == nil)
    #expect(answer["refused"]["status"] == 500)
    #expect(server.receivedBytes[0].contains(0xff))
  }

  @Test func aRequestThatIsWrittenWrongIsABugWithItsPlace() async throws {
    let bed = try await Self.sender()
    for (request, words) in [
      (["uri": "http://127.0.0.1/"], "with a url"),
      (["url": "http://127.0.0.1/", "heders": [:]], "did you mean `headers`?"),
      (["url": "http://127.0.0.1/", "method": "get"], "in capitals"),
      (["url": "http://127.0.0.1/", "body": "a", "json": [:]], "`body` and `json`"),
      (["url": "http://127.0.0.1/", "timeout": -1], "more than 0"),
      (["url": "http://127.0.0.1/", "file": "a"], "no permission `files`"),
    ] as [(LuaValue, String)] {
      let failure = await bed.failure(request)
      #expect(failure?.code == .bug)
      #expect(failure?.message.contains("plugins/bed/driver.lua:2: ") == true, "\(failure?.message ?? "")")
      #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
    }
  }

  @Test func headersBeyondAllMeasureAreRefused() async throws {
    let field = "X-Long: \(String(repeating: "x", count: 60_000))\r\n"
    let server = ScriptedServer([
      .read(), .send("HTTP/1.1 200 OK\r\n" + String(repeating: field, count: 5) + "\r\n"), .untilClosed,
    ])
    defer { server.stop() }
    let failure = try await Self.sender().failure(["url": .string(server.url)])
    #expect(failure?.code == .targetError)
    #expect(failure?.message.contains("header") == true)
  }

  @Test func aServerIsTrustedByTextsAndByFiles() async throws {
    let server = try TLSServer(clients: 3, name: "DNS:engine", asksForCertificate: true)
    let folder = String(server.certificate.dropLast("/certificate.pem".count))
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1", "read:\(folder)/*"],
      """
      local how, url, folder = ...
      local tls = { server_name = "engine" }
      if how == "texts" then
        tls.ca, tls.cert = host.read(folder .. "/certificate.pem"), host.read(folder .. "/certificate.pem")
        tls.key = host.read(folder .. "/key.pem")
      elseif how == "files" then
        tls.ca_file, tls.cert_file = folder .. "/certificate.pem", folder .. "/certificate.pem"
        tls.key_file = folder .. "/key.pem"
      elseif how == "absent" then
        tls.ca_file = folder .. "/none.pem"
      elseif how == "denied" then
        tls.ca_file = "/etc/ssl/certs/ca-certificates.crt"
      end
      local answer, failed = host.http { url = url, tls = tls }
      return answer and answer.status, failed
      """)
    func act(_ how: LuaValue) async -> DriverFailure? {
      await bed.failure(how, .string(server.url), .string(folder))
    }
    #expect(await act("texts") == nil)
    #expect(await act("files") == nil)
    #expect(await act("absent")?.code == .notFound)
    #expect(await act("denied")?.message.contains("no permission `read:/etc/ssl") == true)
    let nobody = await act("nobody")
    #expect(nobody?.code == .unavailable)
    #expect(nobody?.retry == .safe)
  }

  @Test func requestsToAWSAreSigned() async throws {
    let server = ScriptedServer([.read(body: 2), .send(Self.ok("{}")), .untilClosed])
    defer { server.stop() }
    let bed = try await Self.sender()
    let aws: LuaTree = ["region": "eu-west-1", "service": "sagemaker", "key": "AKID", "secret": "s", "token": "t"]
    _ = try await bed.act(["url": .string(server.url + "/"), "method": "POST", "json": [:], "aws": .tree(aws)])
    let text = server.received[0]
    #expect(text.contains("Authorization: AWS4-HMAC-SHA256 Credential=AKID/"))
    #expect(text.contains("/eu-west-1/sagemaker/aws4_request, SignedHeaders="))
    #expect(text.contains("x-amz-security-token"))
    #expect(text.contains("Content-Type: application/json\r\n"))
    #expect(await bed.failure(["url": "http://127.0.0.1/", "aws": .tree(aws), "bearer": "x"])?.code == .bug)
    #expect(await bed.failure(["url": "http://127.0.0.1/", "aws": ["region": "r"]])?.code == .bug)
  }

  /// A server that takes connections and never says anything.
  @Test func callsThatWaitHoldNoThread() async throws {
    let server = ScriptedServer(all: Array(repeating: [.untilClosed], count: HostFunctions.connectionsPerHost))
    defer { server.stop() }
    let bed = try await Self.sender()
    let url = server.url
    let threads = try Self.threads()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<500 { group.addTask { _ = await bed.failure(["url": .string(url), "timeout": 60]) } }
      while server.accepted < HostFunctions.connectionsPerHost { try? await Task.sleep(for: .milliseconds(1)) }
      // Each connection has a thread of the server's, and the tests beside this one have theirs.
      #expect((try? Self.threads()).map { $0 - threads } ?? .max < HostFunctions.connectionsPerHost + 200)
      #expect(server.accepted == HostFunctions.connectionsPerHost)
      group.cancelAll()
    }
    while server.closed < HostFunctions.connectionsPerHost { try? await Task.sleep(for: .milliseconds(1)) }
  }

  private static func threads() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
  }

  // MARK: permissions

  @Test func hostsAreThoseOfThePermissions() async throws {
    let bed = try await Self.sender(
      needs: ["http:*.Example.invalid", "http:$endpoint", "http:[::1]"],
      settings: ["endpoint": "https://Inner.invalid:6443/base"])
    func isDenied(_ url: String) async -> Bool {
      await bed.failure(["url": .string(url), "timeout": 2])?.message.contains("no permission `http:") == true
    }
    #expect(await !isDenied("http://a.example.invalid/"))
    #expect(await !isDenied("http://inner.invalid/"))
    #expect(await !isDenied("http://INNER.invalid:1/"))
    #expect(await !isDenied("http://[::1]:1/"))
    #expect(await isDenied("http://example.invalid/"))
    #expect(await isDenied("http://inner.invalid.evil.invalid/"))
    #expect(await isDenied("http://a.example.invalid@evil.invalid/"))
    #expect(await isDenied("http://evil.invalid/#.example.invalid"))
    #expect(await isDenied("http://127.0.0.1/"))
    #expect(await isDenied("http://0x7f000001/"))
    let none = try await Self.sender(needs: ["http:$endpoint", "files"])
    #expect(await none.failure(["url": "http:///"])?.code == .configInvalid)
    #expect(await none.failure(["url": "http://x/"])?.message.contains("no permission `http:x`") == true)
  }

  // MARK: streams

  private static let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

  /// Reads lines until one of them is `stop`.
  private static func reader(_ kind: String = "lines", _ each: String = "return line ~= 'stop'") async throws
    -> PluginBed
  {
    try await PluginBed(
      needs: ["http:127.0.0.1"],
      """
      local lines = {}
      local answer, failed = host.http.\(kind)(..., function(line)
        lines[#lines + 1] = line
        \(each)
      end)
      if failed then failed.detail = table.concat(lines, "|") return nil, failed end
      return { lines = lines, ended = answer.ended, status = answer.status, body = answer.body }
      """)
  }

  @Test func linesComeAsTheyAreWrittenAndWhole() async throws {
    let server = ScriptedServer([
      .read(), .send(Self.chunked), .send("4\r\none\n\r\n"), .send("2\r\ntw\r\n"), .send("3\r\no\r\n\r\n"),
      .sendBytes(Array("4\r\n\n".utf8) + [0xff, 0x0A, 0x7a] + Array("\r\n0\r\n\r\n".utf8)), .untilClosed,
    ])
    defer { server.stop() }
    let answer = try await Self.reader().act(["url": .string(server.url)])
    #expect(answer["lines"] == .table(LuaTable(items: ["one", "two", "", .bytes([0xff]), "z"])))
    #expect(answer["ended"] == "eof")
    #expect(answer["status"] == 200)
  }

  @Test func aReaderThatHasEnoughClosesTheConnection() async throws {
    let server = ScriptedServer([.read(), .send(Self.chunked), .send("b\r\none\nstop\nno\r\n"), .untilClosed])
    defer { server.stop() }
    let answer = try await Self.reader().act(["url": .string(server.url)])
    #expect(answer["lines"] == ["one", "stop"])
    #expect(answer["ended"] == "stopped")
    await server.waitForClose()
  }

  /// A call may go on for an hour after it; a `watch` does.
  @Test func aStreamIsClosedBeforeItsCallHasEnded() async throws {
    let server = ScriptedServer([.read(), .send(Self.chunked), .send("4\r\none\n\r\n"), .untilClosed])
    defer { server.stop() }
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1"],
      """
      assert(host.http.lines(..., function() return false end))
      host.log("stopped")
      host.sleep(600)
      """)
    let url = server.url
    let task = Task { await bed.failure(["url": .string(url)], within: 600) }
    while bed.logged.all.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
    await server.waitForClose()
    task.cancel()
    _ = await task.value
  }

  @Test func aReaderThatRaisesClosesTheConnection() async throws {
    let server = ScriptedServer([.read(), .send(Self.chunked), .send("4\r\none\n\r\n"), .untilClosed])
    defer { server.stop() }
    let failure = try await Self.reader("lines", "error('broken')").failure(["url": .string(server.url)])
    #expect(failure?.code == .bug)
    await server.waitForClose()
  }

  @Test func cancellingTheCallClosesTheConnection() async throws {
    let server = ScriptedServer([.read(), .send(Self.chunked), .send("4\r\none\n\r\n"), .untilClosed])
    defer { server.stop() }
    let bed = try await Self.reader("lines", "host.log(line)")
    let url = server.url
    let task = Task { await bed.failure(["url": .string(url)]) }
    while bed.logged.all.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
    task.cancel()
    #expect(await task.value?.code == .cancelled)
    await server.waitForClose()
  }

  @Test func aCallThatIsOutOfTimeClosesTheConnection() async throws {
    let server = ScriptedServer([.read(), .untilClosed])
    defer { server.stop() }
    let failure = try await Self.reader().failure(["url": .string(server.url)], within: 0.2)
    #expect(failure?.code == .timeout)
    await server.waitForClose()
  }

  @Test func theReaderMayWaitAndTheSenderIsSlowedDown() async throws {
    let line = String(repeating: "x", count: 1_023) + "\n"
    let count = 4_000
    let body = String(repeating: line, count: count)
    let server = ScriptedServer([.read(), .send(Self.ok(body)), .untilClosed])
    defer { server.stop() }
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1"],
      """
      local count, bytes = 0, 0
      local answer = assert(host.http.lines(..., function(line)
        count, bytes = count + 1, bytes + #line
        if count % 100 == 1 then host.sleep(0.001) end
      end))
      return { count, bytes, answer.ended }
      """)
    let answer = try await bed.act(["url": .string(server.url)])
    #expect(answer == .table(LuaTable(items: [4_000, .integer(Int64(1_023 * count)), "eof"])))
  }

  @Test func aRefusalOfAStreamIsAnAnswer() async throws {
    let server = ScriptedServer([.read(), .send("HTTP/1.1 410 Gone\r\nContent-Length: 5\r\n\r\nstale"), .untilClosed])
    defer { server.stop() }
    let answer = try await Self.reader().act(["url": .string(server.url)])
    #expect(answer["status"] == 410)
    #expect(answer["body"] == "stale")
    #expect(answer["lines"] == .table(LuaTable()))
  }

  @Test func aStreamThatBreaksOffIsAFailure() async throws {
    let server = ScriptedServer([.read(), .send(Self.chunked), .send("4\r\none\n\r\n")])
    defer { server.stop() }
    let failure = try await Self.reader().failure(["url": .string(server.url)])
    #expect(failure?.code == .unavailable)
    #expect(failure?.retry == .safe)
    #expect(failure?.detail == "one")
  }

  @Test func aLineWithoutEndIsRefused() async throws {
    let body = String(repeating: "x", count: LineSplitter.lineMax + 1)
    let server = ScriptedServer([.read(), .send(Self.ok(body)), .untilClosed])
    defer { server.stop() }
    let failure = try await Self.reader().failure(["url": .string(server.url)])
    #expect(failure?.code == .targetError)
    await server.waitForClose()
  }

  @Test func chunksAreTheBytesInOrder() async throws {
    let server = ScriptedServer([
      .read(), .send(Self.chunked), .send("3\r\na\nb\r\n"), .sendBytes(Array("2\r\n".utf8) + [0xc3, 0x28]),
      .send("\r\n0\r\n\r\n"), .untilClosed,
    ])
    defer { server.stop() }
    let answer = try await Self.reader("chunks").act(["url": .string(server.url)])
    let bytes = (answer["lines"].table?.items ?? []).flatMap { $0.bytes ?? [] }
    #expect(bytes == Array("a\nb".utf8) + [0xc3, 0x28])
  }

  @Test func aPluginReadsABoundedNumberOfAnswersAtOnce() async throws {
    let scripts = Array(
      repeating: [ScriptedServer.Step.read(), .send(Self.chunked + "2\r\nx\n\r\n"), .untilClosed],
      count: StreamCount.most)
    let last = [ScriptedServer.Step.read(), .send(Self.ok("again"))]
    let server = ScriptedServer(all: scripts + [last])
    defer { server.stop() }
    let bed = try await Self.reader("lines", "host.log(line)")
    let url = server.url
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<StreamCount.most { group.addTask { _ = await bed.failure(["url": .string(url)]) } }
      while bed.logged.all.count < StreamCount.most { try? await Task.sleep(for: .milliseconds(1)) }
      let failure = await bed.failure(["url": .string(url)])
      #expect(failure?.code == .unavailable)
      #expect(failure?.message.contains("at once already") == true)
      group.cancelAll()
    }
    #expect(try await bed.act(["url": .string(url)])["lines"] == ["again"])
  }
}
