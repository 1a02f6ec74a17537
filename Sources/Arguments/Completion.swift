import Model

/// The shells that commands can be completed in.
enum Shell: String, CaseIterable, Sendable {
  case bash, zsh, fish
}

extension Program {
  /// The script that teaches a shell to complete the program's commands.
  func completionScript(for shell: Shell) -> String {
    let commands = tree.visibleTree()
    switch shell {
    case .bash: return bashCompletion(commands)
    case .zsh: return zshCompletion(commands)
    case .fish: return fishCompletion(commands)
    }
  }

  /// `completion SHELL`, and the hidden `completion --list NAME` that the scripts call for names.
  var completionCommand: Command {
    let name = root.name
    return Command(
      "completion", "Print the script that completes commands in a shell.",
      discussion: """
        To complete in every new shell, put this line where the shell reads it at its start:

          bash  source <(\(name) completion bash)        in ~/.bashrc
          zsh   source <(\(name) completion zsh)         in ~/.zshrc, after compinit
          fish  \(name) completion fish | source         in ~/.config/fish/config.fish
        """
    ) { declare in
      let shell = declare.optionalArgument("shell", .choice(of: Shell.self), help: "The shell.")
      let list = declare.option("list", .string, help: "Print the names of a list, for completion.", hidden: true)
      return { values, console in
        if let list = values[list] {
          // An unknown list is that of a script older or newer than the program: nothing to offer is no error.
          let names = await lists[list]?() ?? []
          for name in names { try console.print(printable(name)) }
        } else if let shell = values[shell] {
          try console.write(Array(completionScript(for: shell).utf8))
        } else {
          throw UsageError("Missing expected argument '<shell>'.")
        }
        return .ok
      }
    }
  }
}

extension Command {
  /// What can be typed where an option can.
  func visibleSpellings(isRoot: Bool) -> [String] {
    let own = parameters.filter { !$0.isHidden }.flatMap(\.spellings)
    return own + (isRoot ? ["--version"] : []) + ["--help", "-h"]
  }

  /// Options that are followed by a value, with hidden ones: they too must be read well when typed.
  var valueOptions: [Parameter] { parameters.filter { !$0.isArgument && $0.takesValue } }

  var positionals: [Parameter] { parameters.filter { $0.isArgument && !$0.isHidden } }

  var visibleSubcommands: [Command] { subcommands.filter { !$0.isHidden } }
}

/// Within single quotes for bash and zsh.
func quoted(_ text: String) -> String {
  "'" + text.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
}
