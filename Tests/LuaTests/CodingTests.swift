import Lua
import Testing

private struct Spec: Codable, Equatable {
  struct Container: Codable, Equatable {
    var image: String
    var args: [String]
    var gpus: Int?
  }
  enum Mode: String, Codable { case fast, slow }
  enum Choice: Codable, Equatable {
    case none
    case some(value: Int)
  }
  var name: String
  var containers: [Container]
  var limits: [String: Double]
  var mode: Mode
  var choice: Choice
  var on: Bool
  var small: UInt8
  var note: String?
}

private struct Chain: Codable, Equatable {
  final class Box: Codable {
    let next: Chain
    init(_ next: Chain) { self.next = next }
  }
  var box: Box?
  static func == (a: Chain, b: Chain) -> Bool { (a.box == nil) == (b.box == nil) }
}

@Suite struct CodingTests {
  private let spec = Spec(
    name: "né", containers: [.init(image: "a:b", args: ["-x", ""], gpus: 2), .init(image: "c", args: [], gpus: nil)],
    limits: ["cpu": 1.5, "memory": 4], mode: .slow, choice: .some(value: 3), on: true, small: 255, note: nil)

  @Test func `a value goes through Lua and comes back the same`() throws {
    let bench = try Bench()
    let echo = try bench.state.evaluate(
      """
      return function(s)
        local copy = {}
        for k, v in pairs(s) do copy[k] = v end
        return copy, #s.containers, s.containers[2].gpus, s.note
      end
      """, chunk: "=t", environment: bench.environment)[0]
    #expect(try bench.state.call(echo, [.encoding(spec)], decoding: Spec.self) == spec)
    #expect(try bench.state.call(echo, [.encoding(spec)]).dropFirst() == [2, nil, nil])
  }

  @Test func `a runner's call decodes too`() async throws {
    let plugin = try await Plugin("return { f = function() return { { image = pause(), args = {} } } end }")
    let function = try #require(plugin.functions["f"])
    let containers = try await plugin.runner.call(function, [], decoding: [Spec.Container].self)
    #expect(containers == [Spec.Container(image: "done", args: [], gpus: nil)])
  }

  @Test func `what does not fit is named with its path, counted as Lua counts`() throws {
    func message<T: Decodable>(_ type: T.Type, _ tree: LuaTree) -> String? {
      do {
        _ = try LuaDecoder().decode(type, from: tree)
        return nil
      } catch {
        #expect(error.kind == .conversion)
        return error.message
      }
    }
    #expect(
      message([String: [Spec.Container]].self, ["spec": [["image": "a", "args": []], ["image": 7, "args": []]]])
        == "string expected, got number at spec[2].image")
    #expect(message(Spec.Container.self, ["image": "a"]) == "missing at args")
    #expect(message([UInt8].self, [1, 300]) == "integer from 0 to 255 expected, got 300 at [2]")
    #expect(message(Int.self, 1.5) == "integer from \(Int.min) to \(Int.max) expected, got 1.5")
    #expect(message([String].self, ["a": "b"]) == "list expected, got table with keys")
    #expect(message(String.self, .function) == "string expected, got function")
    #expect(message([Spec.Mode].self, ["fast", "quick"])?.hasSuffix("at [2]") == true)
  }

  @Test func `whole numbers count as integers and integers as numbers`() throws {
    #expect(try LuaDecoder().decode([Int].self, from: [2.0, 3]) == [2, 3])
    #expect(try LuaDecoder().decode([Double].self, from: [2, 0.5]) == [2, 0.5])
    #expect(try LuaDecoder().decode([String: Int?].self, from: ["a": 1]) == ["a": 1])
    #expect(try LuaDecoder().decode([String: Int].self, from: [:]) == [:])
    #expect(try LuaDecoder().decode([Int].self, from: [:]) == [])
  }

  @Test func `what Lua cannot hold is refused`() throws {
    func message(_ value: some Encodable) -> String? {
      do {
        _ = try LuaEncoder().encode(value)
        return nil
      } catch {
        return error.message
      }
    }
    #expect(message(["n": UInt64.max]) == "18446744073709551615 is too large for an integer of Lua at n")
    #expect(message([1, nil, 3] as [Int?]) == "a list in Lua cannot hold nil at [2]")
    var chain = Chain()
    for _ in 0..<10_000 { chain = Chain(box: .init(chain)) }
    #expect(message(chain) == "values nested more than 100 deep")
    // Takes the chain apart by hand: its own release would recurse as deep.
    while let next = chain.box?.next { chain = next }
  }
}
