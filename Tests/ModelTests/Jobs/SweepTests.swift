import Testing

@testable import Model

struct SweepTests {
  @Test func aGridHasEveryCombinationOnceInOrder() {
    let sweep = Sweep(grid: ["layers": [1, 2], "lr": [0.1, 0.01, 0.001]])
    #expect(sweep.size == 6)
    #expect(
      sweep.points == [
        ["layers": 1, "lr": 0.1], ["layers": 1, "lr": 0.01], ["layers": 1, "lr": 0.001], ["layers": 2, "lr": 0.1],
        ["layers": 2, "lr": 0.01], ["layers": 2, "lr": 0.001],
      ])
  }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func whatIsDrawnIsWithinItsBoundsAndTheSameForASeed(seed: UInt64) {
    var random = SystemRandomNumberGenerator()
    let low = Double.random(in: -100...100, using: &random)
    let high = low + Double.random(in: 1e-6...1_000, using: &random)
    let small = Double.random(in: 1e-9...1, using: &random)
    let whole = Int64.random(in: -50...50, using: &random)
    let sweep = Sweep(
      grid: ["g": [1, 2]],
      random: [
        "a": .uniform(low, high), "b": .log(small, small * 1_000), "c": .integer(whole, whole + 3),
        "d": .choice(["x", "y"]), "e": .integer(.min, .max),
      ], count: 25, seed: seed)
    let points = sweep.points
    #expect(points.count == sweep.size)
    #expect(points == sweep.points, "the same seed gives the same points")
    for point in points {
      #expect((low...high).contains(point["a"]?.doubleValue ?? .nan))
      #expect((small...(small * 1_000)).contains(point["b"]?.doubleValue ?? .nan))
      #expect((whole...(whole + 3)).contains(point["c"]?.intValue ?? .max))
      #expect(["x", "y"].contains(point["d"]))
    }
    #expect(Set(points).count == points.count, "each draw is another")
    var other = sweep
    other.seed += 1
    #expect(other.points != points)
  }

  @Test func allOfARangeIsDrawnFrom() {
    let points = Sweep(random: ["n": .integer(1, 6), "lr": .log(1e-5, 1e-1)], count: 2_000, seed: 7).points
    #expect(Set(points.compactMap { $0["n"]?.intValue }) == Set(1...6))
    // By magnitude: each of the four powers of ten gets about a quarter.
    let small = points.filter { ($0["lr"]?.doubleValue ?? 1) < 1e-4 }.count
    #expect((400...600).contains(small), "\(small)")
  }

  @Test func theFirstPointsOfASeedNeverChange() {
    #expect(
      Sweep(random: ["lr": .log(1e-5, 1e-1), "n": .integer(1, 8)], count: 2, seed: 7).points == [
        ["lr": 0.000362509, "n": 1], ["lr": 0.0400906, "n": 5],
      ])
  }

  @Test func whatIsNoSweepIsToldAtOnce() {
    func told(_ sweep: Sweep, most: Int = 100) -> [String] { sweep.problems(most: most).map(\.message) }
    #expect(told(Sweep()) == ["the sweep varies nothing"])
    #expect(
      told(
        Sweep(
          grid: ["a": [], "b": [1, 1], "c": [1], "d": [1], "d.e": [2], "": [1]],
          random: ["c": .uniform(0, 1), "x": .uniform(1, 1), "y": .log(0, 1), "z": .choice([])], count: 0)
      ).count == 9)
    #expect(
      told(Sweep(grid: ["a": [1], "a-b": [1], "a.c": [1]])) == [
        "`a` and `a.c` cannot both be set: one is within the other"
      ], "names that stand between them hide nothing")
    #expect(told(Sweep(grid: ["a": [1, 2, 3]]), most: 2) == ["the sweep has 3 points, and at most 2 are queued"])
    let huge = Sweep(grid: Dictionary(uniqueKeysWithValues: (0..<100).map { ("a\($0)", [1, 2, 3]) }))
    #expect(huge.size == nil)
    #expect(told(huge) == ["the sweep has too many points, and at most 100 are queued"])
  }

  @Test func pathsSetWhatLiesWithin() {
    let base: [String: Value] = ["opt": ["name": "adam", "lr": 1], "seed": 3]
    #expect(
      Sweep.config(["opt.lr": 0.5, "a.b.c": true, "seed": 4], over: base) == [
        "opt": ["name": "adam", "lr": 0.5], "a": ["b": ["c": true]], "seed": 4,
      ])
  }

  @Test func valuesAreReadAsTheInputTakesThem() {
    #expect(Sweep.values("0.1,1,true,adam,[1,2],\"a,b\"", for: nil) == [0.1, 1, true, "adam", [1, 2], "a,b"])
    #expect(Sweep.values("1,2", for: Input(.text)) == ["1", "2"])
  }

  @Test(arguments: [
    ("0:1", Sweep.Draw.uniform(0, 1)), ("-1.5:2e3", .uniform(-1.5, 2_000)), ("log:1e-5:1e-1", .log(1e-5, 0.1)),
    ("int:1:8", .integer(1, 8)), ("a,b", .choice(["a", "b"])), ("1,2", .choice([1, 2])),
  ])
  func drawsAreRead(_ text: String, _ draw: Sweep.Draw) throws {
    #expect(try Sweep.Draw(text, for: nil) == draw)
  }

  @Test(arguments: ["log:a:1", "int:1.5:2", "log:1", "a:b", "1:2:3", "lgo:1:2"])
  func noDraws(_ text: String) { #expect(throws: SourceProblem.self) { try Sweep.Draw(text, for: nil) } }

  @Test func aFileSaysTheSame() throws {
    let document = try Value(
      json: #"{"grid": {"l": [1, 2]}, "random": {"lr": {"log": [1e-5, 0.1]}, "o": ["a"]}, "count": 3, "seed": 7}"#)
    #expect(
      try Sweep(document: document)
        == Sweep(grid: ["l": [1, 2]], random: ["lr": .log(1e-5, 0.1), "o": .choice(["a"])], count: 3, seed: 7))
    let slip = #expect(throws: SourceProblem.self) { try Sweep(document: ["gird": [:]]) }
    #expect(slip?.hint == "did you mean `grid`?")
    #expect(throws: SourceProblem.self) { try Sweep(document: ["random": ["x": ["lgo": [1, 2]]]]) }
  }
}
