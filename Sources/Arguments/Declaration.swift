/// Collects what a command takes, and gives a key for each, by which the command's body reads the value.
///
/// Names are lower-case letters, digits and `-`; a short name is one letter. Help is a sentence. What is hidden works,
/// and is not shown. `validate()` of the program finds every mistake in a declaration.
public struct Declaration: Sendable {
  /// Tells the keys of one command from those of another.
  final class Identity: Sendable {}

  let identity = Identity()
  private(set) var parameters: [Parameter] = []

  /// An argument that must be given.
  public mutating func argument<Value>(_ name: String, _ kind: Kind<Value>, help: String) -> Key<Value> {
    add(.argument(atLeast: 1, atMost: 1), name, kind, help: help, convert: one(kind))
  }

  /// An argument with a default.
  public mutating func argument<Value>(
    _ name: String, _ kind: Kind<Value>, default value: Value, help: String
  ) -> Key<Value> {
    add(
      .argument(atLeast: 0, atMost: 1), name, kind, help: help, defaultText: kind.render(value),
      convert: one(kind, default: value))
  }

  /// An argument that may be left out.
  public mutating func optionalArgument<Value>(_ name: String, _ kind: Kind<Value>, help: String) -> Key<Value?> {
    add(.argument(atLeast: 0, atMost: 1), name, kind, help: help, convert: oneOrNil(kind))
  }

  /// All arguments that are left, also those after `--`.
  public mutating func arguments<Value>(
    _ name: String, _ kind: Kind<Value>, atLeast: Int = 0, help: String
  ) -> Key<[Value]> {
    add(.argument(atLeast: atLeast, atMost: nil), name, kind, help: help, convert: all(kind))
  }

  /// `--name VALUE`, which may be left out. `environment` names a variable that is read then.
  public mutating func option<Value>(
    _ name: String, short: Character? = nil, _ kind: Kind<Value>, placeholder: String? = nil,
    environment: String? = nil, help: String, hidden: Bool = false
  ) -> Key<Value?> {
    add(
      .option(required: false, repeats: false), name, short: short, kind, placeholder: placeholder,
      environment: environment, help: help, hidden: hidden, convert: oneOrNil(kind))
  }

  /// `--name VALUE` with a default, which is shown in help.
  public mutating func option<Value>(
    _ name: String, short: Character? = nil, _ kind: Kind<Value>, default value: Value, placeholder: String? = nil,
    environment: String? = nil, help: String, hidden: Bool = false
  ) -> Key<Value> {
    add(
      .option(required: false, repeats: false), name, short: short, kind, placeholder: placeholder,
      environment: environment, help: help, hidden: hidden, defaultText: kind.render(value),
      convert: one(kind, default: value))
  }

  /// `--name VALUE` that must be given, by the command line or by its variable.
  public mutating func requiredOption<Value>(
    _ name: String, short: Character? = nil, _ kind: Kind<Value>, placeholder: String? = nil,
    environment: String? = nil, help: String
  ) -> Key<Value> {
    add(
      .option(required: true, repeats: false), name, short: short, kind, placeholder: placeholder,
      environment: environment, help: help, convert: one(kind))
  }

  /// `--name VALUE`, any number of times, in the order given.
  public mutating func options<Value>(
    _ name: String, short: Character? = nil, _ kind: Kind<Value>, required: Bool = false, placeholder: String? = nil,
    help: String, hidden: Bool = false
  ) -> Key<[Value]> {
    add(
      .option(required: required, repeats: true), name, short: short, kind, placeholder: placeholder, help: help,
      hidden: hidden, convert: all(kind))
  }

  /// `--name`: true when given.
  public mutating func flag(
    _ name: String, short: Character? = nil, help: String, hidden: Bool = false
  ) -> Key<Bool> {
    add(.flag, name, short: short, Kind.string, help: help, hidden: hidden) { .value(!$0.isEmpty) }
  }

  /// `--name` and `--no-name`; the later one counts.
  public mutating func toggle(_ name: String, default value: Bool, help: String, hidden: Bool = false) -> Key<Bool> {
    add(
      .toggle, name, Kind.string, help: help, hidden: hidden, defaultText: value ? "--\(name)" : "--no-\(name)"
    ) { words in
      .value(words.last.map { $0 == "--\(name)" } ?? value)
    }
  }
}

extension Declaration {
  private mutating func add<Value, Result>(
    _ role: Parameter.Role, _ name: String, short: Character? = nil, _ kind: Kind<Value>, placeholder: String? = nil,
    environment: String? = nil, help: String, hidden: Bool = false, defaultText: String? = nil,
    convert: @escaping @Sendable ([String]) -> Parameter.Conversion
  ) -> Key<Result> {
    parameters.append(
      Parameter(
        role: role, name: name, short: short, placeholder: placeholder ?? name, help: help, isHidden: hidden,
        environment: environment, defaultText: defaultText, detail: kind.detail, completion: kind.completion,
        convert: convert))
    return Key(index: parameters.count - 1, owner: identity)
  }
}

private typealias Convert = @Sendable ([String]) -> Parameter.Conversion

/// Without a word there is no value; the parser has said so by then.
private func one<Value>(_ kind: Kind<Value>) -> Convert {
  { words in words.first.map { converted($0, kind) } ?? .invalid([]) }
}

private func one<Value>(_ kind: Kind<Value>, default value: Value) -> Convert {
  { words in words.first.map { converted($0, kind) } ?? .value(value) }
}

private func oneOrNil<Value>(_ kind: Kind<Value>) -> Convert {
  { words in words.first.map { converted($0, kind) { Value?.some($0) } } ?? .value(Value?.none) }
}

private func all<Value>(_ kind: Kind<Value>) -> Convert {
  { words in
    var values: [Value] = []
    var mistakes: [(String, InvalidValue)] = []
    for word in words {
      switch kind.read(word) {
      case .success(let value): values.append(value)
      case .failure(let why): mistakes.append((word, why))
      }
    }
    return mistakes.isEmpty ? .value(values) : .invalid(mistakes)
  }
}

private func converted<Value>(
  _ word: String, _ kind: Kind<Value>, as form: (Value) -> any Sendable = { $0 }
) -> Parameter.Conversion {
  switch kind.read(word) {
  case .success(let value): .value(form(value))
  case .failure(let why): .invalid([(word, why)])
  }
}
