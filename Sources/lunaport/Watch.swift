import Arguments
import Client
import Glibc
import Model

/// Follows a run to its end: its log on standard output, its states on standard error.
struct Watch: Sendable {
  enum Shown: Sendable { case all, log, states }

  let log: LogReader
  let console: Console
  let shows: Shown

  /// Exit codes that a program's own failure is passed on as. Above them shells speak of signals.
  private static let ownCodes = 1...125

  /// 0 if the run finished, its program's own code if that failed with one, else 1.
  static func exitCode(of run: RunView) -> ExitCode {
    switch run.state {
    case .finished: .ok
    case .failed where run.reason == .exit:
      run.exitCode.flatMap { ownCodes.contains($0) ? ExitCode(rawValue: Int32($0)) : nil } ?? .findings
    default: .findings
    }
  }

  /// Returns the run as it ended. Throws `Interrupted` when the person presses Ctrl-C, which leaves the run running.
  func run() async throws -> RunView {
    let (attempts, started) = AsyncStream<Int>.makeStream()
    return try await withThrowingTaskGroup(of: RunView?.self) { group in
      defer { console.show(nil) }
      group.addTask {
        for await attempt in attempts where shows != .states {
          try await log.follow(attempt: attempt, to: console)
        }
        return nil
      }
      group.addTask {
        defer { started.finish() }
        return try await followStates { started.yield($0) }
      }
      group.addTask {
        for await _ in Signals.stream([SIGINT, SIGTERM]) { throw Interrupted(run: log.run) }
        return nil
      }
      var end: RunView?
      var finished = 0
      // The log and the states. The wait for Ctrl-C ends only by it, or by the end of these two.
      while finished < 2, let view = try await group.next() {
        finished += 1
        if let view { end = view }
      }
      group.cancelAll()
      guard let end else { throw CancellationError() }
      if shows != .log { tell(end) }
      return end
    }
  }

  /// Tells of each state until the last one, which is told once the log is whole.
  private func followStates(_ started: (Int) -> Void) async throws -> RunView? {
    var shown = ""
    var attempt = 0
    for try await view in log.client.changes(ofRun: log.run) {
      if view.attempt > attempt {
        attempt = view.attempt
        started(attempt)
      }
      if view.state.isEnd { return view }
      let text = line(view)
      guard shows != .log, text != shown else { continue }
      shown = text
      console.show(nil)
      console.report(text)
      // While nothing is written, something moves.
      if view.state != .running { console.show(Progress(view.stateText)) }
    }
    return nil
  }

  private func tell(_ view: RunView) { console.report(line(view)) }

  private func line(_ view: RunView) -> String {
    let place = view.state == .running && view.agent != nil ? " on \(view.agent ?? "")" : ""
    let message = view.message.map { ": \($0)" } ?? ""
    return "\(view.id) " + console.errors.paint(printable(view.stateText), view.state.style)
      + printable(place + (view.state == .running ? "" : message))
  }
}

/// A person left what they watched.
struct Interrupted: CommandFailure {
  let run: String

  /// As shells report an end by SIGINT.
  let exitCode = ExitCode(rawValue: 128 + SIGINT)

  func report(on terminal: Terminal) -> String {
    "\(run) goes on without you.\n" + terminal.paint("help:", .bold, .cyan)
      + " to stop it: lunaport run stop \(run); to look again: lunaport run watch \(run)"
  }
}
