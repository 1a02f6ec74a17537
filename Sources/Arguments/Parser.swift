import Model

/// Reads the words after the name of a command that can be run.
///
/// It goes on after a mistake, so that all of them are told at once. A word that looks like an option is never taken
/// as the value of the option before it: `--name=-x` gives such a value.
struct Parser {
  private let declaration: Declaration
  private let environment: Environment
  /// What was given for each parameter, by its index.
  private var given: [[String]]
  private var positionals: [String] = []
  private var problems: [String] = []
  /// False once a mistake leaves open which words are arguments; then nothing is said about arguments.
  private var argumentsAreCertain = true
  /// An unknown option that is probably a misspelt one has given no value to it, and it is not missing either.
  private var attempted: Set<Int> = []
  /// `--help` was among the words: nothing else counts.
  private(set) var wantsHelp = false

  init(_ declaration: Declaration, environment: Environment) {
    self.declaration = declaration
    self.environment = environment
    given = Array(repeating: [], count: declaration.parameters.count)
  }

  private var parameters: [Parameter] { declaration.parameters }

  mutating func read(_ words: ArraySlice<String>) {
    var rest = words
    while let word = rest.popFirst() {
      if word == "--" {
        positionals += rest
        return
      } else if word.hasPrefix("--") {
        readLong(word, &rest)
      } else if looksLikeOption(word) {
        readShort(word, &rest)
      } else {
        positionals.append(word)
      }
    }
  }

  /// The typed values, or every problem found.
  mutating func finish() throws(Refusal) -> Values {
    placePositionals()
    readEnvironment()
    var values: [any Sendable] = []
    for (index, parameter) in parameters.enumerated() {
      switch parameter.convert(given[index]) {
      case .value(let value): values.append(value)
      case .invalid(let mistakes):
        for (text, why) in mistakes { note(invalid(text, for: subject(parameter, index), why)) }
      }
    }
    guard problems.isEmpty, values.count == parameters.count else { throw Refusal(problems: problems) }
    return Values(owner: declaration.identity, values: values)
  }

  struct Refusal: Error {
    let problems: [String]
  }

  // MARK: Options

  private mutating func readLong(_ word: String, _ rest: inout ArraySlice<String>) {
    let spelling = String(word.prefix { $0 != "=" })
    let attached = spelling.count < word.count ? String(word.dropFirst(spelling.count + 1)) : nil
    if spelling == "--help" {
      wantsHelp = true
    } else if let index = index(of: spelling) {
      take(index, spelling, attached, &rest)
    } else {
      refuseUnknown(spelling, attached: attached, &rest)
    }
  }

  /// `-q gpu`, `-qgpu`, `-q=gpu`, and flags in one word: `-jw`.
  private mutating func readShort(_ word: String, _ rest: inout ArraySlice<String>) {
    // `-queue` for `--queue` would otherwise silently give `-q` the value "ueue".
    let misspelt = "-" + word.prefix { $0 != "=" }
    if word.count > 2, index(of: misspelt) != nil {
      let attached = misspelt.count <= word.count ? String(word.dropFirst(misspelt.count)) : nil
      return refuseUnknown(String(misspelt.dropFirst()), attached: attached, &rest)
    }
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      let spelling = "-\(letter)"
      if letter == "h" {
        wantsHelp = true
        return
      }
      guard let index = index(of: spelling) else { return refuseUnknown(spelling, attached: nil, &rest) }
      if parameters[index].takesValue {
        let attached = letters.first == "=" ? letters.dropFirst() : letters
        return take(index, spelling, letters.isEmpty ? nil : String(attached), &rest)
      }
      take(index, spelling, nil, &rest)
    }
  }

  private mutating func take(
    _ index: Int, _ spelling: String, _ attached: String?, _ rest: inout ArraySlice<String>
  ) {
    let parameter = parameters[index]
    attempted.insert(index)
    guard parameter.takesValue else {
      if attached != nil { note("'\(spelling)' takes no value.") }
      given[index].append(spelling)
      return
    }
    guard let value = attached ?? nextValue(&rest) else {
      return note("Missing value for '\(spelling) <\(parameter.placeholder)>'." + dashHint(spelling, rest.first))
    }
    if !parameter.repeats, !given[index].isEmpty {
      return note("'--\(parameter.name)' is given twice, and takes one value.")
    }
    given[index].append(value)
  }

  private func nextValue(_ rest: inout ArraySlice<String>) -> String? {
    guard let next = rest.first, !looksLikeOption(next) else { return nil }
    return rest.popFirst()
  }

  private func dashHint(_ spelling: String, _ next: String?) -> String {
    guard let next, next != "--", index(of: String(next.prefix { $0 != "=" })) == nil, spelling.hasPrefix("--"),
      next != "--help", next != "-h"
    else { return "" }
    return " A value that begins with '-' is written '\(spelling)=\(printable(next))'."
  }

  private mutating func refuseUnknown(
    _ spelling: String, attached: String?, _ rest: inout ArraySlice<String>
  ) {
    let meant = nearestOption(to: spelling)
    note("Unknown option '\(spelling)'." + suggested(meant))
    if let meant, let index = index(of: meant) {
      // Read on as if it had been spelt well, or its value would be told as an unexpected argument.
      attempted.insert(index)
      if attached == nil, parameters[index].takesValue { _ = nextValue(&rest) }
    } else if attached == nil {
      argumentsAreCertain = false
    }
  }

  private func nearestOption(to spelling: String) -> String? {
    let visible = parameters.filter { !$0.isHidden }.flatMap(\.spellings) + ["--help"]
    let bare = String(spelling.drop { $0 == "-" })
    if let exact = visible.first(where: { $0.drop { $0 == "-" } == bare }) { return exact }
    let long = visible.filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) }
    return closest(to: bare, among: long).map { "--\($0)" }
  }

  private func index(of spelling: String) -> Int? {
    parameters.firstIndex { $0.spellings.contains(spelling) }
  }

  // MARK: Arguments

  private mutating func placePositionals() {
    var rest = positionals[...]
    for (index, parameter) in parameters.enumerated() {
      guard case .argument(_, let atMost) = parameter.role else { continue }
      given[index] = Array(rest.prefix(atMost ?? rest.count))
      rest = rest.dropFirst(given[index].count)
    }
    if argumentsAreCertain {
      for extra in rest { note("Unexpected argument '\(printable(extra))'.") }
    }
  }

  private mutating func readEnvironment() {
    for (index, parameter) in parameters.enumerated() where given[index].isEmpty {
      if let name = parameter.environment, !attempted.contains(index), let value = environment[name] {
        given[index] = [value]
      }
    }
    for (index, parameter) in parameters.enumerated() { noteIfMissing(parameter, index) }
  }

  private mutating func noteIfMissing(_ parameter: Parameter, _ index: Int) {
    switch parameter.role {
    case .argument(let atLeast, _):
      guard argumentsAreCertain, given[index].count < atLeast else { return }
      let wanted = atLeast > 1 ? " (\(atLeast) or more)" : ""
      note("Missing expected argument '\(parameter.title)'\(wanted).")
    case .option(required: true, _):
      guard given[index].isEmpty, !attempted.contains(index) else { return }
      let other = parameter.environment.map { " (or the environment variable \($0))" } ?? ""
      note("Missing expected option '\(parameter.title)'\(other).")
    default: return
    }
  }

  // MARK: Wording

  private mutating func note(_ problem: String) { problems.append(problem) }

  private func subject(_ parameter: Parameter, _ index: Int) -> String {
    guard let name = parameter.environment, !attempted.contains(index) else { return "'\(parameter.title)'" }
    return "'\(parameter.title)' (from the environment variable \(name))"
  }

  private func invalid(_ text: String, for subject: String, _ why: InvalidValue) -> String {
    "The value '\(printable(text))' is invalid for \(subject): \(why.reason)." + suggested(why.suggestion)
  }
}

/// `-q`, `--queue` and `--`, but not `-` (standard input) nor `-1` and `-.5` (numbers).
func looksLikeOption(_ word: String) -> Bool {
  guard word.hasPrefix("-"), let second = word.dropFirst().first else { return false }
  return !(second.isASCII && second.isNumber) && second != "."
}

/// The tail of a sentence about a misspelt word.
func suggested(_ candidate: String?) -> String {
  candidate.map { " Did you mean '\($0)'?" } ?? ""
}
