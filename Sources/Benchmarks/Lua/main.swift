import CLuaLoops
import Lua

// Calls between Swift and Lua against the same loops in C, in one run, so that the machine's mood cancels out.

let source = """
  function add(a) return a + 1 end
  function callback(n)
    local increment = increment
    local x = 0
    for _ = 1, n do x = increment(x) end
    return x
  end
  """
let calls = 1_000_000
let rounds = 15

/// Swift's side: the same source in a sandbox with all its limits.
struct SwiftLoops {
  let state: LuaState
  let add: LuaReference
  let callback: LuaReference

  init() throws {
    state = try LuaState(sandbox: .run, limits: LuaLimits(instructions: .max, seconds: 600))
    let increment = state.valueFunction { call in .integer(try call.integer(1) &+ 1) }
    let environment = try state.environment(globals: ["increment": .reference(increment)])
    let functions = try state.evaluate(source + " return add, callback", chunk: "=loops", environment: environment)
    add = functions[0]
    callback = functions[1]
  }

  /// Nanoseconds for each call.
  func call() throws -> Double {
    var sum = 0
    let elapsed = try ContinuousClock().measure {
      for number in 1...calls { sum &+= try state.call(add, number, as: Int.self) }
    }
    precondition(sum == calls * (calls + 3) / 2)
    return elapsed.nanoseconds / Double(calls)
  }

  func callBack() throws -> Double {
    var result = 0
    let elapsed = try ContinuousClock().measure { result = try state.call(callback, calls, as: Int.self) }
    precondition(result == calls)
    return elapsed.nanoseconds / Double(calls)
  }
}

extension Duration {
  var nanoseconds: Double { Double(components.seconds) * 1e9 + Double(components.attoseconds) * 1e-9 }
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func text(_ value: Double, _ digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  return String((value * scale).rounded() / scale)
}

guard let bare = loops_open(source, 0), let guarded = loops_open(source, 1) else {
  throw LuaError(.memory, "no memory for the loops in C")
}
let swift = try SwiftLoops()
var times: [String: [Double]] = [:]
for _ in 0..<rounds {
  times["call bare", default: []].append(loops_call(bare, calls))
  times["call guarded", default: []].append(loops_call(guarded, calls))
  times["call swift", default: []].append(try swift.call())
  times["back bare", default: []].append(loops_callback(bare, calls))
  times["back guarded", default: []].append(loops_callback(guarded, calls))
  times["back swift", default: []].append(try swift.callBack())
}
loops_close(bare)
loops_close(guarded)

@MainActor func report(_ title: String, _ key: String, limit: Double) {
  let swift = median(times["\(key) swift"] ?? [0])
  let guarded = median(times["\(key) guarded"] ?? [0])
  let bare = median(times["\(key) bare"] ?? [0])
  print(title)
  print("  Swift                          \(text(swift, 1)) ns")
  print(
    "  C with hook and handler        \(text(guarded, 1)) ns   Swift / C = \(text(swift / guarded, 2))   (at most \(limit))"
  )
  print("  C with neither                 \(text(bare, 1)) ns   Swift / C = \(text(swift / bare, 2))")
}
print("\(LuaState.version), medians of \(rounds) rounds of \(calls) calls")
report("host calls a Lua function", "call", limit: 1.3)
report("Lua calls a host function", "back", limit: 2.5)
