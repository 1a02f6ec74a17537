import FoundationEssentials
import Lua
import Testing

/// Chunks that try to hold the host up: each file's first line says how it must end.
@Suite(.serialized) struct HostileTests {
  struct Chunk: CustomTestStringConvertible, Sendable {
    var name: String
    var source: String
    var ends: [String]
    var testDescription: String { name }
  }

  private static let folder =
    String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex)) + "/Hostile"

  static let chunks: [Chunk] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".lua") }.sorted().compactMap { name in
      guard let source = try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8),
        let first = source.split(separator: "\n").first, first.hasPrefix("-- ends: ")
      else { return nil }
      return Chunk(name: name, source: source, ends: first.dropFirst(9).split(separator: "|").map(String.init))
    }
  }()

  private let seconds = 0.2
  private var limits: LuaLimits { LuaLimits(memoryBytes: 16 << 20, instructions: .max, seconds: seconds) }

  private func check(_ chunk: Chunk, _ error: LuaError?, _ elapsed: Duration) {
    #expect(chunk.ends.contains(error?.kind.rawValue ?? "nothing"), "\(error?.details ?? "no error")")
    #expect(elapsed < .seconds(2 * seconds), "\(chunk.name) took \(elapsed)")
  }

  @Test func `the corpus is there`() {
    #expect(Self.chunks.count >= 60)
  }

  @Test(arguments: chunks) func `a hostile chunk is stopped in time, and the state serves on`(_ chunk: Chunk) throws {
    let bench = try Bench(.load, limits: limits)
    var failure: LuaError?
    let elapsed = ContinuousClock().measure {
      failure = #expect(throws: LuaError.self) { try bench.run(chunk.source, chunk: "@\(chunk.name)") }
    }
    check(chunk, failure, elapsed)
    let after = try bench.state.environment()
    let results = try bench.state.evaluate("return ('a'):rep(3)", chunk: "=after", environment: after)
    #expect(try bench.state.tree(of: results[0]) == "aaa")
  }

  @Test(arguments: chunks) func `a hostile call is stopped in time, and others go on`(_ chunk: Chunk) async throws {
    let plugin = try await Plugin(
      "return { other = function() return wait('still here') end, hostile = function()\n\(chunk.source)\nend }",
      limits: limits)
    async let other = plugin.call("other")
    await plugin.gate.arrived(1)
    var failure: LuaError?
    let elapsed = try await ContinuousClock().measure {
      failure = try await plugin.failure(
        "hostile", budget: LuaBudget(instructions: .max, seconds: seconds, wallSeconds: 60))
    }
    check(chunk, failure, elapsed)
    plugin.gate.open()
    #expect(try await other == ["still here"])
  }

  @Test func `source that nests too deep, or is no text, is refused`() throws {
    let bench = try Bench(.load, limits: limits)
    let depth = 100_000
    let nested = "return " + String(repeating: "(", count: depth) + "1" + String(repeating: ")", count: depth)
    #expect(bench.failure(nested)?.kind == .syntax)
    #expect(bench.failure("\u{1B}Lua")?.kind == .syntax)
    let tables = "return " + String(repeating: "{", count: depth) + String(repeating: "}", count: depth)
    #expect(bench.failure(tables)?.kind == .syntax)
    #expect(try bench.run("return 1") == 1)
  }

  @Test func `a coroutine kept from an ended call is counted in the next`() throws {
    let bench = try Bench(.run, limits: limits)
    let call = try bench.state.evaluate(
      """
      local kept = coroutine.create(function() while true do for i = 1, 10 do end coroutine.yield() end end)
      local spin = coroutine.create(function() coroutine.yield() while true do end end)
      coroutine.resume(spin)
      return function() coroutine.resume(kept) return coroutine.resume(spin) end
      """, chunk: "=t", environment: bench.environment)[0]
    let error = #expect(throws: LuaError.self) { try bench.state.call(call) }
    #expect(error?.kind == .time)
    #expect(try bench.state.call(call) == [false, "cannot resume dead coroutine"])
  }
}
