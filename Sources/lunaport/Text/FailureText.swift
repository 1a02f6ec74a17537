import Arguments
import Client
import Git
import Model
import Snapshot

/// An error as people read it: what is wrong, facts about it, what to do.
struct FailureText {
  var code: String?
  var message: String
  var notes: [String] = []
  var help: [String] = []

  func rendered(on terminal: Terminal) -> String {
    let title = "error" + (code.map { "[\($0)]" } ?? "") + ":"
    var lines = [terminal.paint(title, .bold, .red) + " " + printable(message)]
    for note in notes { lines.append("  " + terminal.paint("=", .blue) + " " + printable(note)) }
    for help in help { lines.append(terminal.paint("help:", .bold, .cyan) + " " + printable(help)) }
    return lines.joined(separator: "\n")
  }
}

extension SnapshotError: CommandFailure {
  public var exitCode: ExitCode { code == .entryPoint || code == .runtime ? .usage : .couldNotRun }

  public func report(on terminal: Terminal) -> String {
    FailureText(message: message, notes: notes, help: hint.map { [$0] } ?? []).rendered(on: terminal)
  }
}

extension GitFailure: CommandFailure {
  public var exitCode: ExitCode { .couldNotRun }

  public func report(on terminal: Terminal) -> String {
    FailureText(message: message, help: hint.map { [$0] } ?? []).rendered(on: terminal)
  }
}

extension SourceProblem: CommandFailure {
  public var exitCode: ExitCode { .usage }

  public func report(on terminal: Terminal) -> String {
    FailureText(message: message, help: hint.map { [$0] } ?? []).rendered(on: terminal)
  }
}

extension APIError: CommandFailure {
  public var exitCode: ExitCode {
    if case .refused(_, let body) = self, body.report != nil { .configuration } else { .couldNotRun }
  }

  public func report(on terminal: Terminal) -> String {
    switch self {
    case .unreachable(let error):
      return FailureText(message: "cannot reach \(error.url): \(error.fact)", help: [error.hint]).rendered(on: terminal)
    case .unreadable(let method, let url, _, let fact):
      return FailureText(
        message: "\(method) \(url): \(fact)",
        help: ["check LUNAPORT_URL, and that server and client are of one version"]
      ).rendered(on: terminal)
    case .refused(let status, let body):
      // The server speaks to who writes requests; here the key comes from one of two places.
      let help = status == 401 ? ["run 'lunaport login', or set LUNAPORT_API_KEY"] : body.hint.map { [$0] } ?? []
      let title = FailureText(code: body.code, message: body.message, help: help).rendered(on: terminal)
      guard let problems = body.problems, let first = problems.first else { return title }
      let texts = problems.map { ProblemText($0).rendered(on: terminal) }
      // The error of a request with problems begins with the first of them; nobody wants to read it twice.
      return (body.message.hasPrefix(first.message) ? texts : [title] + texts).joined(separator: "\n\n")
    }
  }
}
