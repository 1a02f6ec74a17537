import ClientTesting
import FoundationEssentials
import Lua
import Model
import Testing

@testable import Scripting

/// Secrets are opened by the host, on their way out, and are never text in Lua.
@Suite(.timeLimit(.minutes(1))) struct HostSecretTests {
  private static let secrets = ["hf": "hunter2", "db": "p/w+1"]

  @Test func requestsCarryThemOpened() async throws {
    let server = ScriptedServer([
      .read(body: 75), .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), .read(body: 11),
      .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), .untilClosed,
    ])
    defer { server.stop() }
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1"],
      """
      local url, secret, other = ...
      assert(host.http {
        method = "POST", url = url, bearer = secret, headers = { ["X-Key"] = host.join("k=", secret, ";") },
        json = { Env = { host.join("TOKEN=", secret), "PLAIN=1" }, data = { key = host.base64.encode(other) }, s = secret },
      })
      assert(host.http { method = "POST", url = url, form = { a = other } })
      return { host.join("a", 1, "b"), host.join("k", secret), host.base64.encode(secret) }
      """)
    let seen = try await bed.act(
      .string(server.url), ["$secret": "hf"], ["$secret": "db"], secrets: Self.secrets)
    let text = server.received[0]
    #expect(text.contains(#"{"Env":["TOKEN=hunter2","PLAIN=1"],"data":{"key":"cC93KzE="},"s":"hunter2"}"#))
    #expect(text.contains("X-Key: k=hunter2;\r\n"))
    #expect(text.contains("Authorization: Bearer hunter2\r\n"))
    #expect(text.contains("\r\n\r\na=p%2Fw%2B1"))
    // What Lua holds stands for the text, and is a document.
    #expect(seen[0] == "a1b")
    #expect(seen[1] == ["$join": ["k", ["$secret": "hf"]]])
    #expect(seen[2] == ["$base64": ["$secret": "hf"]])
  }

  @Test func programsAndFilesGetThemOpened() async throws {
    let bed = try await PluginBed(
      needs: ["exec:sh", "files"],
      """
      local secret = ...
      host.files.write("token", host.join(secret, "\\n"))
      return assert(host.exec { "sh", "-c", 'test "$TOKEN" = hunter2 && test "$(cat)" = hunter2 && test "$(cat "$F")" = hunter2',
        env = { TOKEN = secret, F = host.files.path("token") }, stdin = secret }).code
      """)
    #expect(try await bed.act(["$secret": "hf"], secrets: Self.secrets) == 0)
  }

  @Test func anUnknownSecretIsNamedAndNothingIsDone() async throws {
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1", "exec:touch", "files"],
      """
      local how, url = ...
      local secret = { ["$secret"] = "none" }
      if how == "json" then return host.http { url = url, method = "POST", json = { a = { secret } } } end
      if how == "headers" then return host.http { url = url, headers = { a = host.join("x", secret) } } end
      if how == "lines" then return host.http.lines({ url = url, headers = { a = secret } }, print or type) end
      if how == "env" then return host.exec { "touch", host.files.path("made"), env = { A = secret } } end
      if how == "stdin" then return host.exec { "touch", host.files.path("made"), stdin = secret } end
      return host.files.write("made", secret)
      """)
    let server = ScriptedServer()
    defer { server.stop() }
    for how in ["json", "headers", "lines", "env", "stdin", "write"] {
      let failure = await bed.failure(.string(how), .string(server.url), secrets: Self.secrets)
      #expect(failure?.code == .configInvalid, "\(how)")
      #expect(failure?.message.contains("no secret `none`") == true)
    }
    #expect(server.accepted == 0)
    #expect(!FileManager.default.fileExists(atPath: bed.root.path + "/data/made"))
  }

  @Test func failuresAndLogsNeverHoldThem() async throws {
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1"],
      """
      local secret, how = ...
      if how == "log" then host.log(host.json.encode { secret, host.join("a", secret) }) return true end
      if how == "concat" then return "x" .. secret end
      return host.http { method = "POST", url = "http://127.0.0.1:1/" , headers = { A = host.join(secret, "\\n") },
        json = { secret }, query = { q = "visible" } }
      """)
    for how in ["log", "concat", "http"] as [LuaValue] {
      let failure = await bed.failure(["$secret": "hf"], how, secrets: Self.secrets)
      #expect(!"\(failure.map { "\($0)" } ?? "")".contains("hunter2"))
    }
    #expect(!bed.logged.all.joined().contains("hunter2"))
    #expect(bed.logged.all.count == 1)
  }

  /// AWS names the value that it does not like; shells print the command that failed.
  @Test func whatIsAnsweredIsMasked() async throws {
    let told = #"{"a":"hunter2hunter2","b":"aHVudGVyMg==","c":"say \"hi\"","d":"hunter","e":"abc"}"#
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: \(told.utf8.count)\r\n\r\n\(told)"
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhunter2\n"
    let server = ScriptedServer([.read(), .send(answer), .read(), .send(answer), .read(), .send(fine), .untilClosed])
    defer { server.stop() }
    let bed = try await PluginBed(
      needs: ["http:127.0.0.1", "exec:sh"],
      """
      local url = ...
      local lines = {}
      local first = assert(host.http { url = url }).body
      local second = assert(host.http.lines({ url = url }, function() end)).body
      assert(host.http.lines({ url = url }, function(line) lines[#lines + 1] = line end))
      local run = host.exec { "sh", "-c", "echo $T; echo $T >&2", env = { T = { ["$secret"] = "hf" } } }
      return { first, second, lines[1], run.stdout, run.stderr }
      """)
    let seen = try await bed.act(
      .string(server.url), secrets: ["hf": "hunter2", "quoted": #"say "hi""#, "short": "abc"])
    let masked = #"{"a":"[secret hf][secret hf]","b":"[secret hf]","c":"[secret quoted]","d":"hunter","e":"abc"}"#
    #expect(seen[0].string == masked)
    #expect(seen[1].string == masked)
    #expect(seen[2] == "[secret hf]")
    #expect(seen[3] == "[secret hf]\n")
    #expect(seen[4] == "[secret hf]\n")
  }

  @Test func oneCallsSecretsAreNotAnothers() async throws {
    let bed = try await PluginBed(
      needs: ["exec:true"], "return host.exec { 'true', env = { A = { ['$secret'] = 'hf' } } }")
    #expect(try await bed.act(secrets: Self.secrets)["code"] == 0)
    #expect(await bed.failure()?.code == .configInvalid)
  }
}
