import FoundationEssentials
import Lua
import Model
import Testing

@testable import Scripting

/// Functions of `host` that stay on the agent's machine.
@Suite(.timeLimit(.minutes(1))) struct HostFunctionTests {
  /// What `expression` gives, with the arguments as `...`.
  private func value(_ expression: String, _ arguments: LuaValue...) async throws -> LuaTree {
    let bed = try await PluginBed("return \(expression)")
    return try await bed.plugin.call("act", arguments, within: 10).first()
  }

  private func failure(_ expression: String) async throws -> DriverFailure? {
    try await PluginBed("return \(expression)").failure()
  }

  @Test func jsonGoesThroughUnchanged() async throws {
    let text = #"{"empty":[],"list":[1,null,"x",[]],"table":{},"text":"é"}"#
    #expect(try await value("host.json.encode(host.json.decode(...))", .string(text)).string == text)
    #expect(try await value("host.json.encode { a = host.json.null, b = host.json.list {} }") == #"{"a":null,"b":[]}"#)
    #expect(try await value("host.json.decode('{\"a\": null}').a == nil") == true)
    #expect(try await value("#host.json.decode('[null, null, 3]')") == 3)
    #expect(try await value("host.json.decode('[null]')[1] == host.json.null") == false)
    #expect(try await failure("host.json.decode('{')")?.code == .targetError)
  }

  @Test func base64IsThatOfTheStandard() async throws {
    // RFC 4648, 10.
    for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
      #expect(try await value("host.base64.encode(...)", .string(plain)).string == coded)
      #expect(try await value("host.base64.decode(...)", .string(coded)).string == plain)
    }
    #expect(try await value("host.base64.encode(...)", .bytes([0xfb, 0xff])) == "+/8=")
    #expect(try await value("host.base64.url(...)", .bytes([0xfb, 0xff])) == "-_8")
    #expect(try await value("host.base64.decode('-_8')").bytes == [0xfb, 0xff])
    #expect(try await value("host.base64.decode('Zm9v\\nYmFy\\n')") == "foobar")
    #expect(try await failure("host.base64.decode('!')")?.code == .targetError)
  }

  @Test func yamlIsRead() async throws {
    #expect(
      try await value("host.json.encode(host.yaml.decode(...))", "a: &a [1, ~, x]\nb: *a\nc: []\n").string
        == #"{"a":[1,null,"x"],"b":[1,null,"x"],"c":[]}"#)
    let failure = try await failure("host.yaml.decode('a: [}')")
    #expect(failure?.code == .configInvalid)
    #expect(failure?.message.contains("at line 1") == true)
  }

  @Test func tokensAreSigned() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "jwt-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let bed = try await PluginBed(
      needs: ["files", "exec:openssl", "exec:sh"],
      """
      local made = host.exec { "openssl", "genrsa", "2048" }
      host.files.write("key.pem", made.stdout)
      local token = assert(host.jwt({ iss = "me", aud = host.json.list {} }, { key = made.stdout, kid = "k1" }))
      local head, claims, signature = token:match("^([^.]+)%.([^.]+)%.([^.]+)$")
      host.files.write("text", head .. "." .. claims)
      host.files.write("signature", host.base64.decode(signature))
      assert(host.rs256(made.stdout, head .. "." .. claims) == host.base64.decode(signature))
      local checked = host.exec { "sh", "-c", "openssl rsa -in key.pem -pubout -out public.pem 2>/dev/null && "
        .. "openssl dgst -sha256 -verify public.pem -signature signature text", cwd = ... }
      return { host.base64.decode(head), host.base64.decode(claims), checked.stdout }
      """)
    let answer = try await bed.act(.string(bed.root.path + "/data"))
    #expect(answer[0] == #"{"alg":"RS256","kid":"k1","typ":"JWT"}"#)
    #expect(answer[1] == #"{"aud":[],"iss":"me"}"#)
    #expect(answer[2] == "Verified OK\n")
    #expect(try await failure("host.jwt({}, { key = 'nonsense' })")?.code == .configInvalid)
    #expect(try await failure("host.rs256('nonsense', 'x')")?.code == .configInvalid)
    let code = try await value("host.hmac_sha256('Jefe', 'what do ya want for nothing?')")
    #expect(code.bytes?.first == 0x5b)
    #expect(code.bytes?.count == 32)
  }

  @Test func urlsAreCoded() async throws {
    #expect(try await value("host.url.encode('a b/ü~')") == "a%20b%2F%C3%BC~")
    #expect(try await value("host.url.query { z = true, a = { 'x', 1 }, ['k&'] = '=' }") == "a=x&a=1&k%26=%3D&z=true")
    #expect(try await failure("host.url.query { a = function() end }")?.code == .bug)
  }

  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0), ("2026-11-20T08:20:40.5Z", 1_795_162_840.5), ("2000-02-29t23:59:60z", 951_868_799),
    ("2026-11-20T09:20:40+01:00", 1_795_162_840), ("1969-12-31 23:59:59.25-00:00", -0.75),
    ("2023-09-14T12:00:00.123456789Z", 1_694_692_800.123456789),
  ]) func timesAreRead(text: String, seconds: Double) async throws {
    #expect(InternetTime.seconds(of: text) == seconds)
  }

  @Test(arguments: [
    "", "2026", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
    "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+1:00", "20x6-01-01T00:00:00Z",
  ]) func nonsenseIsNoTime(text: String) { #expect(InternetTime.seconds(of: text) == nil) }

  @Test func timesAreWritten() async throws {
    #expect(try await value("host.time.format(host.time.parse('2024-02-29T01:02:03Z'))") == "2024-02-29T01:02:03Z")
    #expect(try await value("host.time.format(1795162840.5)") == "2026-11-20T08:20:40.500000Z")
    #expect(try await value("host.time.format(-0.75)") == "1969-12-31T23:59:59.250000Z")
    #expect(try await value("host.time.parse('soon') == nil") == true)
    #expect(try await failure("host.time.format(1e300)")?.code == .bug)
    for seconds in stride(from: -62_135_500_000.0, to: 253_402_300_000, by: 86_399 * 997) {
      #expect(InternetTime.text(of: seconds).flatMap(InternetTime.seconds) == seconds)
    }
  }

  @Test func chanceIsHexAndNeverTheSame() async throws {
    let pair = try await value("{ host.random(16), host.random(16) }")
    let texts = pair.table?.items.compactMap(\.string) ?? []
    #expect(Set(texts).count == 2)
    #expect(texts.allSatisfy { $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) })
    #expect(try await failure("host.random(0)")?.code == .bug)
  }

  // MARK: the agent's machine

  @Test(arguments: ["math.huge", "-1", "0", "0/0", "1e300", "'soon'"])
  func noTimeoutOfAProgramHurtsTheAgent(_ seconds: String) async throws {
    let bed = try await PluginBed(
      needs: ["exec:true"], "return host.exec({ 'true', timeout = \(seconds) }).code")
    let isLength = ["math.huge", "1e300"].contains(seconds)
    #expect(await bed.failure()?.message.contains("is seconds, more than 0") == (isLength ? nil : true))
  }

  @Test(arguments: ["process.status({ { token = '../x' } })", "process.find('..')", "process.stop({ token = '/' }, 1)"])
  func aHandleOfAProcessLeadsNowhereElse(_ call: String) async throws {
    let bed = try await PluginBed(needs: ["process"], "return host.\(call)")
    #expect(await bed.failure()?.message.contains("not a handle of a local process") == true)
  }

  @Test func aLogIsReadOnlyWhereThePluginMayRead() async throws {
    func log(_ needs: [String], _ file: (PluginBed) -> String) async throws -> Result<LogChunk, DriverFailure> {
      let bed = try await PluginBed(needs: needs, function: "logs", "return { file = ctx.plugin and (...).file }")
      try FileManager.default.createDirectory(at: bed.root.appending(path: "held/t"), withIntermediateDirectories: true)
      for path in ["held/t/output.log", "data/own.log", "other.log"] {
        try Data("text".utf8).write(to: bed.root.appending(path: path))
      }
      let header = PluginHeader(
        name: "bed", version: "1.0.0", needs: [], uses: [], config: Schema(.any), place: Place(file: "p", line: 1))
      let driver = LuaDriver(
        declaration: DriverDeclaration(
          header: header, provides: [.logs], resource: Schema(.any), handleVersion: 1, handle: Schema(.any),
          pollInterval: 5), plugin: bed.plugin)
      do throws(DriverFailure) {
        return .success(try await driver.logs(["file": .string(file(bed))], cursor: nil))
      } catch { return .failure(error) }
    }
    #expect(try await log(["process"]) { "\($0.root.path)/held/t/output.log" }.get().bytes == Array("text".utf8))
    #expect(try await log(["files"]) { "\($0.root.path)/data/own.log" }.get().bytes == Array("text".utf8))
    for (needs, path) in [
      (["process", "files"], "other.log"), (["process"], "data/own.log"), (["files"], "held/t/output.log"),
      (["files"], "data/../other.log"), ([], "data/own.log"),
    ] {
      let failure = try await log(needs) { "\($0.root.path)/\(path)" }
      #expect(throws: DriverFailure.self, "\(needs) \(path)") { try failure.get() }
    }
  }

  @Test func theEnvironmentIsReadWhereItIsDeclared() async throws {
    let bed = try await PluginBed(
      needs: ["env:AWS_*"], environment: ["AWS_REGION": "eu-1", "HOME": "/h"], "return host.env(...)")
    #expect(try await bed.act("AWS_REGION") == "eu-1")
    #expect(try await bed.act("AWS_NONE") == nil)
    #expect(await bed.failure("HOME")?.message.contains("no permission `env:HOME`") == true)
  }

  @Test func filesOfTheMachineAreReadWhereItIsDeclared() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "read-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder.appending(path: "home/.kube"), withIntermediateDirectories: true)
    try FileManager.default.createDirectory(at: folder.appending(path: "keys"), withIntermediateDirectories: true)
    try Data("config".utf8).write(to: folder.appending(path: "home/.kube/config"))
    try Data([0xff, 0x00]).write(to: folder.appending(path: "keys/a.pem"))
    try Data("other".utf8).write(to: folder.appending(path: "keys2"))
    try Data(repeating: 0x78, count: HostFunctions.fileSizeMax + 1).write(to: folder.appending(path: "keys/large"))
    let keys = folder.appending(path: "keys").path
    let bed = try await PluginBed(
      needs: ["read:~/.kube/*", "read:$keys", "read:$absent"], settings: ["keys": .string(keys + "/")],
      environment: ["HOME": folder.appending(path: "home").path], "return host.read(...)")
    #expect(try await bed.act("~/.kube/config") == "config")
    #expect(try await bed.act(.string(keys + "/a.pem")).bytes == [0xff, 0x00])
    #expect(await bed.failure(.string(keys + "/none"))?.code == .notFound)
    #expect(await bed.failure(.string(keys))?.code == .configInvalid)
    #expect(await bed.failure(.string(keys + "/large"))?.code == .unsupported)
    for path in [keys + "2", keys + "/../keys2", "/etc/passwd", "~/.ssh/id", "keys/a.pem", keys + "/a.pem\0"] {
      #expect(await bed.failure(.string(path))?.code == .bug, "\(path)")
    }
  }

  @Test func outputOfProgramsIsBytesAndBounded() async throws {
    let bed = try await PluginBed(needs: ["exec:head", "exec:cat"], "return host.exec(...)")
    let echoed = try await bed.act(.tree(.table(LuaTable(items: ["cat"], fields: ["stdin": .bytes([0xff, 0, 0x41])]))))
    #expect(echoed["stdout"].bytes == [0xff, 0, 0x41])
    func head(_ fields: [String: LuaTree]) -> LuaValue {
      .tree(.table(LuaTable(items: ["head", "-c", "100", "/dev/zero"], fields: fields)))
    }
    let failure = await bed.failure(head(["limit": 99]))
    #expect(failure?.code == .targetError)
    #expect(failure?.retry == .unknownEffect)
    let cut = try await bed.act(head(["limit": 99, "cut": true]))
    #expect(cut["stdout"].bytes?.count == 99)
    #expect(cut["cut"] == true)
    #expect(try await bed.act(head(["limit": 100]))["stdout"].bytes?.count == 100)
  }

  // MARK: require

  @Test func aPluginIsWrittenInSeveralFiles() async throws {
    let bed = try await PluginBed(
      needs: ["files"],
      files: [
        "counter.lua": "local counter = { n = 0 } function counter.up() counter.n = counter.n + 1 return counter.n end "
          + "return counter",
        "api/pods.lua": "local counter = require 'counter' return { up = counter.up, none = function() "
          + "return nil, fail { code = 'quota', message = host.files.path('x') } end }",
      ],
      """
      require("counter").up()
      if ... then return require("api/pods").none() end
      return require("api/pods").up()
      """)
    #expect(try await bed.act() == 2)
    #expect(try await bed.act() == 4)
    #expect(await bed.failure(true)?.code == .quota)
  }

  @Test func onlyFilesOfThePluginAreRequired() async throws {
    let bed = try await PluginBed(
      files: [
        "../other/secret.lua": "return 'other'", "loop.lua": "return require 'loop'", "empty.lua": "local x = 1",
        "broken.lua": "local x = 1\nerror('in here')", "syntax.lua": "return return", "Upper.lua": "return 1",
      ], "return require(...)")
    for (name, words) in [
      ("../other/secret", "is no name of a file"), ("/etc/hosts", "is no name of a file"),
      ("x/../../other/secret", "is no name of a file"), ("", "is no name of a file"), ("a.b", "is no name of a file"),
      ("Upper", "is no name of a file"), ("nothing", "`plugins/bed/nothing.lua` is not there"),
      ("loop", "while it is being loaded"), ("empty", "returns nothing"),
      ("broken", "plugins/bed/broken.lua:2: in here"),
      ("syntax", "plugins/bed/syntax.lua:1: "),
    ] {
      let failure = await bed.failure(.string(name))
      #expect(failure?.code == .bug)
      #expect(failure?.message.contains(words) == true, "\(name): \(failure?.message ?? "")")
    }
  }

  @Test func functionsRunBesideEachOtherUntilAllHaveReturnedOrOneFailed() async throws {
    let bed = try await PluginBed(
      """
      local what = ...
      local order, is_open, is_closed = {}, false, false
      local function note(name) order[#order + 1] = name end
      if what == "all" then
        local ok = host.together(
          function() while not is_open do host.sleep(0) end note "second" end,
          function() host.sleep(0) note "first" is_open = true end)
        return tostring(ok) .. table.concat(order)
      end
      local ok, err = host.together(
        function() while not is_open do host.sleep(0) end if what == "raise" then error("here") end
          return nil, fail { code = "quota", message = "full", retry = 7 } end,
        function() local _ <close> = setmetatable({}, { __close = function() is_closed = true end })
          is_open = true host.sleep(1000) end)
      return { ok == nil, is_closed, err.code, err.retry }
      """)
    #expect(try await bed.act("all") == "truefirstsecond")
    #expect(try await bed.act("fail").table?.items == [true, true, "quota", 7.0])
    let raised = try #require(await bed.failure("raise"))
    #expect(raised.code == .bug && raised.message.contains("driver.lua:12: here"), "\(raised.message)")
    let misused = try await PluginBed("return host.together(function() end, 7)")
    #expect(await misused.failure()?.message.contains("bad argument #2 (function expected, got number)") == true)
    let none = try await PluginBed("return host.together()")
    #expect(try await none.act() == true)
  }

  /// Its files run with what this plugin may do, and what they require lies beside them or in others that it uses.
  @Test func filesOfAPluginThatIsUsedAreRequiredByItsName() async throws {
    let files = [
      "../other/engine.lua": "local words = require 'words' return { say = words.say, path = function() "
        + "return host.files.path('x') end }",
      "../other/words.lua": "return { say = function() return require 'third/end' end }", "words.lua": "return 'own'",
      "../third/end.lua": "return 'other'",
    ]
    let bed = try await PluginBed(
      uses: ["other", "third"], files: files,
      """
      local engine = require "other/engine"
      if ... then return engine.path() end
      return engine.say() .. require "words" .. tostring(engine == require "other/engine")
      """)
    #expect(try await bed.act() == "otherowntrue")
    #expect(await bed.failure(true)?.message.contains("has no permission `files`") == true)
    let stranger = try await PluginBed(files: files, "return require('other/engine').say()")
    #expect(await stranger.failure()?.message.contains("`plugins/bed/other/engine.lua` is not there") == true)
  }

  @Test func checkReadsRequiredFiles() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "split-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let plugin = folder.appending(path: "plugins/split")
    try FileManager.default.createDirectory(at: plugin, withIntermediateDirectories: true)
    func write(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: plugin.appending(path: name))
    }
    try write("plugin.lua", "return hook { name = 'split', version = '1.0.0', api = { 1 }, on = { 'failed' } }")
    try write("hook.lua", "local parts = require 'parts'\nreturn { run = parts.run }")
    try write("parts.lua", "return { run = function() end }")
    func codes() -> [String] {
      ConfigurationLoader(queues: nil, plugins: folder.appending(path: "plugins").path).load().diagnostics.map(\.code)
    }
    #expect(codes() == [])
    try write("parts.lua", "return { run = function( end }")
    #expect(codes() == ["P0111"])
  }
}
