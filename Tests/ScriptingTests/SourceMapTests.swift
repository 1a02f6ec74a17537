import Model
import Testing

@testable import Scripting

struct SourceMapTests {
  let source = """
    -- a queue
    local base = { x = 1 }
    queue "gpu" {
      entity = "research", --[[ [ { ]] target = [[kuber]],
      resource = {
        ["a-b"] = { 1, { deep = true } },
        limits = { gpus = var("gpus", int { min = 1, max = 8 }) },
        f = function(x) if x then return { y = 1 } end end,
        entity = "x", entity = "y",
      },
      name = base == nil and "é" or "b", last = 4,
    }
    return driver { name = "slurm" }
    """

  var map: SourceMap { SourceMap(file: "q.lua", source: source) }

  @Test func findsDeclarationsByWordAndName() throws {
    let queue = try #require(map.declaration("queue", name: "gpu", near: 1))
    #expect(queue.place.text == "q.lua:3:1")
    #expect(queue.namePlace?.column == 7)
    #expect(map.declaration("driver", name: nil, near: 99)?.place.text == "q.lua:13:8")
  }

  @Test func findsKeysAndValuesAtAnyDepth() throws {
    let table = try #require(map.declaration("queue", name: "gpu", near: 1)).table
    #expect(table.places(of: [.key("target")])?.key == Place(file: "q.lua", line: 4, column: 36, length: 6))
    #expect(table.places(of: [.key("resource"), .key("a-b"), .index(1), .key("deep")])?.key.line == 6)
    #expect(table.places(of: [.key("resource"), .key("limits"), .key("gpus")])?.value.column == 23)
    #expect(table.places(of: [.key("resource"), .key("limits"), .key("gpus"), .key("max")])?.key.column == 50)
    #expect(table.places(of: [.key("last")])?.key == Place(file: "q.lua", line: 11, column: 38, length: 4))
    let beyond = try #require(table.places(of: [.key("resource"), .key("limits"), .key("x"), .key("y")]))
    #expect(!beyond.isExact && beyond.key.line == 7)
  }

  @Test func findsKeysThatStandTwice() {
    let repeated = map.declaration("queue", name: "gpu", near: 1)?.table.allRepeated ?? []
    #expect(repeated.map(\.key) == ["entity"])
    #expect(repeated.first?.first.column == 5 && repeated.first?.second.column == 19)
  }

  @Test(arguments: [
    "queue {", "queue \"x\" {{{{", "}}}}", "queue 'a\nb' {", "[==[ never ends", "queue \"x\" { f = function(",
    String(repeating: "queue {", count: 100_000), String(repeating: "{", count: 100_000), "\u{0}\u{FFFF}é",
    "queue \"x\" { [f(1)] = 2, [", "queue(\"x\", { a = 1 })",
  ]) func anyTextIsReadWithoutHarm(source: String) {
    _ = SourceMap(file: "x", source: source)
  }

  @Test(.timeLimit(.minutes(1))) func aTableOfAHundredThousandKeysIsReadAtOnce() throws {
    let count = 100_000
    let keys = (0..<count).map { "k\($0)=1," }.joined()
    let table = try #require(
      SourceMap(file: "x", source: "queue \"x\" {\(keys)k0=2}").declaration("queue", name: "x", near: 1)?.table)
    for index in 0..<count { #expect(table.places(of: [.key("k\(index)")])?.isExact == true) }
    #expect(table.allRepeated.map(\.key) == ["k0"])
  }

  @Test(.timeLimit(.minutes(1))) func tenThousandQueuesOfOneFileAreFoundAtOnce() {
    let count = 10_000
    let source = (0..<count).map { "queue \"q\($0)\" {}\n" }.joined()
    let map = SourceMap(file: "x", source: source)
    for index in 0..<count { #expect(map.declaration("queue", name: "q\(index)", near: 1)?.place.line == index + 1) }
  }
}
