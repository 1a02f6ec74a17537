import Testing

@testable import Lua

/// Counts what a jump over a Swift frame would skip: defers, and releases of what the frame holds.
private final class Canary {
  struct Counts: Equatable {
    var entered = 0
    var left = 0
    var live = 0
  }
  final class Cage { var counts = Counts() }
  private let cage: Cage
  init(_ cage: Cage) {
    self.cage = cage
    cage.counts.live += 1
  }
  deinit { cage.counts.live -= 1 }

  /// Runs `body` in a frame that notices if it is jumped over.
  static func watch<Result>(_ cage: Cage, _ body: (Canary) throws -> Result) rethrows -> Result {
    let canary = Canary(cage)
    cage.counts.entered += 1
    defer { cage.counts.left += 1 }
    return try body(canary)
  }
}

@Suite struct AllocationTests {
  private let chunk = """
    local kept = {}
    local function work(n)
      for i = 1, n do
        kept[#kept + 1] = make("item", i).name .. i
        local ok, e = pcall(fail, { code = "E" .. i })
        if ok or type(e) ~= "table" then error(e, 0) end
        apply(function(x) local t = { x, x .. i } return t end, "arg" .. i)
        local co = coroutine.wrap(function(a) local b = coroutine.yield(a .. "1") return make(b, 2).name end)
        kept[#kept + 1] = co("p") .. co("q")
        for word in ("one two " .. i):gmatch("%a+") do kept[#kept + 1] = word:upper():rep(2, "-") end
        table.sort(kept)
      end
      return table.concat(kept, " "), { deep = { kept } }
    end
    return work
    """

  private func hosts(_ state: LuaState, _ cage: Canary.Cage) -> [String: LuaValue] {
    [
      "make": .reference(
        state.function { call in
          try Canary.watch(cage) { _ in
            let name = try call.string(1)
            return [
              [
                "name": .string(name + String(repeating: "x", count: 60)),
                "list": [1, 2, ["n": .integer(try call.integer(2))]],
              ]
            ]
          }
        }),
      "fail": .reference(
        state.function { call in
          try Canary.watch(cage) { _ in throw LuaError(.runtime, "refused", payload: try call.tree(1)) }
        }),
      "apply": .reference(
        state.function { call in
          try Canary.watch(cage) { _ in
            try call.state.call(call.reference(1), [.tree(try call.tree(2))]).map { .tree($0) }
          }
        }),
    ]
  }

  @Test func `whichever allocation fails, in calls, callbacks and errors, no Swift frame is jumped over`() throws {
    let state = try LuaState(sandbox: .run, limits: .patient)
    let cage = Canary.Cage()
    let globals = hosts(state, cage)
    var failed = 0
    var points = 0
    while true {
      points += 1
      let environment = try state.environment(globals: globals)
      state.failAllocations(from: points)
      var finished = false
      do {
        let work = try state.evaluate(chunk, chunk: "@work.lua", environment: environment)
        let results = try state.call(try #require(work.first), [6])
        #expect(results.count == 2)
        finished = true
      } catch let error as LuaError {
        #expect(error.kind == .memory, "\(points): \(error.details)")
        failed += 1
      }
      let allocations = state.failAllocations(from: 0)
      #expect(cage.counts.entered == cage.counts.left)
      #expect(cage.counts.live == 0)
      #expect(state.memoryUsed > 0)
      if finished && allocations < points { break }
    }
    #expect(failed > 200)
    #expect(cage.counts.entered > 1_000)
    // Nothing was lost on the way: the state serves on and keeps no garbage.
    let environment = try state.environment(globals: globals)
    let work = try state.evaluate(chunk, chunk: "@work.lua", environment: environment)
    #expect(try state.call(work[0], [4]).count == 2)
  }

  @Test func `whichever allocation fails, over waits and cancellations, no Swift frame is jumped over`() async throws {
    let runner = try LuaRunner(limits: .patient)
    let source = """
      local function work(n)
        local out <close> = setmetatable({}, { __close = function() note({ "closed" }) end })
        for i = 1, n do
          out[#out + 1] = pause("item" .. i).name .. i
          local ok, e = pcall(fail, "code" .. i)
          if ok or not e:find("refused") then error(e, 0) end
          local co = coroutine.wrap(function(a) local b = coroutine.yield(pause(a .. "1").name) return pause(b).name end)
          out[#out + 1] = co("p") .. co("q")
        end
        return table.concat(out, " ")
      end
      return work
      """
    let cage = Plugin.Log()
    let (environment, note) = try await runner.perform { state in
      let pause = state.waitingFunction("host.pause") { call in
        cage.add("enter")
        defer { cage.add("leave") }
        let name = try call.string(1) + String(repeating: "x", count: 60)
        return {
          await Task.yield()
          return [["name": .string(name)]]
        }
      }
      let fail = state.waitingFunction("host.fail") { call in
        cage.add("enter")
        defer { cage.add("leave") }
        let code = try call.string(1)
        return { throw LuaError(.runtime, "refused \(code)") }
      }
      let note = state.function { call in
        cage.add("enter")
        defer { cage.add("leave") }
        return [.tree(try call.tree(1))]
      }
      let environment = try state.environment(globals: [
        "pause": .reference(pause), "fail": .reference(fail), "note": .reference(note),
      ])
      return (environment, note)
    }
    withExtendedLifetime(note) {}
    var failed = 0
    var points = 0
    while true {
      points += 1
      let cancels = points % 3 == 0
      let first = points
      var finished = false
      do {
        let work = try await runner.perform { state in
          state.failAllocations(from: first)
          return try state.evaluate(source, chunk: "@work.lua", environment: environment)
        }
        let function = try #require(work.first)
        let task = Task { try await runner.call(function, [4], budget: .patient) }
        if cancels { task.cancel() }
        #expect(try await task.value.count == 1)
        finished = true
      } catch let error as LuaError {
        #expect(error.kind == .memory || cancels && error.kind == .cancelled, "\(points): \(error.details)")
        failed += 1
      }
      let allocations = await runner.perform { $0.failAllocations(from: 0) }
      let lines = cage.all
      #expect(lines.count { $0 == "enter" } == lines.count { $0 == "leave" })
      if finished && allocations < points { break }
    }
    #expect(failed > 100)
    let work = try await runner.perform { try $0.evaluate(source, chunk: "@work.lua", environment: environment) }
    #expect(try await runner.call(work[0], [4]).count == 1)
  }

  @Test func `what host functions push is held to the limit as well`() throws {
    let limit = 4 << 20
    let bench = try Bench(.run, limits: .patient(memoryBytes: limit)) { state in
      ["push": .reference(state.valueFunction { _ in .string(String(repeating: "x", count: 10_000)) })]
    }
    var most = 0
    let error = bench.failure("local t = {} while true do t[#t + 1] = push() end")
    most = max(most, bench.state.memoryUsed)
    #expect(error?.kind == .memory)
    #expect(error?.line == 1)
    #expect(most < limit + (64 << 10))
    #expect(try bench.run("return #push()") == 10_000)
  }
}
