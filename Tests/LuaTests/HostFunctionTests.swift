import Lua
import Testing

struct Teapot: Error, CustomStringConvertible {
  var description: String { "short and stout" }
}

@Suite struct HostFunctionTests {
  @Test func `arguments are checked in Lua's words`() throws {
    let bench = try Bench { state in
      ["add": .reference(state.valueFunction { call in .integer(try call.integer(1) + call.integer(2)) })]
    }
    #expect(try bench.run("return add(40, 2)") == 42)
    let error = bench.failure("\nadd(1)")
    #expect(error?.description == "test.lua:2: bad argument #2 (integer expected, got no value)")
    #expect(error?.kind == .runtime)
    #expect(try bench.run("return select(2, pcall(add, {}, 1))") == "bad argument #1 (integer expected, got table)")
  }

  @Test func `a host function knows where its callers are`() throws {
    var places: [String?] = []
    let bench = try Bench { state in
      [
        "place": .reference(
          state.function { call in
            places = [1, 2, 3, 99, -1].map { call.position(level: $0)?.description }
            return []
          })
      ]
    }
    try bench.run("local function f()\n  place()\nend\n\nf()", chunk: "@queues.d/a.lua")
    #expect(places == ["queues.d/a.lua:2", "queues.d/a.lua:5", nil, nil, nil])
  }

  @Test func `a Swift error passes through Lua and comes out as itself, placed`() throws {
    let bench = try Bench { state in ["boil": .reference(state.function { _ in throw Teapot() })] }
    let error = bench.failure("local function f()\n  boil()\nend\nf()")
    #expect(error?.description == "test.lua:2: short and stout")
    #expect(error?.underlying is Teapot)
    #expect(try bench.run("local ok, e = pcall(function() boil() end) return e") == "test.lua:1: short and stout")
    // An error of Lua's own is not taken for one that was caught before.
    #expect(bench.failure("pcall(boil) error('other')")?.underlying == nil)
  }

  @Test func `an error with a payload is a table in Lua`() throws {
    let bench = try Bench { state in
      [
        "refuse": .reference(
          state.function { _ in throw LuaError(.runtime, "no", payload: ["code": "denied", "message": "no entry"]) })
      ]
    }
    #expect(try bench.run("local ok, e = pcall(refuse) return e.code") == "denied")
    let error = bench.failure("refuse()")
    #expect(error?.payload == ["code": "denied", "message": "no entry"])
    #expect(error?.description == "test.lua:1: no entry")
  }

  @Test func `Lua calls Swift calls Lua, and an error keeps its innermost place`() throws {
    let bench = try Bench { state in
      [
        "apply": .reference(
          state.function { call in
            let results = try call.state.call(call.reference(1), try call.trees().dropFirst().map { .tree($0) })
            return results.map { .tree($0) }
          })
      ]
    }
    #expect(try bench.run("return apply(function(a, b) return a .. b end, 'x', 'y')") == "xy")
    let error = bench.failure("apply(function()\n\n  local x = nil + 1\nend)")
    #expect(error?.description == "test.lua:3: attempt to perform arithmetic on a nil value")
    let depth = bench.failure("local function f() apply(f) end f()")
    #expect(depth?.kind == .runtime)
    #expect(depth?.message.contains("stack overflow") == true)
  }

  @Test func `what a host function holds is released with it`() throws {
    final class Canary {
      nonisolated(unsafe) static var live = 0
      init() { Self.live += 1 }
      deinit { Self.live -= 1 }
    }
    do {
      let bench = try Bench()
      for _ in 0..<10_000 {
        let canary = Canary()
        _ = bench.state.function { _ in withExtendedLifetime(canary) { [] } }
      }
      _ = try bench.run("for i = 1, 1e5 do local t = {} end")
      #expect(Canary.live < 5_000)
    }
    #expect(Canary.live == 0)
  }
}
