import Glibc
import Testing

@testable import Arguments

/// What is typed before Tab is pressed, and what must be offered then (in any order).
private let offers: [(typed: String, offered: [String])] = [
  ("lunaport ", ["check", "launch", "job", "completion", "help"]),
  ("lunaport c", ["check", "completion"]),
  ("lunaport job ", ["create"]),
  ("lunaport job create ", ["code"]),
  ("lunaport job s", []),
  ("lunaport help j", ["job"]),
  ("lunaport help job ", ["create"]),
  ("lunaport help job create c", ["code"]),
  ("lunaport help check q", []),
  ("lunaport check --", ["--format", "--colour", "--no-colour", "--help"]),
  ("lunaport check --format ", ["human", "json", "github"]),
  ("lunaport check --format j", ["json"]),
  ("lunaport launch -j x --queue g", ["gpu", "gpu-large"]),
  ("lunaport launch -q gpu -q t", ["train:v1", "two words"]),
  ("lunaport launch --f", []),
  ("lunaport job create code ", ["data", "main.py", "queues.d"]),
  ("lunaport job create code --name x m", ["main.py"]),
  ("lunaport job create code main.py p", ["python3.11", "python3.12"]),
  ("lunaport job create code main.py python3.11 ", []),
  ("lunaport check q", ["queues.d"]),
  ("lunaport launch --config m", ["main.py"]),
  ("lunaport completion ", ["bash", "zsh", "fish"]),
]

/// What is typed before Tab is pressed, and what the line is afterwards, where only one thing can be meant. After an
/// option that takes a value, bash leaves a blank and zsh a '='.
private let completions: [(typed: String, line: String)] = [
  ("lunaport la", "lunaport launch "),
  ("lunaport job cr", "lunaport job create "),
  ("lunaport check --fo", "lunaport check --format"),
  ("lunaport check --format=js", "lunaport check --format=json "),
  ("lunaport launch -q tr", "lunaport launch -q train:v1 "),
  ("lunaport launch -q train:", "lunaport launch -q train:v1 "),
  ("lunaport launch --queue=train:v", "lunaport launch --queue=train:v1 "),
  ("lunaport launch -q tw", #"lunaport launch -q two\ words "#),
  ("lunaport job create code ma", "lunaport job create code main.py "),
  ("lunaport check qu", "lunaport check queues.d/"),
]

/// A folder with some files, and the sample program as far as scripts call it.
private func workplace(_ shell: Shell) throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let names = "printf '%s\\n' gpu gpu-large train:v1 'two words'"
  try folder.write("lunaport", "#!/bin/sh\n[ \"$*\" = 'completion --list queues' ] && \(names)\n", executable: true)
  try folder.write("script", sample.completionScript(for: shell))
  _ = try output(of: "cd \(folder.path) && mkdir work work/data work/queues.d && touch work/main.py")
  return folder
}

private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

@Suite struct CompletionTests {
  @Test func theScriptIsPrintedForEachShell() async {
    for shell in Shell.allCases {
      let result = await ran("completion", shell.rawValue)
      #expect(result.output == sample.completionScript(for: shell))
      #expect(result.code == .ok)
    }
    #expect(await ran("completion").errors.hasPrefix("error: Missing expected argument '<shell>'.\nUSAGE:"))
  }

  @Test func namesAreListedForTheScripts() async {
    #expect(await ran("completion", "--list", "queues").output == "gpu\ngpu-large\ntrain:v1\ntwo words\n")
    let unknown = await ran("completion", "--list", "planets")
    #expect(unknown.output == "" && unknown.errors == "" && unknown.code == .ok)
  }

  @Test func whatIsHiddenIsInNoScript() {
    for shell in Shell.allCases {
      let script = sample.completionScript(for: shell)
      #expect(!script.contains("secret") && !script.contains("--list queues --"))
    }
  }
}

@Suite(.enabled(if: isTested("bash"), "bash is not installed")) struct BashCompletionTests {
  /// The line of an interactive bash, with its own readline, after these keys.
  private func line(after keys: String) throws -> String {
    let folder = try workplace(.bash)
    // Ctrl-X Ctrl-D keeps the line, Ctrl-U empties it.
    try folder.write(
      "keys",
      """
      PS1= HISTFILE=
      source ../script
      keep() { printf '%s' "$READLINE_LINE" >../line; }
      bind -x '"\\C-x\\C-d": keep'
      \(keys)\u{18}\u{4}\u{15}exit

      """)
    let bash = "env PATH=\(folder.path):$PATH TERM=dumb timeout 20 bash --norc --noprofile -i"
    let trace = try output(of: "cd \(folder.path)/work && \(bash) <../keys")
    return String(decoding: try #require(folder.read("line"), "\(trace)"), as: UTF8.self)
  }

  @Test(arguments: completions) func theLineIsCompleted(_ typed: String, _ completed: String) throws {
    let expected = completed.hasSuffix("--format") ? completed + " " : completed
    #expect(try line(after: typed + "\t") == expected)
  }

  /// Alt-* puts all that Tab would list into the line.
  @Test(arguments: offers) func whatFitsIsOffered(_ typed: String, _ offered: [String]) throws {
    let before = typed.prefix(upTo: try #require(typed.lastIndex(of: " "))) + " "
    let line = try line(after: typed + "\u{1B}*")
    let words = line.dropFirst(before.count).replacing("\\ ", with: "\u{A0}").split(separator: " ")
    // Where nothing fits, what was typed stays.
    let expected = offered.isEmpty ? [String(typed.dropFirst(before.count))].filter { !$0.isEmpty } : offered
    #expect(Set(words.map { String($0).replacing("\u{A0}", with: " ") }) == Set(expected))
  }
}

@Test(.enabled(if: isTested("shellcheck"), "shellcheck is not installed"))
func shellcheckHasNothingToSayOfTheScriptForBash() throws {
  let folder = try workplace(.bash)
  #expect(try output(of: "shellcheck --shell=bash \(folder.path)/script") == "")
}

@Suite(.enabled(if: isTested("zsh"), "zsh is not installed")) struct ZshCompletionTests {
  /// What an interactive zsh, on a terminal of its own (zpty), adds as matches when Tab is pressed.
  private func matches(after typed: String) throws -> [String] {
    let folder = try workplace(.zsh)
    try folder.write(
      "inside",
      """
      PS1= PS2= HISTFILE=
      autoload -Uz compinit && compinit -u -D
      source ../script
      zstyle ':completion:*' list-grouped false
      # Calls that only compute (-O, -A, -D) pass; of the others every match that fits is kept.
      compadd() {
        if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
          local -a kept
          builtin compadd -A kept "$@"
          (( $#kept )) && print -rl -- $kept >>../offered
        fi
        builtin compadd "$@"
      }
      keep() { print -rn -- "$BUFFER" >../line; BUFFER=; print fini""shed }
      zle -N keep
      bindkey '^I' complete-word
      bindkey '^X^K' keep
      unsetopt list_beep auto_menu auto_list
      # Keys that come before the line editor is there would go to the terminal's own.
      zle-line-init() { print rea""dy }
      zle -N zle-line-init

      """)
    try folder.write(
      "outside",
      """
      zmodload zsh/zpty
      zpty inner zsh -f -i
      zpty -w inner 'source ../inside'
      zpty -r inner output '*ready*'
      zpty -w -n inner \(quoted(typed))$'\\t\\x18\\x0b'
      zpty -r inner output '*finished*'
      zpty -d inner

      """)
    let zsh = "env PATH=\(folder.path):$PATH TERM=dumb timeout 20 zsh -f ../outside"
    let trace = try output(of: "cd \(folder.path)/work && \(zsh)")
    let line = String(decoding: try #require(folder.read("line"), "\(trace)"), as: UTF8.self)
    let offered = String(decoding: folder.read("offered") ?? [], as: UTF8.self)
    return [line] + lines(offered)
  }

  @Test(arguments: completions) func theLineIsCompleted(_ typed: String, _ completed: String) throws {
    let expected = completed.hasSuffix("--format") ? completed + "=" : completed
    #expect(try matches(after: typed).first == expected)
  }

  @Test(arguments: offers) func whatFitsIsOffered(_ typed: String, _ offered: [String]) throws {
    let matches = try matches(after: typed).dropFirst().map { $0.replacing("\\ ", with: " ") }
    // Where no argument can follow, zsh goes on with the options.
    let wanted = offered.isEmpty ? matches.filter { !$0.hasPrefix("-") } : matches
    #expect(Set(wanted) == Set(offered))
  }
}

@Suite(.enabled(if: isTested("fish"), "fish is not installed")) struct FishCompletionTests {
  /// What fish offers for a line; each with its description cut off.
  private func offered(for typed: String) throws -> [String] {
    let folder = try workplace(.fish)
    let fish = "env PATH=\(folder.path):$PATH HOME=\(folder.path) timeout 20 fish --no-config -c"
    let script = "source ../script; complete --do-complete=\(quoted(typed))"
    let text = try output(of: "cd \(folder.path)/work && \(fish) \(quoted(script))")
    return lines(text).map { String($0.prefix { $0 != "\t" }) }
  }

  @Test(arguments: offers) func whatFitsIsOffered(_ typed: String, _ expected: [String]) throws {
    let plain = try offered(for: typed).map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
    #expect(Set(plain) == Set(expected))
  }

  @Test(arguments: completions) func theOneThatFitsIsOfferedAlone(_ typed: String, _ completed: String) throws {
    let word = completed.dropFirst(
      typed.lastIndex(of: " ").map { typed.distance(from: typed.startIndex, to: $0) + 1 } ?? 0)
    let expected = word.replacing("\\ ", with: "\u{A0}").filter { $0 != " " }.replacing("\u{A0}", with: " ")
    #expect(try offered(for: typed) == [expected])
  }
}
