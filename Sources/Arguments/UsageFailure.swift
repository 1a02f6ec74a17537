/// A command line that was refused: every problem with it, and where to read on.
public struct UsageFailure: CommandFailure {
  /// Whole sentences.
  public let problems: [String]
  /// The usage line of the command it came to, beginning with `USAGE:`.
  public let usage: String
  /// The names from the program down to that command.
  public let path: [String]

  public var exitCode: ExitCode { .usage }

  public func report(on terminal: Terminal) -> String {
    let lines = problems.map { terminal.paint("error:", .bold, .red) + " " + $0 }
    let pointer = "  See '\(path.joined(separator: " ")) --help' for more information."
    return (lines + [usage, pointer]).joined(separator: "\n")
  }
}
