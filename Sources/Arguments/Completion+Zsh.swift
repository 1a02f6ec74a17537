extension Program {
  /// For `source` and for a file `_NAME` in a folder of `fpath`.
  func zshCompletion(_ commands: [(path: [String], command: Command)]) -> String {
    let name = root.name
    let functions = commands.map { path, command in
      command.isGroup ? zshGroup(path, command) : zshRuns(path, command)
    }
    return """
      #compdef \(name)
      # Completion of \(name) for zsh.

      \(zshFunction([name]))_list() {
        local -a names
        names=("${(@f)$("${(Q)program/#\\~/$HOME}" completion --list "${argv[-1]}" 2>/dev/null)}")
        compadd "${(@)argv[1,-2]}" -a names
      }

      \(functions.joined(separator: "\n\n"))

      \(zshHelp(commands))

      if [[ $funcstack[1] == \(zshFunction([name])) ]]; then
        \(zshFunction([name])) "$@"
      else
        compdef \(zshFunction([name])) \(name)
      fi

      """
  }

  private func zshFunction(_ path: [String]) -> String {
    "_" + path.joined(separator: "_").replacing("-", with: "_")
  }

  private func zshRuns(_ path: [String], _ command: Command) -> String {
    let specifications = zshOptions(command, isRoot: false) + command.positionals.map(zshArgument)
    return """
      \(zshFunction(path))() {
      \(arguments("-s -S", specifications))
      }
      """
  }

  private func zshGroup(_ path: [String], _ command: Command) -> String {
    let isRoot = path.count == 1
    let described = offered(command) + (isRoot ? [quoted("help:Show help of a command.")] : [])
    let called = command.visibleSubcommands.map(\.name) + (isRoot ? ["help"] : [])
    let calls = called.map { "        \($0)) \(zshFunction(path + [$0])) ;;" }
    let specifications =
      zshOptions(command, isRoot: isRoot) + [quoted("1:command:->command"), quoted("*::argument:->arguments")]
    return """
      \(zshFunction(path))() {
        local context state state_descr line curcontext=$curcontext
        local -A opt_args
        local -a commands
        commands=(
      \(described.map { "    " + $0 }.joined(separator: "\n"))
        )
      \(isRoot ? "  local program=$words[1]\n" : "")\(arguments("-C -S", specifications))
        case $state in
          command) _describe -t commands command commands ;;
          arguments)
            curcontext="${curcontext%:*}-$words[1]:"
            case $words[1] in
      \(calls.joined(separator: "\n"))
            esac
            ;;
        esac
      }
      """
  }

  /// `help` is followed by the names of groups and of one command.
  private func zshHelp(_ commands: [(path: [String], command: Command)]) -> String {
    let cases = commands.filter { $0.command.isGroup }.map { path, command in
      let typed = quoted(path.dropFirst().joined(separator: " "))
      return "    \(typed)) commands=(\(offered(command).joined(separator: " "))) ;;"
    }
    return """
      \(zshFunction([root.name, "help"]))() {
        local -a commands
        case "${(j: :)words[2,CURRENT-1]}" in
      \(cases.joined(separator: "\n"))
        esac
        _describe -t commands command commands
      }
      """
  }

  /// Words of an array for `_describe`.
  private func offered(_ group: Command) -> [String] {
    group.visibleSubcommands.map { quoted("\($0.name):\($0.abstract)") }
  }

  private func arguments(_ switches: String, _ specifications: [String]) -> String {
    (["  _arguments \(switches)"] + specifications.map { "    " + $0 }).joined(separator: " \\\n")
  }

  private func zshOptions(_ command: Command, isRoot: Bool) -> [String] {
    let declared = command.parameters.filter { !$0.isArgument && !$0.isHidden }.flatMap(zshOption)
    let version = isRoot ? [quoted("(- *)--version[Show the version.]")] : []
    return declared + version + ["-h", "--help"].map { quoted("(- *)\($0)[Show help information.]") }
  }

  private func zshOption(_ parameter: Parameter) -> [String] {
    // An option that may come again is offered again; another one excludes all of its own spellings.
    let again = parameter.takesValue && parameter.repeats ? "*" : "(\(parameter.spellings.joined(separator: " ")))"
    let value = parameter.takesValue ? ":" + escaped(parameter.placeholder) + ":" + action(parameter.completion) : ""
    return parameter.spellings.map { spelling in
      let form = parameter.takesValue ? (spelling.hasPrefix("--") ? "=" : "+") : ""
      return quoted("\(again)\(spelling)\(form)[\(escaped(parameter.help))]\(value)")
    }
  }

  private func zshArgument(_ parameter: Parameter) -> String {
    let start = parameter.repeats ? "*:" : parameter.isRequired ? ":" : "::"
    return quoted(start + escaped(parameter.placeholder) + ":" + action(parameter.completion))
  }

  private func action(_ completion: Completion) -> String {
    switch completion {
    case .nothing: " "
    case .files: "_files"
    case .directories: "_files -/"
    case .choices(let choices): "(" + choices.map(escaped).joined(separator: " ") + ")"
    case .list(let list): "\(zshFunction([root.name]))_list \(list)"
    }
  }

  /// Within a specification of `_arguments`.
  private func escaped(_ text: String) -> String {
    text.map { "[]:\\".contains($0) ? "\\\($0)" : String($0) }.joined()
  }
}
