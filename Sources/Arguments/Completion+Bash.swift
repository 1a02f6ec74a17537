extension Program {
  /// Works without the bash-completion package, from bash 4.4 on.
  func bashCompletion(_ commands: [(path: [String], command: Command)]) -> String {
    let name = root.name
    let function = "_" + name.replacing("-", with: "_")
    return """
      # Completion of \(name) for bash.

      \(function)() {
        local line=${COMP_LINE:0:COMP_POINT} words=() word index
        # Bash breaks words at '=' and ':' too; here a word is what blanks part, up to the cursor.
        for ((index = 0; index <= COMP_CWORD; index++)); do
          local joined=
          ((index > 0)) && [[ -n $line && $line != [[:blank:]]* ]] && joined=1
          line=${line#"${line%%[![:blank:]]*}"}
          word=${COMP_WORDS[index]}
          ((index == COMP_CWORD)) && word=$line
          line=${line#"$word"}
          if [[ -n $joined ]]; then words[${#words[@]} - 1]+=$word; else words+=("$word"); fi
        done

        # Which command is it, which option waits for its value, how many arguments are given (or is it 'help')?
        local last=$((${#words[@]} - 1)) command=\(name) option='' ended='' position=0
        for ((index = 1; index < last; index++)); do
          word=${words[index]}
          if [[ -n $option ]]; then option='' && continue; fi
          if [[ -z $ended && $word == -- ]]; then ended=1 && continue; fi
          if [[ -z $ended && $word == -?* ]]; then
            case "$command $word" in
      \(bashValueOptions(commands))
            esac
            continue
          fi
          case "$command $word" in
      \(bashCommands(commands))
            '\(name) help') position=help ;;
            *) position=$((position + 1)) ;;
          esac
        done

        local typed=${words[last]} prefix='' candidates=()
        if [[ -z $option && -z $ended && $typed == --?*=* ]]; then
          option=${typed%%=*}
          prefix=$option=
          typed=${typed#*=}
        fi
        if [[ -z $option && -z $ended && $typed == -* ]]; then
          case $command in
      \(bashOptions(commands))
          esac
        else
          case "$command ${option:-$position}" in
      \(bashValues(commands))
          esac
        fi

        # Readline replaces only what follows the last break within the word.
        local stuck=$prefix$typed breaks=
        [[ $COMP_WORDBREAKS == *=* ]] && breaks+='='
        [[ $COMP_WORDBREAKS == *:* ]] && breaks+=':'
        if [[ -n $breaks ]]; then stuck=${stuck%"${stuck##*["$breaks"]}"}; else stuck=; fi
        COMPREPLY=()
        for word in "${candidates[@]}"; do
          [[ $word == "$typed"* ]] || continue
          word=$prefix$word
          printf -v word %q "${word#"$stuck"}"
          COMPREPLY+=("$word")
        done
      }

      complete -F \(function) \(name)

      """
  }

  private typealias Tree = [(path: [String], command: Command)]

  private func bashValueOptions(_ commands: Tree) -> String {
    let patterns = commands.flatMap { path, command in
      command.valueOptions.flatMap(\.spellings).map { quoted((path + [$0]).joined(separator: " ")) }
    }
    return alternatives(patterns, "option=$word", indent: 8)
  }

  private func bashCommands(_ commands: Tree) -> String {
    let patterns = commands.dropFirst().map { quoted($0.path.joined(separator: " ")) }
    return alternatives(patterns, #"command="$command $word""#, indent: 6)
  }

  private func bashOptions(_ commands: Tree) -> String {
    commands.map { path, command in
      let options = command.visibleSpellings(isRoot: path.count == 1).joined(separator: " ")
      return "      \(quoted(path.joined(separator: " ")))) candidates=(\(options)) ;;"
    }.joined(separator: "\n")
  }

  private func bashValues(_ commands: Tree) -> String {
    var cases: [String] = []
    for (path, command) in commands {
      let start = path.joined(separator: " ")
      for option in command.valueOptions where !option.isHidden {
        guard let action = bashAction(option.completion) else { continue }
        cases.append(alternatives(option.spellings.map { quoted("\(start) \($0)") }, action, indent: 6))
      }
      for (position, argument) in command.positionals.enumerated() {
        guard let action = bashAction(argument.completion) else { continue }
        let pattern = argument.repeats ? quoted("\(start) ") + "[0-9]*" : quoted("\(start) \(position)")
        cases.append("      \(pattern)) \(action) ;;")
      }
      if command.isGroup {
        let names = command.visibleSubcommands.map(\.name) + (path.count == 1 ? ["help"] : [])
        let patterns = ["\(start) 0", "\(start) help"].map(quoted)
        cases.append(alternatives(patterns, "candidates=(\(names.joined(separator: " ")))", indent: 6))
      }
    }
    return cases.joined(separator: "\n")
  }

  private func bashAction(_ completion: Completion) -> String? {
    switch completion {
    case .nothing: nil
    // Readline itself completes names of files best: it knows of quotes and of `~`.
    case .files: "compopt -o default"
    case .directories: "compopt -o dirnames"
    case .choices(let choices): "candidates=(\(choices.joined(separator: " ")))"
    case .list(let list):
      #"mapfile -t candidates < <("${words[0]/#\~/$HOME}" completion --list \#(list) 2>/dev/null)"#
    }
  }

  private func alternatives(_ patterns: [String], _ action: String, indent: Int) -> String {
    guard !patterns.isEmpty else { return spaces(indent) + "'') ;;" }
    return spaces(indent) + patterns.joined(separator: " | ") + ") \(action) ;;"
  }
}
