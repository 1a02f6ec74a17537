import Arguments
import Model

extension VisibleState {
  var style: Style {
    switch self {
    case .idle: .dim
    case .queued: .yellow
    case .pending: .cyan
    case .running: .blue
    case .killed: .magenta
    case .crashed, .failed: .red
    case .finished: .green
    }
  }

  /// Nothing more is expected of a run in this state.
  var isEnd: Bool {
    switch self {
    case .killed, .crashed, .failed, .finished: true
    case .idle, .queued, .pending, .running: false
    }
  }
}

extension RunView {
  /// What the state does not say by itself: `exit code 3`, `being built`.
  var detail: String? {
    switch innerState {
    case .building: return "its environment is being built"
    case .starting: return "starting"
    case .succeeded, .stopped: return nil
    case .failed, .lost:
      switch reason {
      case .exit: return exitCode.map { "exit code \($0)" }
      case .signal: return signal.map { "ended by signal \($0)" }
      case .outOfMemory: return "out of memory"
      case .build: return "its build failed"
      case .start: return "it could not be started"
      case .timeout: return "it took too long"
      case .queueTimeout: return "it waited too long"
      case .preempted: return "its resources were taken away"
      case .lost: return "contact was lost"
      case .stopped, nil: return nil
      }
    case .queued, .leased, .running: return stopRequested ? "a stop was asked for" : nil
    }
  }

  /// `Failed (exit code 3)`
  var stateText: String { state.rawValue + (detail.map { " (\($0))" } ?? "") }

  /// `job-train.py:v3`, without what the run's own entity and project say.
  var shortJob: String {
    guard let job else { return "" }
    let own = "\(entity)/\(project)/"
    return job.hasPrefix(own) ? String(job.dropFirst(own.count)) : job
  }
}

enum RunText {
  static func table(_ runs: [RunView], now: Double) -> Table {
    var table = Table([
      .init("ID"), .init("NAME"), .init("STATE"), .init("JOB"), .init("QUEUE"), .init("AUTHOR"), .init("CREATED"),
      .init("DURATION", .right),
    ])
    for run in runs {
      table.append([
        .init(run.id, .bold), .init(run.name), .init(run.stateText, run.state.style), .init(run.shortJob),
        .init(run.queue), .init(run.author), .init(ago(run.createdAt, now: now)), .init(length(run.duration)),
      ])
    }
    return table
  }

  /// One run in one screen.
  /// - Parameter agent: the name of who has it, where that is known.
  static func page(_ run: RunView, agent: String? = nil, now: Double, on terminal: Terminal) -> String {
    var rows: [(String, String)] = [
      ("id", run.id),
      ("state", terminal.paint(printable(run.stateText), run.state.style)),
    ]
    func add(_ label: String, _ text: String?) {
      if let text, !text.isEmpty { rows.append((label, printable(text))) }
    }
    for (index, line) in (run.message ?? "").split(whereSeparator: \.isNewline).enumerated() {
      rows.append((index == 0 ? "message" : "", printable(String(line))))
    }
    add("job", run.job)
    add("queue", "\(run.queue) of \(run.entity), on \(run.target), priority \(run.priority.rawValue)")
    add("project", run.project)
    add("author", run.author)
    add("agent", run.agent.map { id in agent.map { "\($0) (\(id))" } ?? id })
    if run.attempt > 1 || run.retries > 0 {
      add("attempt", "\(run.attempt), after \(run.retries) \(run.retries == 1 ? "retry" : "retries")")
    }
    add("created", ago(run.createdAt, now: now))
    add("started", ago(run.startedAt, now: now))
    add("finished", ago(run.finishedAt, now: now))
    add("duration", length(run.duration))
    if let code = run.exitCode { add("exit code", String(code)) }
    if let signal = run.signal { add("signal", String(signal)) }
    add("arguments", run.args.map(ShellWord.quoted).joined(separator: " "))
    for (index, key) in run.runConfig.keys.sorted().enumerated() {
      rows.append((index == 0 ? "config" : "", printable("\(key) = \((run.runConfig[key] ?? .null).json())")))
    }
    if case .object(let fields) = run.resource {
      for (index, key) in fields.keys.sorted().enumerated() {
        rows.append((index == 0 ? "resource" : "", printable("\(key) = \((fields[key] ?? .null).json())")))
      }
    }
    if run.logSize > 0 { add("log", "\(Quantity.text(bytes: run.logSize)): lunaport run logs \(run.id)") }
    return terminal.paint(printable(run.name), .bold) + "\n" + aligned(rows, on: terminal)
  }

  /// Labels in one column, texts in another.
  static func aligned(_ rows: [(String, String)], on terminal: Terminal) -> String {
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { label, text in
      "  " + terminal.paint(label, .dim) + String(repeating: " ", count: width - label.count + 2) + text
    }.joined(separator: "\n")
  }
}

enum ShellWord {
  /// The word as one would type it in a shell.
  static func quoted(_ word: String) -> String {
    let isPlain =
      !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._:/@+-=,%".contains($0)) }
    return isPlain
      ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}

extension Explanation {
  func rendered(on terminal: Terminal) -> String {
    var lines = [terminal.paint(printable(summary), .bold)]
    for fact in facts {
      let parts = fact.split(whereSeparator: \.isNewline).map { printable(String($0)) }
      lines.append("  " + terminal.paint("=", .blue) + " " + parts.joined(separator: "\n    "))
    }
    lines += help.map { terminal.paint("help:", .bold, .cyan) + " " + printable($0) }
    return lines.joined(separator: "\n")
  }
}
