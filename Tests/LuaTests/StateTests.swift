import Lua
import Testing

extension LuaLimits {
  /// For tests of anything but time: a loaded machine must not end them.
  static let patient = LuaLimits(seconds: 60)
  static func patient(memoryBytes: Int) -> LuaLimits { LuaLimits(memoryBytes: memoryBytes, seconds: 60) }
}

extension LuaBudget {
  static let patient = LuaBudget(seconds: 60)
}

/// A state, one environment, and short ways to use both.
struct Bench {
  let state: LuaState
  let environment: LuaEnvironment

  init(
    _ sandbox: LuaSandbox = .load, limits: LuaLimits = .patient,
    globals: (LuaState) -> [String: LuaValue] = { _ in [:] }
  ) throws {
    state = try LuaState(sandbox: sandbox, limits: limits)
    environment = try state.environment(globals: globals(state))
  }

  /// The first result of a chunk, as data.
  @discardableResult
  func run(_ source: String, chunk: String = "@test.lua") throws -> LuaTree {
    guard let first = try state.evaluate(source, chunk: chunk, environment: environment).first else { return nil }
    return try state.tree(of: first)
  }

  func failure(_ source: String, chunk: String = "@test.lua") -> LuaError? {
    #expect(throws: LuaError.self) { try run(source, chunk: chunk) }
  }
}

@Suite struct StateTests {
  @Test func `a chunk's tables come back split into items, fields and other keys`() throws {
    let bench = try Bench()
    let tree = try bench.run(
      "return setmetatable({ 1, 2.5, 'x', nil, 5, a = true, [true] = 1, [2^53] = 2, f = print, g = type }, { __name = 'tag' })"
    )
    #expect(
      tree
        == .table(
          LuaTable(
            tag: "tag", items: [1, 2.5, "x"], fields: ["a": true, "g": .function],
            oddKeys: ["boolean true", "number 5", "number 9007199254740992"])))
  }

  @Test func `values go into Lua and come back as they were`() throws {
    let bench = try Bench()
    let echo = try bench.state.evaluate(
      "return function(...) return ... end", chunk: "=t", environment: bench.environment)
    let values: [LuaTree] = [
      nil, true, 7, .integer(.min), 0.5, "text", "", ["a": [1, 2, ["deep": "é\0z"]]], [:],
    ]
    #expect(try bench.state.call(echo[0], values.map { .tree($0) }) == values)
  }

  @Test func `bytes that are no UTF-8 are bytes in trees, and repaired where text is asked for`() throws {
    var seen: [UInt8] = []
    let bench = try Bench { state in
      [
        "take": .reference(
          state.function { call in
            seen = try call.bytes(1); return []
          })
      ]
    }
    let tree = try bench.run("local s = 'a\\xffb' take(s) return s")
    #expect(tree == .bytes([0x61, 0xff, 0x62]))
    #expect(tree.string == "a\u{FFFD}b")
    #expect(seen == [0x61, 0xff, 0x62])
  }

  @Test func `keys that become one text are reported, not lost silently`() throws {
    let tree = try Bench().run("return { ['\\xff'] = 1, ['\\xfe'] = 2 }")
    #expect(tree.table?.fields.count == 1)
    #expect(tree.table?.oddKeys == ["string \u{FFFD} (twice)"])
  }

  @Test func `a table in itself is refused with its path`() throws {
    let error = try Bench().failure("local t = { spec = { {}, {} } } t.spec[2].up = t.spec return t")
    #expect(error?.kind == .conversion)
    #expect(error?.message == "a table that contains itself at spec[2].up")
  }

  @Test func `depth, count and bytes of a copy are bounded`() throws {
    let bench = try Bench()
    func message(_ source: String, _ limits: LuaTreeLimits) throws -> String? {
      let value = try bench.state.evaluate(source, chunk: "=t", environment: bench.environment)[0]
      do {
        _ = try bench.state.tree(of: value, limits)
        return nil
      } catch {
        return error.message
      }
    }
    let deep = "local t = {} for i = 1, 1000 do t = { a = t } end return t"
    #expect(try message(deep, LuaTreeLimits(depth: 3)) == "tables nested more than 3 deep at a.a.a")
    #expect(try message(deep, LuaTreeLimits(depth: 5_000)) != nil)
    let shared = "local t = { 1 } for i = 1, 40 do t = { t, t } end return t"
    #expect(try message(shared, .standard)?.hasPrefix("more than 200000 values at [1][1]") == true)
    #expect(
      try message("return { k = ('x'):rep(100) }", LuaTreeLimits(bytes: 50)) == "more than 50 bytes of text at k")
  }

  @Test func `functions of a returned table are called by name, with several results`() throws {
    let bench = try Bench(.run)
    let driver = try bench.state.evaluate(
      "return { version = 1, poll = function(a, b) return a + b, nil, { a, b } end }", chunk: "@driver.lua",
      environment: bench.environment)[0]
    let functions = bench.state.functions(of: driver)
    #expect(functions.keys.sorted() == ["poll"])
    let poll = try #require(functions["poll"])
    #expect(try bench.state.call(poll, [1, 2]) == [3, nil, [1, 2]])
    #expect(bench.state.field("missing", of: driver) == nil)
  }

  @Test func `a value of another state is refused`() throws {
    let one = try Bench()
    let other = try Bench()
    let function = try one.state.evaluate("return function() end", chunk: "=t", environment: one.environment)[0]
    let error = #expect(throws: LuaError.self) { try other.state.call(function) }
    #expect(error?.kind == .conversion)
    #expect(throws: LuaError.self) {
      try other.state.evaluate("return 1", chunk: "=t", environment: one.environment)
    }
  }

  @Test func `chunks of one state do not see each other's globals or library changes`() throws {
    let state = try LuaState(sandbox: .load)
    let one = try state.environment()
    let two = try state.environment(globals: ["only": "two"])
    _ = try state.evaluate(
      "x = 1; string.upper = nil; table.extra = 1; math.pi = 3; _G.y = 2", chunk: "=one", environment: one)
    let seen = try state.evaluate(
      "return x, y, only, string.upper, table.extra, math.pi > 3.1, ('a'):upper()", chunk: "=two", environment: two)
    #expect(try seen.map { try state.tree(of: $0) } == [nil, nil, "two", .function, nil, true, "A"])
  }

  @Test func `a prelude can make library tables callable in each environment`() throws {
    let bench = try Bench()
    let setup = try bench.state.evaluate(
      """
      return function(env)
        setmetatable(env.string, { __call = function() return setmetatable({}, { __name = "schema" }) end })
      end
      """, chunk: "=prelude", environment: bench.environment)[0]
    let environment = try bench.state.environment(setup: setup)
    let result = try bench.state.evaluate("return string()", chunk: "=t", environment: environment)[0]
    #expect(try bench.state.tree(of: result).table?.tag == "schema")
    #expect(bench.failure("return string()") != nil)
  }

  @Test func `pairs and next go in key order where files are loaded`() throws {
    let text = try Bench().run(
      """
      local t = { z = 1, a = 2, [10] = 3, [2] = 4, [-1] = 5, [1.5] = 6, m = 7, [true] = 8, [false] = 9, "first" }
      local seen = {}
      for k in pairs(t) do seen[#seen + 1] = tostring(k) end
      seen[#seen + 1] = "/"
      local k = next(t)
      while k ~= nil do seen[#seen + 1] = tostring(k) k = next(t, k) end
      return table.concat(seen, " ")
      """)
    #expect(text == "-1 1 1.5 2 10 a m z false true / -1 1 1.5 2 10 a m z false true")
  }

  @Test func `pairs visits each key once though the loop removes and changes`() throws {
    let count = try Bench().run(
      """
      local t, n = {}, 0
      for i = 1, 1000 do t["k" .. i] = i end
      for k in pairs(t) do t[k] = nil t["k1000"] = nil n = n + 1 end
      return n .. " " .. tostring(next(t))
      """)
    #expect(count == "999 nil")
  }

  @Test func `nothing of the process is in reach of a chunk`() throws {
    let names = try Bench(.run).run(
      """
      local found = {}
      for _, name in ipairs { "io", "os", "debug", "package", "require", "load", "loadstring", "loadfile", "dofile",
          "collectgarbage", "print", "warn" } do
        if _G[name] ~= nil then found[#found + 1] = name end
      end
      return table.concat(found, " ") .. tostring(string.dump) .. tostring(getmetatable(""))
      """)
    #expect(names == "nilstring")
    #expect(
      try Bench().run("return tostring(math.random) .. tostring(tostring({})) .. ('%s'):format({})") == "niltabletable")
  }

  @Test func `a large source is refused before it is compiled`() throws {
    let bench = try Bench(limits: LuaLimits(sourceBytes: 100))
    #expect(bench.failure(String(repeating: " ", count: 101))?.kind == .conversion)
    #expect(try bench.run("\u{FEFF}return 1") == 1)
  }

  @Test func `values let go are freed`() throws {
    let bench = try Bench()
    let make = try bench.state.evaluate(
      "return function() return ('x'):rep(1000) .. tostring({}) end", chunk: "=t", environment: bench.environment)[0]
    for _ in 0..<20_000 { _ = try bench.state.callKeeping(make) }
    #expect(bench.state.memoryUsed < 4 << 20)
  }
}
