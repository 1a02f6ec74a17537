import Arguments
import Client
import Glibc
import Model
import Synchronization

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
    let waiting = Waiting()
    defer { console.show(nil) }
    return try await withThrowingTaskGroup(of: RunView?.self) { group in
      group.addTask {
        for await attempt in attempts where shows != .states {
          try await log.follow(attempt: attempt, to: console)
        }
        return nil
      }
      group.addTask {
        defer { started.finish() }
        return try await followStates(waiting) { started.yield($0) }
      }
      group.addTask {
        for await _ in Signals.stream([SIGINT, SIGTERM]) { throw Interrupted(run: log.run) }
        return nil
      }
      group.addTask {
        try await waiting.draw(on: console)
        return nil
      }
      var end: RunView?
      var finished = 0
      // The log and the states. The other two end only with these, or by Ctrl-C.
      while finished < 2, let view = try await group.next() {
        finished += 1
        if let view { end = view }
      }
      group.cancelAll()
      guard let end else { throw CancellationError() }
      if shows != .log { console.report(line(end)) }
      return end
    }
  }

  /// Tells of each state until the last one, which is told once the log is whole.
  private func followStates(_ waiting: Waiting, _ started: (Int) -> Void) async throws -> RunView? {
    var shown = ""
    var attempt = 0
    for try await view in log.client.changes(ofRun: log.run) {
      if view.attempt > attempt {
        attempt = view.attempt
        started(attempt)
      }
      waiting.label = view.state == .running || view.state.isEnd ? nil : view.stateText
      if view.state.isEnd { return view }
      let text = line(view)
      guard shows != .log, text != shown else { continue }
      shown = text
      console.report(text)
    }
    return nil
  }

  private func line(_ view: RunView) -> String {
    let message = view.state == .running ? nil : view.message
    // What the agent says of a build is closer to the truth than that there is one.
    let state = view.innerState == .building && message != nil ? view.state.rawValue : view.stateText
    return "\(view.id) " + console.errors.paint(printable(state), view.state.style)
      + printable(message.map { ": \($0.prefix { !$0.isNewline })" } ?? "")
  }
}

/// What moves on the terminal while a run waits and nothing is written.
private final class Waiting: Sendable {
  private static let frame = Duration.milliseconds(120)
  private let state = Mutex<String?>(nil)

  /// What the run waits as; nil where it does not.
  var label: String? {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }

  /// Draws until cancelled.
  func draw(on console: Console) async throws {
    guard console.errors.redraws else { return try await Task.sleep(for: .seconds(Int32.max)) }
    while true {
      console.show(label.map { Progress($0) })
      try await Task.sleep(for: Self.frame)
    }
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
