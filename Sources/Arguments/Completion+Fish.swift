extension Program {
  /// For fish 3.1 and later.
  func fishCompletion(_ commands: [(path: [String], command: Command)]) -> String {
    let name = root.name
    let function = "__" + name.replacing("-", with: "_")
    let options = commands.flatMap { path, command in
      command.valueOptions.flatMap(\.spellings).map { fishQuoted((path + [$0]).joined(separator: " ")) }
    }
    let paths = commands.dropFirst().map { fishQuoted($0.path.joined(separator: " ")) }
    let lines = commands.flatMap { path, command in fishLines(path, command, function) }
    return """
      # Completion of \(name) for fish.

      # Prints the command that is typed, and the number of arguments given to it (or 'help', if that is asked for).
      function \(function)_typed
        set -l command \(name)
        set -l position 0
        set -l takes_value
        set -l ended
        for word in (commandline -opc)[2..-1]
          if test -n "$takes_value"
            set takes_value
          else if test -z "$ended"; and test "$word" = --
            set ended yes
          else if test -z "$ended"; and string match -q -- '-?*' $word
            if contains -- "$command $word" \(options.joined(separator: " "))
              set takes_value yes
            end
          else if contains -- "$command $word" \(paths.joined(separator: " "))
            set command "$command $word"
          else if test "$command $word" = '\(name) help'
            set position help
          else if test $position != help
            set position (math $position + 1)
          end
        end
        echo $command
        echo $position
      end

      # Whether this command is typed, with this number of arguments or (with a third word) more.
      function \(function)_at
        set -l typed (\(function)_typed)
        test "$typed[1]" = "$argv[1]"; or return 1
        switch (count $argv)
          case 1
            return 0
          case 2
            test "$typed[2]" = "$argv[2]"
          case '*'
            test "$typed[2]" != help; and test $typed[2] -ge $argv[2]
        end
      end

      function \(function)_list
        set -l words (commandline -opc)
        command $words[1] completion --list $argv[1] 2>/dev/null
      end

      complete -c \(name) -f
      \(lines.joined(separator: "\n"))

      """
  }

  private func fishLines(_ path: [String], _ command: Command, _ function: String) -> [String] {
    let isRoot = path.count == 1
    let start = path.joined(separator: " ")
    func line(_ places: String..., rest: String, help: String) -> String {
      let condition = fishQuoted(places.map { "\(function)_at \"\(start)\"\($0)" }.joined(separator: "; or "))
      return "complete -c \(root.name) -n \(condition) \(rest) -d \(fishQuoted(help))"
    }
    var offered = command.visibleSubcommands.map { ($0.name, $0.abstract) }
    if isRoot { offered.append(("help", "Show help of a command.")) }
    var lines = command.isGroup ? offered.map { line(" 0", " help", rest: "-a \($0)", help: $1) } : []
    for (position, argument) in command.positionals.enumerated() where argument.completion != .nothing {
      lines.append(
        line(
          " \(position)" + (argument.repeats ? " more" : ""), rest: fishAction(argument.completion, function),
          help: argument.help))
    }
    for option in command.parameters where !option.isArgument && !option.isHidden {
      let short = option.short.map { "-s \($0) " } ?? ""
      let value = option.takesValue ? " -r " + fishAction(option.completion, function) : ""
      lines.append(line("", rest: "\(short)-l \(option.name)\(value)", help: option.help))
      if option.role == .toggle { lines.append(line("", rest: "-l no-\(option.name)", help: option.help)) }
    }
    if isRoot { lines.append(line("", rest: "-l version", help: "Show the version.")) }
    return lines + [line("", rest: "-s h -l help", help: "Show help information.")]
  }

  private func fishAction(_ completion: Completion, _ function: String) -> String {
    switch completion {
    case .nothing: "-f"
    case .files: "-F"
    case .directories: "-f -a '(__fish_complete_directories (commandline -ct))'"
    case .choices(let choices): "-f -a " + fishQuoted(choices.joined(separator: " "))
    case .list(let list): "-f -a '(\(function)_list \(list))'"
    }
  }

  private func fishQuoted(_ text: String) -> String {
    "'" + text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "'"
  }
}
