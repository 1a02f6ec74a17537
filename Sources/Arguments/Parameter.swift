/// One argument, option or flag of a command, with its type erased.
struct Parameter: Sendable {
  enum Role: Hashable, Sendable {
    /// Given by its position; `atMost` nil takes all that is left.
    case argument(atLeast: Int, atMost: Int?)
    /// Given by its name, with a value.
    case option(required: Bool, repeats: Bool)
    /// `--name`.
    case flag
    /// `--name` and `--no-name`; the later one counts.
    case toggle
  }

  let role: Role
  let name: String
  let short: Character?
  /// Stands for the value in help, within `<>`.
  let placeholder: String
  let help: String
  let isHidden: Bool
  /// The variable that is read when the option is not given.
  let environment: String?
  let defaultText: String?
  let detail: String?
  let completion: Completion
  /// Makes the typed value of the words that were given; all of them are looked at, so that all mistakes are told.
  let convert: @Sendable ([String]) -> Conversion

  enum Conversion: Sendable {
    case value(any Sendable)
    case invalid([(text: String, why: InvalidValue)])
  }
}

extension Parameter {
  var isArgument: Bool {
    if case .argument = role { true } else { false }
  }

  var takesValue: Bool {
    switch role {
    case .argument, .option: true
    case .flag, .toggle: false
    }
  }

  var repeats: Bool {
    switch role {
    case .argument(_, let atMost): atMost == nil
    case .option(_, let repeats): repeats
    case .flag, .toggle: true
    }
  }

  var isRequired: Bool {
    switch role {
    case .argument(let atLeast, _): atLeast > 0
    case .option(let required, _): required
    case .flag, .toggle: false
    }
  }

  /// Every word by which it can be given.
  var spellings: [String] {
    if isArgument { return [] }
    var spellings = short.map { ["-\($0)"] } ?? []
    spellings.append("--\(name)")
    if role == .toggle { spellings.append("--no-\(name)") }
    return spellings
  }

  /// As a sentence about it names it: `--queue <queue>`, `<path>`, `--json`.
  var title: String {
    if isArgument { return "<\(placeholder)>" }
    return takesValue ? "--\(name) <\(placeholder)>" : "--\(name)"
  }
}
