/// What a job's config may hold: parameters with types and defaults. Kept and shown as JSON Schema.
public struct Inputs: Sendable, Hashable {
  public var fields: [String: Input]
  /// Other parameters may be given too.
  public var isOpen: Bool

  public init(_ fields: [String: Input], isOpen: Bool = false) {
    self.fields = fields
    self.isOpen = isOpen
  }
}

/// One parameter of a job.
public struct Input: Sendable, Hashable {
  public indirect enum Kind: Sendable, Hashable {
    case any, text, integer, number, boolean
    case list(Input)
    case table(Inputs)
  }
  public var kind: Kind
  /// Null fits too.
  public var isNullable = false
  public var isRequired = false
  public var defaultValue: Value?
  public var choices: [Value]?
  public var minimum: Double?
  public var maximum: Double?
  public var doc: String?

  public init(_ kind: Kind, default defaultValue: Value? = nil) {
    self.kind = kind
    self.defaultValue = defaultValue
  }

  /// What fits, as people read it: `integer, 1 to 8`.
  public var text: String {
    if let choices { return "one of " + choices.map { $0.json() }.joined(separator: ", ") }
    let word =
      switch kind {
      case .any: "anything"
      case .text: "text"
      case .integer: "integer"
      case .number: "number"
      case .boolean: "true or false"
      case .list(let item): item.kind == .any ? "list" : "list of \(item.text)"
      case .table: "table"
      }
    return word + range + (isNullable ? " or null" : "")
  }

  private var range: String {
    switch (minimum.map(Self.text), maximum.map(Self.text)) {
    case (let low?, let high?): ", \(low) to \(high)"
    case (let low?, nil): ", \(low) or more"
    case (nil, let high?): ", \(high) or less"
    case (nil, nil): ""
    }
  }

  private static func text(_ number: Double) -> String { Int64(exactly: number).map(String.init) ?? String(number) }
}

// MARK: From a config

extension Inputs {
  /// The inputs that a config shows by its values, which become the defaults.
  public init(inferredFrom config: [String: Value]) { self.init(config.mapValues(Input.init(inferredFrom:))) }
}

extension Input {
  init(inferredFrom value: Value) {
    switch value {
    // It shows no type, so any will do.
    case .null: self.init(.any, default: value)
    case .bool: self.init(.boolean, default: value)
    case .int: self.init(.integer, default: value)
    case .double: self.init(.number, default: value)
    case .string: self.init(.text, default: value)
    case .array(let items): self.init(.list(Input(common: items)), default: value)
    case .object(let fields): self.init(.table(Inputs(inferredFrom: fields)))
    }
  }

  /// What all items of a list have in common.
  private init(common items: [Value]) {
    var kinds = Set(items.map { Input(inferredFrom: $0).withoutDefaults.kind })
    if kinds == [.integer, .number] { kinds = [.number] }
    self.init(kinds.count == 1 ? kinds.first ?? .any : .any)
  }

  /// Items of one kind differ in what they hold.
  private var withoutDefaults: Input {
    var plain = self
    plain.defaultValue = nil
    switch kind {
    case .list(let item): plain.kind = .list(item.withoutDefaults)
    case .table(let inputs):
      plain.kind = .table(Inputs(inputs.fields.mapValues(\.withoutDefaults), isOpen: inputs.isOpen))
    default: break
    }
    return plain
  }
}

// MARK: Configs of runs

extension Inputs {
  /// The config with the defaults of what it leaves out.
  public func completed(_ config: [String: Value]) -> [String: Value] {
    var config = config
    for (name, input) in fields {
      if case .table(let inner) = input.kind {
        // What is no table is told by `problems`.
        guard case .object(let given) = config[name] ?? .object([:]) else { continue }
        let whole = inner.completed(given)
        if !whole.isEmpty || config[name] != nil { config[name] = .object(whole) }
      } else if config[name] == nil {
        config[name] = input.defaultValue
      }
    }
    return config
  }

  /// Everything in a run's config that does not fit.
  public func problems(in config: [String: Value]) -> [Diagnostic] { problems(in: config, at: "") }

  fileprivate func problems(in config: [String: Value], at path: String) -> [Diagnostic] {
    var problems: [Diagnostic] = []
    for name in config.keys.sorted() {
      let place = path.isEmpty ? name : "\(path).\(name)"
      if let input = fields[name] {
        problems += input.problems(in: config[name] ?? .null, at: place)
      } else if !isOpen {
        let known = fields.keys.sorted()
        problems.append(
          Diagnostic(
            "S0016", "the job has no input `\(place)`",
            help: closest(to: name, among: known).map { near in
              "did you mean `\(path.isEmpty ? near : "\(path).\(near)")`? (\(fields[near]?.text ?? ""))"
            } ?? (known.isEmpty ? "it takes no inputs there" : "its inputs: \(known.joined(separator: ", "))")))
      }
    }
    for name in fields.keys.sorted() where config[name] == nil && fields[name]?.isRequired == true {
      let place = path.isEmpty ? name : "\(path).\(name)"
      problems.append(
        Diagnostic("S0018", "the job's input `\(place)` is missing", help: "give it \(fields[name]?.text ?? "a value")")
      )
    }
    return problems
  }

  /// The input that a path such as `optimizer.lr` means; nil where there is none.
  public func input(at path: [String]) -> Input? {
    guard let first = path.first, let input = fields[first] else { return nil }
    if path.count == 1 { return input }
    guard case .table(let inner) = input.kind else { return nil }
    return inner.input(at: Array(path.dropFirst()))
  }
}

extension Input {
  fileprivate func problems(in value: Value, at place: String) -> [Diagnostic] {
    if value.isNull, isNullable { return [] }
    if let choices {
      return choices.contains { $0.isSame(as: value) } ? [] : [misfit(value, place)]
    }
    switch (kind, value) {
    case (.any, _): return []
    case (.text, .string), (.boolean, .bool): return []
    case (.integer, _):
      guard let number = value.intValue, isInRange(Double(number)) else { return [misfit(value, place)] }
      return []
    case (.number, _):
      guard let number = value.doubleValue, isInRange(number) else { return [misfit(value, place)] }
      return []
    case (.list(let item), .array(let items)):
      return items.enumerated().flatMap { item.problems(in: $1, at: "\(place)[\($0)]") }
    case (.table(let inputs), .object(let fields)):
      return inputs.problems(in: fields, at: place)
    default: return [misfit(value, place)]
    }
  }

  private func isInRange(_ number: Double) -> Bool { number >= minimum ?? number && number <= maximum ?? number }

  private func misfit(_ value: Value, _ place: String) -> Diagnostic {
    // Who wrote `lr = 1` in the job's config may well have meant a number.
    let isFraction = kind == .integer && value.doubleValue != nil && value.intValue == nil
    return Diagnostic(
      "S0017", "the job's input `\(place)` must be \(text), not \(value.described)",
      help: isFraction
        ? "where fractions are meant, write the default as 1.0 in the config that the job is made with" : nil)
  }
}
