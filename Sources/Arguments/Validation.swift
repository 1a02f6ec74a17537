extension Program {
  /// Every mistake in the declaration of the commands, each as a sentence that begins with the command's path.
  ///
  /// A test of the program expects none. A mistake here is one that no user's command line could avoid: an option
  /// that hides another, an argument that can never be reached, a default that its own kind refuses.
  public func validate() -> [String] {
    let reserved = ["help", "completion"].filter { name in root.subcommands.contains { $0.name == name } }
    return reserved.map { "\(root.name): the command '\($0)' is reserved." }
      + tree.tree().flatMap { path, command in
        mistakes(in: command, isRoot: path.count == 1).map { "\(path.joined(separator: " ")): \($0)" }
      }
  }

  private func mistakes(in command: Command, isRoot: Bool) -> [String] {
    var found: [String] = []
    if !isName(command.name) { found.append("the name is not of lower-case letters, digits and '-'.") }
    if command.abstract.isEmpty { found.append("it has no abstract.") }
    if command.abstract.contains("\n") { found.append("its abstract is more than one line.") }
    if command.isGroup {
      if command.subcommands.isEmpty { found.append("it is a group without commands.") }
      let names = command.subcommands.map(\.name)
      found += repeated(names).map { "the command '\($0)' is declared twice." }
    }
    let spellings = command.parameters.flatMap(\.spellings)
    found += repeated(spellings).map { "the option '\($0)' is declared twice." }
    let arguments = command.parameters.filter(\.isArgument)
    found += repeated(arguments.map(\.name)).map { "the argument '<\($0)>' is declared twice." }
    found += unreachable(arguments)
    return found + command.parameters.flatMap(mistakes(in:))
  }

  private func unreachable(_ arguments: [Parameter]) -> [String] {
    zip(arguments, arguments.dropFirst()).compactMap { before, argument in
      if before.repeats {
        "the argument '\(argument.title)' is never reached: '\(before.title)' takes all that is left."
      } else if argument.isRequired && !before.isRequired {
        "the argument '\(argument.title)' is required, and comes after '\(before.title)', which is not."
      } else {
        nil
      }
    }
  }

  private func mistakes(in parameter: Parameter) -> [String] {
    let title = parameter.title
    var found: [String] = []
    if !isName(parameter.name) || (!parameter.isArgument && parameter.name.count < 2) {
      found.append("the name of '\(title)' is not of two or more lower-case letters, digits and '-'.")
    }
    if let short = parameter.short, !(short.isASCII && short.isLetter) {
      found.append("the short name of '\(title)' is not a letter.")
    }
    if parameter.spellings.contains(where: { $0 == "--help" || $0 == "-h" }) {
      found.append("'\(title)' takes a name that is reserved for help.")
    }
    if parameter.help.isEmpty { found.append("'\(title)' has no help.") }
    if let name = parameter.environment, !isVariable(name) {
      found.append("'\(name)', the environment variable of '\(title)', is not of upper-case letters, digits and '_'.")
    }
    if case .invalid(let why) = parameter.convert(parameter.defaultText.map { [$0] } ?? []), !why.isEmpty {
      found.append("the default of '\(title)' is not one of its values.")
    }
    return found + mistakes(in: parameter.completion, of: title)
  }

  private func mistakes(in completion: Completion, of title: String) -> [String] {
    switch completion {
    case .nothing, .files, .directories: return []
    case .list(let name):
      return lists[name] == nil ? ["'\(title)' is completed from the list '\(name)', which the program lacks."] : []
    case .choices(let choices):
      if choices.isEmpty { return ["'\(title)' has no choices."] }
      let odd = choices.filter { $0.isEmpty || !$0.allSatisfy(isPlain) }
      return odd.map { "the choice '\($0)' of '\(title)' is not of letters, digits and ._:/@+-" }
        + repeated(choices).map { "the choice '\($0)' of '\(title)' is declared twice." }
    }
  }

  private func isName(_ name: String) -> Bool {
    guard let first = name.first, first.isASCII, first.isLowercase else { return false }
    return name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
  }

  private func isVariable(_ name: String) -> Bool {
    !name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isUppercase || $0.isNumber || $0 == "_") }
  }

  /// Needs no quoting in any shell.
  private func isPlain(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || "._:/@+-".contains(character))
  }

  private func repeated(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    var told: Set<String> = []
    return names.filter { !seen.insert($0).inserted && told.insert($0).inserted }
  }
}
