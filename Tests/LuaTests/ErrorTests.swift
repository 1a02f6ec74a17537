import Lua
import Testing

@Suite struct ErrorTests {
  @Test func `a syntax error has the file and the line`() throws {
    let error = try Bench().failure("x = {\n  a = = 1\n}", chunk: "@queues.d/gpu.lua")
    #expect(error?.kind == .syntax)
    #expect(error?.description == "queues.d/gpu.lua:2: unexpected symbol near '='")
  }

  @Test func `names longer than Lua's messages allow stay whole`() throws {
    let name = String(repeating: "folder/", count: 30) + "gpu.lua"
    let bench = try Bench()
    #expect(bench.failure("x = = 1", chunk: "@" + name)?.chunk == name)
    let error = bench.failure("\nerror('no')", chunk: "@" + name)
    #expect(error?.chunk == name)
    #expect(error?.line == 2)
    #expect(error?.message == "no")
  }

  @Test func `a traceback names each function, innermost first`() throws {
    let error = try Bench().failure(
      """
      local M = {}
      local function inner(x)
        return x.missing.field
      end
      function M.outer(x)
        local y = inner(x)
        return y
      end
      local r = M.outer({})
      return r
      """, chunk: "@driver.lua")
    #expect(
      error?.details == """
        driver.lua:3: attempt to index a nil value (field 'missing')
          driver.lua:3: in upvalue 'inner'
          driver.lua:6: in field 'outer'
          driver.lua:9: in main chunk
        """)
  }

  @Test func `error at another level is placed there`() throws {
    let error = try Bench().failure("local function f() error('bad use', 2) end\n\nf()")
    #expect(error?.description == "test.lua:3: bad use")
    #expect(try Bench().failure("error('bare', 0)")?.message == "bare")
  }

  @Test func `an error table keeps its data`() throws {
    let error = try Bench().failure("\nerror({ code = 'E1', message = 'gone', retry = { 'never' } })")
    #expect(error?.payload == ["code": "E1", "message": "gone", "retry": ["never"]])
    #expect(error?.description == "test.lua:2: gone")
    #expect(try Bench().failure("error()")?.message == "error value is a nil")
  }

  @Test func `recursion without end is an error with a place and a short traceback`() throws {
    let source = "local function f() return 1 + f() end\nf()"
    let overflow = try Bench(limits: .patient(memoryBytes: 160 << 20)).failure(source)
    #expect(overflow?.kind == .runtime)
    #expect(overflow?.description.hasPrefix("test.lua:1: stack overflow") == true)
    #expect(overflow?.traceback.count == 20)
    #expect((overflow?.framesOmitted ?? 0) > 1_000)
    let memory = try Bench().failure(source)
    #expect(memory?.kind == .memory)
    #expect(memory?.line == 1)
    #expect(memory?.message.contains("calls within calls") == true)
  }
}
