// Sweeps as people write them: on a command line, or in a file.

extension Sweep {
  /// Reads `0.1,0.01` of `--grid lr=0.1,0.01`: values as JSON, or else as text. A list in brackets is one value.
  /// - Parameter input: what the job says of the input; a text input gets texts, whatever they look like.
  public static func values(_ text: String, for input: Input?) -> [Value] {
    parts(text).map { value($0, for: input) }
  }

  private static func value(_ text: String, for input: Input?) -> Value {
    if input?.kind == .text { return .string(text) }
    return (try? Value(json: text)) ?? .string(text)
  }

  /// Splits at commas that are in no brackets and no quotes.
  private static func parts(_ text: String) -> [String] {
    var parts = [""]
    var depth = 0
    var isQuoted = false
    var wasBackslash = false
    for character in text {
      if character == ",", depth == 0, !isQuoted {
        parts.append("")
        continue
      }
      if character == "\"", !wasBackslash { isQuoted.toggle() }
      wasBackslash = character == "\\" && !wasBackslash
      if !isQuoted {
        if character == "[" || character == "{" { depth += 1 }
        if character == "]" || character == "}" { depth = max(0, depth - 1) }
      }
      parts[parts.count - 1].append(character)
    }
    return parts
  }
}

extension Sweep.Draw {
  /// Reads `0:1`, `log:1e-5:1e-1`, `int:1:8` or `a,b,c`.
  public init(_ text: String, for input: Input?) throws(SourceProblem) {
    let form = "such as 0:1, log:1e-5:1e-1, int:1:8 or a,b,c"
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    switch (parts.first, parts.count) {
    case ("log", 3), ("uniform", 3):
      guard let low = Double(parts[1]), let high = Double(parts[2]) else {
        throw SourceProblem("`\(text)` has no two numbers", hint: form)
      }
      self = parts[0] == "log" ? .log(low, high) : .uniform(low, high)
    case ("int", 3):
      guard let low = Int64(parts[1]), let high = Int64(parts[2]) else {
        throw SourceProblem("`\(text)` has no two whole numbers", hint: form)
      }
      self = .integer(low, high)
    case (let first?, 2) where Double(first) != nil && Double(parts[1]) != nil:
      self = .uniform(Double(first) ?? 0, Double(parts[1]) ?? 0)
    case (_, 1): self = .choice(Sweep.values(text, for: input))
    default: throw SourceProblem("`\(text)` is nothing to draw from", hint: form)
    }
  }

  /// Reads `{"log": [1e-5, 0.1]}`, `{"uniform": [0, 1]}`, `{"int": [1, 8]}`, or a list of choices.
  init(_ value: Value) throws(SourceProblem) {
    let form = #"{"log": [1e-5, 0.1]}, {"uniform": [0, 1]}, {"int": [1, 8]} or a list of choices"#
    if let choices = value.arrayValue {
      self = .choice(choices)
      return
    }
    guard let fields = value.objectValue, fields.count == 1, let (kind, bounds) = fields.first,
      let numbers = bounds.arrayValue, numbers.count == 2
    else { throw SourceProblem("\(value.described) is nothing to draw from", hint: form) }
    switch (kind, numbers[0].doubleValue, numbers[1].doubleValue, numbers[0].intValue, numbers[1].intValue) {
    case ("log", let low?, let high?, _, _): self = .log(low, high)
    case ("uniform", let low?, let high?, _, _): self = .uniform(low, high)
    case ("int", _, _, let low?, let high?): self = .integer(low, high)
    default: throw SourceProblem("\(value.json()) is nothing to draw from", hint: form)
    }
  }
}

extension Sweep {
  private static let keys = ["count", "grid", "random", "seed"]

  /// Reads `{"grid": {"lr": [0.1, 0.01]}, "random": {"wd": {"log": [1e-5, 0.1]}}, "count": 20, "seed": 7}`.
  public init(document: Value) throws(SourceProblem) {
    guard let fields = document.objectValue else { throw SourceProblem("a sweep is a table") }
    if let unknown = fields.keys.sorted().first(where: { !Self.keys.contains($0) }) {
      throw SourceProblem(
        "a sweep has no key `\(unknown)`",
        hint: closest(to: unknown, among: Self.keys).map { "did you mean `\($0)`?" }
          ?? "keys: \(Self.keys.joined(separator: ", "))")
    }
    self.init()
    for (name, values) in fields["grid"]?.objectValue ?? [:] {
      guard let list = values.arrayValue else { throw SourceProblem("the grid of `\(name)` must be a list of values") }
      grid[name] = list
    }
    for (name, draw) in fields["random"]?.objectValue ?? [:] { random[name] = try Draw(draw) }
    if let value = fields["count"] {
      guard let number = value.intValue.flatMap({ Int(exactly: $0) }) else {
        throw SourceProblem("`count` must be a whole number")
      }
      count = number
    }
    if let value = fields["seed"] {
      guard let number = value.intValue.flatMap({ UInt64(exactly: $0) }) else {
        throw SourceProblem("`seed` must be a whole number, 0 or more")
      }
      seed = number
    }
  }
}
