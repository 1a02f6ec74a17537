import Model

/// Why a word is not a value of its kind.
public struct InvalidValue: Error, Equatable, Sendable {
  /// Ends the sentence "The value 'x' is invalid for '--y <y>': ...", without a full stop.
  public let reason: String
  /// The value that was probably meant.
  public let suggestion: String?

  public init(_ reason: String, suggestion: String? = nil) {
    self.reason = reason
    self.suggestion = suggestion
  }
}

/// What a shell offers where a value is typed.
public enum Completion: Hashable, Sendable {
  case nothing
  case files
  case directories
  case choices([String])
  /// Names that only the program knows at that moment; see `Program.init`.
  case list(String)
}

/// A kind of value: how it is read, how it is shown, what a shell offers for it.
public struct Kind<Value: Sendable>: Sendable {
  /// What help says of the values in brackets, such as `1 to 64`.
  let detail: String?
  let completion: Completion
  let render: @Sendable (Value) -> String
  let parse: @Sendable (String) throws(InvalidValue) -> Value

  /// - Parameters:
  ///   - detail: what help says of the values in brackets, or nil.
  ///   - render: the inverse of `parse`; shows defaults.
  public init(
    detail: String? = nil,
    completion: Completion = .nothing,
    render: @escaping @Sendable (Value) -> String = { "\($0)" },
    parse: @escaping @Sendable (String) throws(InvalidValue) -> Value
  ) {
    self.detail = detail
    self.completion = completion
    self.render = render
    self.parse = parse
  }

  func read(_ text: String) -> Result<Value, InvalidValue> {
    do { return .success(try parse(text)) } catch { return .failure(error) }
  }

  /// The same values, with something else offered by shells.
  public func completed(by completion: Completion) -> Kind {
    Kind(detail: detail, completion: completion, render: render, parse: parse)
  }
}

extension Kind where Value == String {
  /// Any text, even none.
  public static var string: Kind { Kind { $0 } }

  /// A file that is there or will be there.
  public static var file: Kind { path(.files) }

  /// A folder that is there or will be there.
  public static var directory: Kind { path(.directories) }

  /// A name out of a list that only the program knows, such as its queues. Any name is taken: the list only completes.
  public static func name(from list: String) -> Kind { string.completed(by: .list(list)) }

  /// One of the given words, each of letters, digits and `._:/@+-`.
  public static func choice(_ choices: [String]) -> Kind {
    Kind(detail: "values: " + choices.joined(separator: ", "), completion: .choices(choices)) {
      text throws(InvalidValue) in
      guard choices.contains(text) else { throw notAmong(choices, text) }
      return text
    }
  }

  private static func path(_ completion: Completion) -> Kind {
    Kind(completion: completion) { text throws(InvalidValue) in
      guard !text.isEmpty else { throw InvalidValue("must not be empty") }
      return text
    }
  }
}

extension Kind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// One of the cases, written as its raw value.
  public static func choice(of type: Value.Type) -> Kind {
    let choices = type.allCases.map(\.rawValue)
    return Kind(
      detail: "values: " + choices.joined(separator: ", "),
      completion: .choices(choices),
      render: { $0.rawValue },
      parse: { text throws(InvalidValue) in
        guard let value = Value(rawValue: text) else { throw notAmong(choices, text) }
        return value
      })
  }
}

private func notAmong(_ choices: [String], _ text: String) -> InvalidValue {
  let listed = choices.map { "'\($0)'" }.joined(separator: ", ")
  return InvalidValue("must be one of \(listed)", suggestion: closest(to: text, among: choices))
}

extension Kind where Value == Int {
  /// A whole number within the range.
  public static func integer(_ range: ClosedRange<Int>) -> Kind {
    let bounds = bounds(of: range)
    let expected = "must be a whole number" + (bounds.map { ", \($0)" } ?? "")
    return Kind(detail: bounds) { text throws(InvalidValue) in
      guard let value = Int(text), range.contains(value) else { throw InvalidValue(expected) }
      return value
    }
  }

  /// A number of bytes, as `Quantity` reads it: `4GiB`, `512MB`, `4096`.
  public static var size: Kind {
    Kind(
      render: { Quantity.text(bytes: Int64($0)).filter { $0 != " " } },
      parse: { text throws(InvalidValue) in
        guard let bytes = Quantity.bytes(text).flatMap({ Int(exactly: $0) }) else {
          throw InvalidValue("must be a size, such as 4GiB, 512MB or 4096 (bytes)")
        }
        return bytes
      })
  }

  private static func bounds(of range: ClosedRange<Int>) -> String? {
    switch (range.lowerBound, range.upperBound) {
    case (.min, .max): nil
    case (.min, let upper): "\(upper) or less"
    case (let lower, .max): "\(lower) or more"
    case (let lower, let upper): "\(lower) to \(upper)"
    }
  }
}

/// A century in seconds: more is a slip, and far more is no `Duration` at all.
private let longestSeconds = 3_155_760_000.0

extension Kind where Value == Duration {
  /// A length of time, as `Quantity` reads it: `90s`, `12h`, `1h30m`.
  public static var duration: Kind {
    Kind(
      render: { Quantity.text(seconds: $0 / .seconds(1)) },
      parse: { text throws(InvalidValue) in
        guard let seconds = Quantity.seconds(text) else {
          throw InvalidValue("must be a length of time, such as 90s, 12h or 1h30m")
        }
        guard seconds <= longestSeconds else { throw InvalidValue("must be a century or less") }
        return .seconds(seconds)
      })
  }
}

/// A value of the kind `key=value`.
public struct KeyValue: Hashable, Sendable {
  public let key: String
  public let value: String

  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

extension Kind where Value == KeyValue {
  /// `key=value`; the value may be empty and may hold further `=`.
  public static var keyValue: Kind {
    Kind(
      render: { "\($0.key)=\($0.value)" },
      parse: { text throws(InvalidValue) in
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
          throw InvalidValue("must have the form key=value")
        }
        return KeyValue(key: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
      })
  }
}
