import Glibc

/// Which values a sweep gives to a job's inputs: every combination of the grid, and for each of them so many draws.
/// Planning is pure: the same sweep always has the same points.
public struct Sweep: Sendable, Hashable {
  /// Values of each input that all are tried, by its name or path (`optimizer.lr`).
  public var grid: [String: [Value]]
  /// What the others are drawn from.
  public var random: [String: Draw]
  /// Draws for each combination of the grid; 1 where nothing is drawn.
  public var count: Int
  public var seed: UInt64

  /// What a value is drawn from.
  public enum Draw: Sendable, Hashable {
    case uniform(Double, Double)
    /// Evenly over the magnitudes: for learning rates and the like. Both bounds are above zero.
    case log(Double, Double)
    /// Whole numbers, the bounds included.
    case integer(Int64, Int64)
    case choice([Value])
  }

  public init(grid: [String: [Value]] = [:], random: [String: Draw] = [:], count: Int = 1, seed: UInt64 = 0) {
    self.grid = grid
    self.random = random
    self.count = count
    self.seed = seed
  }

  /// Runs of one sweep at most where nothing else is said; a slip in a range should not fill a queue.
  public static let pointsDefault = 200
}

extension Sweep {
  /// How many points there are; nil where that is beyond all bounds.
  public var size: Int? {
    var size = max(0, count)
    for values in grid.values {
      let (product, isOver) = size.multipliedReportingOverflow(by: values.count)
      if isOver { return nil }
      size = product
    }
    return size
  }

  /// Everything that keeps this from being a sweep.
  /// - Parameter most: points at most.
  public func problems(most: Int) -> [SourceProblem] {
    var problems: [SourceProblem] = []
    if grid.isEmpty, random.isEmpty {
      problems.append(SourceProblem("the sweep varies nothing", hint: "such as --grid lr=0.1,0.01"))
    }
    for name in grid.keys.sorted() {
      let values = grid[name] ?? []
      if values.isEmpty { problems.append(SourceProblem("the grid has no values for `\(name)`")) }
      if Set(values).count < values.count {
        problems.append(SourceProblem("the grid has a value of `\(name)` twice, which would be run twice"))
      }
      if random[name] != nil {
        problems.append(SourceProblem("`\(name)` is both in the grid and drawn", hint: "leave one of them out"))
      }
    }
    let names = (Array(grid.keys) + random.keys).sorted()
    for name in names where name.split(separator: ".", omittingEmptySubsequences: false).contains("") {
      problems.append(SourceProblem("`\(name)` is no name of an input", hint: "such as lr or optimizer.lr"))
    }
    for name in names {
      for inner in names where inner.hasPrefix(name + ".") {
        problems.append(SourceProblem("`\(name)` and `\(inner)` cannot both be set: one is within the other"))
      }
    }
    for name in random.keys.sorted() {
      if let fact = random[name]?.problem { problems.append(SourceProblem("`\(name)` \(fact)")) }
    }
    if count < 1 { problems.append(SourceProblem("a sweep draws at least once")) }
    if problems.isEmpty, size ?? .max > most {
      problems.append(
        SourceProblem(
          "the sweep has \(size.map(String.init) ?? "too many") points, and at most \(most) are queued",
          hint: "leave some values out, or raise the bound: --max"))
    }
    return problems
  }

  /// One value for each input that is varied, for each point: the grid in the order of its names and values, the last
  /// name quickest, and each combination with its draws.
  public var points: [[String: Value]] {
    var combinations: [[String: Value]] = [[:]]
    for name in grid.keys.sorted() {
      combinations = combinations.flatMap { point in
        (grid[name] ?? []).map { point.merging([name: $0]) { $1 } }
      }
    }
    var generator = SplitMix(seed: seed)
    return combinations.flatMap { point in
      (0..<max(0, count)).map { _ in
        var point = point
        for name in random.keys.sorted() { point[name] = random[name]?.value(&generator) }
        return point
      }
    }
  }

  /// A point as a run's config, laid over `base`: `optimizer.lr` sets `lr` within `optimizer`.
  public static func config(_ point: [String: Value], over base: [String: Value] = [:]) -> [String: Value] {
    var config = base
    for name in point.keys.sorted() { set(point[name] ?? .null, at: name.split(separator: "."), in: &config) }
    return config
  }

  private static func set(_ value: Value, at path: [Substring], in config: inout [String: Value]) {
    guard let first = path.first.map(String.init) else { return }
    if path.count == 1 {
      config[first] = value
    } else {
      var inner = config[first]?.objectValue ?? [:]
      set(value, at: Array(path.dropFirst()), in: &inner)
      config[first] = .object(inner)
    }
  }
}

extension Sweep.Draw {
  /// Why nothing can be drawn from this, to follow the input's name.
  var problem: String? {
    switch self {
    case .uniform(let low, let high):
      low.isFinite && high.isFinite && low < high ? nil : "is drawn from a range without an inside"
    case .log(let low, let high):
      low > 0 && high.isFinite && low < high ? nil : "is drawn by magnitude, which needs bounds above 0 in their order"
    case .integer(let low, let high): low <= high ? nil : "is drawn from a range without an inside"
    case .choice(let values): values.isEmpty ? "is drawn from nothing" : nil
    }
  }

  /// Significant digits of what is drawn: more say nothing, and are hard to read and to type again.
  private static let digits = 6

  fileprivate func value(_ generator: inout SplitMix) -> Value {
    switch self {
    case .uniform(let low, let high): .double(Self.rounded(low + (high - low) * generator.unit(), low, high))
    case .log(let low, let high):
      .double(Self.rounded(exp(Glibc.log(low) + (Glibc.log(high) - Glibc.log(low)) * generator.unit()), low, high))
    case .integer(let low, let high): .int(generator.integer(low, high))
    case .choice(let values): values[Int(generator.integer(0, Int64(values.count - 1)))]
    }
  }

  private static func rounded(_ number: Double, _ low: Double, _ high: Double) -> Double {
    guard number != 0 else { return 0 }
    let scale = pow(10, Double(digits) - 1 - floor(log10(abs(number))))
    let rounded = (number * scale).rounded() / scale
    return min(max(rounded.isFinite ? rounded : number, low), high)
  }
}

/// Random numbers that are the same on every machine and in every version.
private struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// 0 up to but not including 1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  mutating func integer(_ low: Int64, _ high: Int64) -> Int64 {
    let span = UInt64(bitPattern: high &- low)
    if span == .max { return Int64(bitPattern: next()) }
    // The high half of the product is even enough for ranges that anybody sweeps over.
    return low &+ Int64(bitPattern: next().multipliedFullWidth(by: span + 1).high)
  }
}
