import Arguments
import Model
import Scripting

/// A problem as people read it, with the lines it speaks of where they are on this machine.
struct ProblemText {
  let problem: Diagnostic

  init(_ problem: Diagnostic) { self.problem = problem }

  func rendered(on terminal: Terminal) -> String {
    let text = DiagnosticText(isColoured: terminal.colour) { path in
      guard let bytes = try? LocalFile.read(path) else { return nil }
      return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }
    var rendered = text.render(problem)[...]
    while rendered.last == "\n" { rendered = rendered.dropLast() }
    return String(rendered)
  }
}

extension Diagnostic: CommandFailure {
  public var exitCode: ExitCode { .configuration }
  public func report(on terminal: Terminal) -> String { ProblemText(self).rendered(on: terminal) }
}
