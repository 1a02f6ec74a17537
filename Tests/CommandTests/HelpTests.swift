import Testing

@testable import Arguments
@testable import lunaport

@Suite struct HelpTests {
  @Test func noDeclarationHasAMistake() {
    #expect(Lunaport(environment: Environment()).program.validate() == [])
  }

  /// Every command, by the words that lead to it.
  static let commands: [[String]] =
    Lunaport(environment: Environment()).program.tree.visibleTree().map { Array($0.path.dropFirst()) }

  @Test("help of every command reads as it should", arguments: commands)
  func help(_ path: [String]) async throws {
    let transcript = Transcript()
    let program = Lunaport(environment: Environment()).program
    let code = await program.run(path + ["--help"], environment: Environment(), console: transcript.console())
    #expect(code == .ok)
    #expect(transcript.errors == "")
    try Golden.check(transcript.output, "help/" + (path.isEmpty ? "lunaport" : path.joined(separator: "-")))
  }

  @Test(
    "a slip of the finger is answered with what was meant",
    arguments: [
      (["lauch"], "Unknown command 'lauch'. Did you mean 'launch'?"),
      (["run", "lgos"], "Unknown command 'lgos'. Did you mean 'logs'?"),
      (["launch", "--quee", "x"], "Unknown option '--quee'. Did you mean '--queue'?"),
      (["run", "list", "--state", "runing"], "Did you mean 'Running'?"),
      (["logs"], "Did you mean 'run logs'?"),
      (["check", "--format", "jsno"], "Did you mean 'json'?"),
    ])
  func meant(_ words: [String], _ answer: String) async {
    let transcript = Transcript()
    let program = Lunaport(environment: Environment()).program
    let code = await program.run(words, environment: Environment(), console: transcript.console())
    #expect(code == .usage)
    #expect(transcript.errors.contains(answer), "\(transcript.errors)")
  }
}
