import Lua
import Synchronization
import Testing

/// Waits that a test ends by hand.
final class Gate: Sendable {
  private struct State {
    var waiting: [CheckedContinuation<Void, Never>] = []
    var open = false
    var arrivals = 0
    var watchers: [(Int, CheckedContinuation<Void, Never>)] = []
  }
  private let state = Mutex(State())

  /// Returns once the gate is open. Does not care about cancellation.
  func wait() async {
    await withCheckedContinuation { continuation in
      let (ready, watchers) = state.withLock { state in
        state.arrivals += 1
        let arrivals = state.arrivals
        let ready = state.watchers.filter { $0.0 <= arrivals }
        state.watchers.removeAll { $0.0 <= arrivals }
        if !state.open { state.waiting.append(continuation) }
        return (state.open, ready)
      }
      for (_, watcher) in watchers { watcher.resume() }
      if ready { continuation.resume() }
    }
  }

  /// Returns once `count` have come to the gate.
  func arrived(_ count: Int) async {
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state in
        if state.arrivals < count { state.watchers.append((count, continuation)) }
        return state.arrivals >= count
      }
      if ready { continuation.resume() }
    }
  }

  func open() {
    let waiting = state.withLock { state in
      defer { state.waiting = [] }
      state.open = true
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }
}

/// A runner with a driver's functions, a gate to wait at and a log to write to.
struct Plugin {
  let runner: LuaRunner
  let functions: [String: LuaReference]
  let gate = Gate()
  let log = Log()

  final class Log: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
  }

  init(_ source: String, limits: LuaLimits = .patient) async throws {
    let runner = try LuaRunner(limits: limits)
    self.runner = runner
    let gate = gate
    let log = log
    functions = try await runner.perform { state in
      let environment = try state.environment(globals: [
        "wait": .reference(
          state.waitingFunction("host.wait") { call in
            let echo = try call.trees()
            return {
              await gate.wait()
              return echo.map { .tree($0) }
            }
          }),
        "pause": .reference(
          state.waitingFunction("host.pause") { _ in
            {
              await Task.yield(); return ["done"]
            }
          }),
        "refuse": .reference(state.waitingFunction("host.refuse") { _ in { throw Teapot() } }),
        "log": .reference(
          state.function { call in
            log.add(try call.string(1))
            return []
          }),
      ])
      let driver = try state.evaluate(source, chunk: "@driver.lua", environment: environment)
      return driver.first.map { state.functions(of: $0) } ?? [:]
    }
  }

  func call(_ name: String, _ arguments: [LuaValue] = [], budget: LuaBudget = .patient) async throws -> [LuaTree] {
    try await runner.call(try #require(functions[name]), arguments, budget: budget)
  }

  func failure(_ name: String, _ arguments: [LuaValue] = [], budget: LuaBudget = .patient) async throws -> LuaError? {
    await #expect(throws: LuaError.self) { try await call(name, arguments, budget: budget) }
  }
}

@Suite struct RunnerTests {
  @Test func `a call waits and goes on with what the wait gave`() async throws {
    let plugin = try await Plugin(
      "return { f = function(x) local a = pause() local b = pause() return x, a .. b end }")
    #expect(try await plugin.call("f", [7]) == [7, "donedone"])
  }

  @Test func `ten thousand calls wait in one state at once`() async throws {
    let plugin = try await Plugin("return { f = function(n) return wait(n) + 1 end }")
    let sum = try await withThrowingTaskGroup(of: Int64.self) { group in
      for number in 0..<10_000 {
        group.addTask {
          guard case .integer(let result)? = try await plugin.call("f", [.integer(Int64(number))]).first else {
            return 0
          }
          return result
        }
      }
      await plugin.gate.arrived(10_000)
      let memory = await plugin.runner.perform { $0.memoryUsed }
      #expect(memory < 30 << 20)
      plugin.gate.open()
      return try await group.reduce(0, +)
    }
    #expect(sum == 10_000 * 10_001 / 2)
    // Coroutines that are not needed any more are let go.
    _ = try await plugin.runner.perform { state in
      let environment = try state.environment()
      _ = try state.evaluate("for i = 1, 1e6 do local t = {} end", chunk: "=t", environment: environment)
    }
    #expect(await plugin.runner.perform { $0.memoryUsed } < 1 << 20)
  }

  @Test func `an error thrown by a wait is raised where the call waits`() async throws {
    let plugin = try await Plugin(
      """
      return {
        f = function()
          local x = 1
          return refuse(x)
        end,
        g = function() return pcall(function() refuse() end) end,
      }
      """)
    let error = try await plugin.failure("f")
    #expect(error?.description == "driver.lua:4: short and stout")
    #expect(error?.underlying is Teapot)
    #expect(try await plugin.call("g") == [false, "driver.lua:6: short and stout"])
  }

  @Test func `a plugin's own coroutines may wait`() async throws {
    let plugin = try await Plugin(
      """
      return { f = function()
        local inner = coroutine.wrap(function()
          local deeper = coroutine.create(function(x)
            coroutine.yield(x .. pause())
            return pause()
          end)
          local _, a = coroutine.resume(deeper, "a")
          coroutine.yield(a)
          local _, b = coroutine.resume(deeper)
          coroutine.yield(b .. tostring(coroutine.status(deeper)))
        end)
        return inner(), inner(), pcall(function() return pause() end)
      end }
      """)
    #expect(try await plugin.call("f") == ["adone", "donedead", true, "done"])
  }

  @Test func `a coroutine that waits for the host can be resumed by nobody else`() async throws {
    let plugin = try await Plugin(
      """
      local shared
      return {
        first = function()
          shared = coroutine.create(function() return wait("mine") end)
          return coroutine.resume(shared)
        end,
        second = function()
          local a, b = coroutine.resume(shared, "stolen")
          return a, b, coroutine.status(shared), pcall(coroutine.close, shared)
        end,
      }
      """)
    async let first = plugin.call("first")
    await plugin.gate.arrived(1)
    #expect(
      try await plugin.call("second")
        == [false, "cannot resume non-suspended coroutine", "normal", false, "cannot close a normal coroutine"])
    plugin.gate.open()
    #expect(try await first == [true, "mine"])
  }

  @Test func `waiting where C cannot be suspended is an error that says so`() async throws {
    let plugin = try await Plugin(
      """
      return {
        sort = function() table.sort({ 1, 2 }, function() pause() end) end,
        gsub = function() return (("x"):gsub("x", function() return pause() end)) end,
        inner = function() table.sort({ 1, 2 }, function() return coroutine.wrap(function() pause() end)() end) end,
        yield = function() coroutine.yield(1) end,
      }
      """)
    for name in ["sort", "gsub", "inner"] {
      let error = try await plugin.failure(name)
      #expect(error?.message.hasPrefix("'host.pause' waits, which is not possible inside") == true, "\(name)")
    }
    #expect(try await plugin.failure("yield")?.message == "attempt to yield from outside a coroutine")
    let function = try #require(plugin.functions["sort"])
    let synchronous = await #expect(throws: LuaError.self) {
      try await plugin.runner.perform { state in _ = try state.call(function) }
    }
    #expect(synchronous?.message == "'host.pause' waits, and this code runs to its end without waiting")
  }

  @Test func `a cancelled call runs its close variables, may not wait again, and others go on`() async throws {
    let plugin = try await Plugin(
      """
      return {
        f = function()
          local a <close> = setmetatable({}, { __close = function(_, e) log("a " .. e) end })
          local b <close> = setmetatable({}, { __close = function() log(select(2, pcall(pause))) end })
          wait()
          log("not reached")
        end,
        g = function() return wait("other") end,
      }
      """)
    let cancelled = Task { try await plugin.call("f") }
    async let other = plugin.call("g")
    await plugin.gate.arrived(2)
    cancelled.cancel()
    let error = await #expect(throws: LuaError.self) { try await cancelled.value }
    #expect(error?.kind == .cancelled)
    #expect(error?.description == "driver.lua:5: cancelled")
    #expect(plugin.log.all == ["cancelled", "a driver.lua:5: cancelled"])
    plugin.gate.open()
    #expect(try await other == ["other"])
  }

  @Test func `a call that computes is cancelled too`() async throws {
    let plugin = try await Plugin(
      """
      return { f = function()
        local a <close> = setmetatable({}, { __close = function(_, e) log("closed") end })
        pause()
        log("spinning")
        while true do pcall(pause) end
      end }
      """)
    let task = Task { try await plugin.call("f", budget: LuaBudget(instructions: .max, seconds: 60)) }
    while plugin.log.all.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
    task.cancel()
    let error = await #expect(throws: LuaError.self) { try await task.value }
    #expect(error?.kind == .cancelled)
    // It caught the cancellation and spun on, so it was ended without its variables.
    #expect(plugin.log.all == ["spinning"])
    #expect(try await plugin.failure("f", budget: LuaBudget(seconds: 0.01))?.kind == .time)
  }

  @Test func `a call that was cancelled before it began does not begin`() async throws {
    let plugin = try await Plugin("return { f = function() log('ran') end }")
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await plugin.call("f")
    }
    let error = await #expect(throws: LuaError.self) { try await task.value }
    #expect(error?.kind == .cancelled)
    #expect(plugin.log.all.isEmpty)
  }

  @Test func `time of the whole call and time in Lua are two limits with two messages`() async throws {
    let plugin = try await Plugin(
      """
      return {
        waits = function() local x <close> = setmetatable({}, { __close = function() log("closed") end }) wait() end,
        spins = function() while true do end end,
        splits = function() for i = 1, 1e9 do pause() for j = 1, 1e4 do end end end,
        counts = function() for i = 1, 1e9 do end end,
      }
      """)
    let waits = try await plugin.failure("waits", budget: LuaBudget(wallSeconds: 0.05))
    #expect(waits?.kind == .time)
    #expect(
      waits?.description
        == "driver.lua:2: exceeded its limit of 0.05 s for the whole call, waiting for 'host.wait'")
    #expect(plugin.log.all == ["closed"])
    let spins = try await plugin.failure("spins", budget: LuaBudget(instructions: .max, seconds: 0.05))
    #expect(spins?.kind == .time)
    #expect(spins?.description == "driver.lua:3: exceeded its limit of 0.05 s in Lua")
    let splits = try await plugin.failure("splits", budget: LuaBudget(instructions: .max, seconds: 0.02))
    #expect(splits?.message == "exceeded its limit of 0.02 s in Lua")
    let counts = try await plugin.failure("counts", budget: LuaBudget(instructions: 100_000))
    #expect(counts?.kind == .instructions)
    #expect(counts?.message == "exceeded its limit of 100000 instructions")
  }

  @Test func `a wait that does not obey its cancellation does not hold the call`() async throws {
    let plugin = try await Plugin("return { f = function() wait() end }")
    // Gate.wait ignores cancellation, and the gate is not opened before the call has failed.
    #expect(try await plugin.failure("f", budget: LuaBudget(wallSeconds: 0.02))?.kind == .time)
    plugin.gate.open()
  }

  @Test func `an error inside a plugin's coroutine keeps the frames of both`() async throws {
    let plugin = try await Plugin(
      """
      local function inner(x)
        return x.field
      end
      return { f = function()
        local co = coroutine.wrap(function() local r = inner(nil) return r end)
        local r = co()
        return r
      end }
      """)
    #expect(
      try await plugin.failure("f")?.details == """
        driver.lua:2: attempt to index a nil value (local 'x')
          driver.lua:2: in upvalue 'inner'
          driver.lua:5: in function at line 5
          [C]: in local 'co'
          driver.lua:6: in function at line 4
        """)
  }

  @Test func `a runner goes away with its thread while calls of others go on`() async throws {
    for _ in 0..<50 {
      let plugin = try await Plugin("return { f = function() return pause() end }")
      #expect(try await plugin.call("f") == ["done"])
    }
  }
}
