import Glibc
import Model

/// A tree of commands under the name of a program, with what every program has: `help`, `--version`, `completion`.
public struct Program: Sendable {
  public let version: String
  let root: Command
  let lists: Lists

  /// Names for shells to complete, by the name of the list.
  public typealias Lists = [String: @Sendable () async -> [String]]

  /// - Parameters:
  ///   - lists: gives the values of `Kind.name(from:)` and `Completion.list`. A person waits for each with a finger on
  ///     the Tab key: it answers within a second or with nothing, and reports no errors.
  public init(
    _ name: String, _ abstract: String, discussion: String = "", version: String, lists: Lists = [:],
    commands: [Command]
  ) {
    self.version = version
    self.lists = lists
    root = Command(name, abstract, discussion: discussion, subcommands: commands)
  }

  /// The whole tree, with the commands that the program has by itself.
  var tree: Command {
    Command(
      root.name, root.abstract, discussion: root.discussion,
      subcommands: root.subcommands + [completionCommand])
  }

  /// What a command line asks for.
  public enum Outcome: Sendable {
    /// A command is to run with these values.
    case run(path: [String], values: Values, body: Command.Body)
    /// Help or the version was asked for, and is this text.
    case show(String)
    /// The command line ends before a command that can be run: the help of the group it names.
    case incomplete(String)
    /// The command line is wrong.
    case refused(UsageFailure)
  }

  /// Finds the command and reads its values; does nothing else.
  ///
  /// - Parameters:
  ///   - words: without the program's own name.
  ///   - width: columns to which help is wrapped.
  public func parse(
    _ words: [String], environment: Environment = Environment(), width: Int = Help.defaultWidth
  ) -> Outcome {
    var path = [tree]
    var rest = words[...]
    while let group = path.last, group.isGroup {
      guard let word = rest.popFirst() else { return .incomplete(help(path, width)) }
      if word == "--help" || word == "-h" { return .show(help(path, width)) }
      if path.count == 1, word == "--version" { return .show(version) }
      if path.count == 1, word == "help" { return helpOutcome(path, rest, width) }
      guard let next = group.subcommands.first(where: { $0.name == word }) else {
        return .refused(unknown(word, in: path, width))
      }
      path.append(next)
    }
    guard let command = path.last, case .runs(let declaration, let body) = command.content else {
      return .incomplete(help(path, width))
    }
    var parser = Parser(declaration, environment: environment)
    parser.read(rest)
    if parser.wantsHelp { return .show(help(path, width)) }
    do {
      return .run(path: path.map(\.name), values: try parser.finish(), body: body)
    } catch {
      return .refused(failure(error.problems, path, width))
    }
  }

  /// Parses, runs, tells every error on standard error, and gives the code to exit with.
  public func run(
    _ words: [String], environment: Environment = .process, console: Console
  ) async -> ExitCode {
    do {
      switch parse(words, environment: environment, width: console.output.width ?? Help.defaultWidth) {
      case .show(let text):
        try console.print(text)
        return .ok
      case .incomplete(let text):
        console.report(text)
        return .usage
      case .refused(let failure):
        console.report(failure.report(on: console.errors))
        return failure.exitCode
      case .run(let path, let values, let body):
        do {
          return try await body(values, console)
        } catch let error as UsageError {
          throw failure(error.problems, commands(at: path), console.errors.width ?? Help.defaultWidth)
        }
      }
    } catch {
      return end(with: error, console)
    }
  }

  /// Runs the command line of this process and ends it.
  public func main() async -> Never {
    let console = Console.standard()
    let code = await run(Array(CommandLine.arguments.dropFirst()), console: console)
    exit(code.rawValue)
  }

  private func end(with error: any Error, _ console: Console) -> ExitCode {
    // Whoever read the output has had enough of it (`| head`): that is no failure, and nobody is left to tell.
    if case OutputError.closed = error { return .ok }
    guard let failure = error as? any CommandFailure else {
      console.report(console.errors.paint("error:", .bold, .red) + " \(error)")
      return .couldNotRun
    }
    console.report(failure.report(on: console.errors))
    return failure.exitCode
  }
}

extension Program {
  private func help(_ path: [Command], _ width: Int) -> String { Help(path: path, width: width).text }

  /// `help SUB...`: what may follow is the names of commands only.
  private func helpOutcome(_ start: [Command], _ words: ArraySlice<String>, _ width: Int) -> Outcome {
    var path = start
    for word in words where word != "--help" && word != "-h" {
      guard let next = path.last?.subcommands.first(where: { $0.name == word }) else {
        return .refused(unknown(word, in: path, width))
      }
      path.append(next)
    }
    return .show(help(path, width))
  }

  private func commands(at names: [String]) -> [Command] {
    var path = [tree]
    for name in names.dropFirst() {
      path += path.last?.subcommands.filter { $0.name == name }.prefix(1) ?? []
    }
    return path
  }

  private func failure(_ problems: [String], _ path: [Command], _ width: Int) -> UsageFailure {
    UsageFailure(problems: problems, usage: Help(path: path, width: width).usage, path: path.map(\.name))
  }

  private func unknown(_ word: String, in path: [Command], _ width: Int) -> UsageFailure {
    let problem = looksLikeOption(word) ? unknownOption(word, path) : unknownCommand(word, path)
    return failure([problem], path, width)
  }

  private func unknownOption(_ word: String, _ path: [Command]) -> String {
    let spelling = String(word.prefix { $0 != "=" })
    let below = path.last?.visibleTree().flatMap { $0.command.parameters } ?? []
    if below.contains(where: { !$0.isHidden && $0.spellings.contains(spelling) }) {
      return "Unknown option '\(printable(spelling))' here. Options come after the command they belong to."
    }
    let known = ["help"] + (path.count == 1 ? ["version"] : [])
    let meant = closest(to: String(spelling.drop { $0 == "-" }), among: known).map { "--\($0)" }
    return "Unknown option '\(printable(spelling))'." + suggested(meant)
  }

  private func unknownCommand(_ word: String, _ path: [Command]) -> String {
    guard let group = path.last, group.isGroup else { return "Unexpected argument '\(printable(word))'." }
    var names = group.subcommands.filter { !$0.isHidden }.map(\.name)
    if path.count == 1 { names.append("help") }
    let elsewhere = group.visibleTree().first { $0.path.count > 2 && $0.command.name == word }
    let meant = closest(to: word, among: names) ?? elsewhere?.path.dropFirst().joined(separator: " ")
    return "Unknown command '\(printable(word))'." + suggested(meant)
  }
}
