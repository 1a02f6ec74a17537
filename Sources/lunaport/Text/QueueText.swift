import Arguments
import Model

extension QueueGate {
  var text: String {
    switch self {
    case .open: "open"
    case .paused: "paused: takes runs, and starts none"
    case .draining: "draining: starts what it has, and takes no more"
    }
  }
}

enum QueueText {
  static func table(_ queues: [QueueView]) -> Table {
    var table = Table([
      .init("NAME"), .init("ENTITY"), .init("TARGET"), .init("WAITING", .right), .init("RUNNING", .right),
      .init("AGENTS", .right), .init("STATE"),
    ])
    for queue in queues {
      let waiting = count(queue, .idle, .queued)
      table.append([
        .init(queue.name, .bold), .init(queue.entity), .init(queue.target), .init("\(waiting)"),
        .init("\(count(queue, .pending, .running))"),
        queue.agents.isEmpty && waiting > 0 ? .init("0", .yellow) : .init("\(queue.agents.count)"),
        queue.gate == .open ? .init("open") : .init(queue.gate.rawValue, .yellow),
      ])
    }
    return table
  }

  private static func count(_ queue: QueueView, _ states: VisibleState...) -> Int {
    states.reduce(0) { $0 + (queue.counts[$1.rawValue] ?? 0) }
  }

  static func page(_ queue: QueueView, on terminal: Terminal) -> String {
    var rows: [(String, String)] = [
      ("entity", queue.entity), ("target", queue.target), ("state", queue.gate.text), ("declared in", queue.source),
    ]
    let counts = VisibleState.allCases.compactMap { state -> String? in
      guard let count = queue.counts[state.rawValue], count > 0 else { return nil }
      return "\(count) " + terminal.paint(state.rawValue, state.style)
    }
    rows.append(("runs", counts.isEmpty ? "none" : counts.joined(separator: ", ")))
    rows.append(("agents", queue.agents.isEmpty ? "none that can run its jobs" : queue.agents.joined(separator: ", ")))
    rows += listed("refused", queue.refused)
    rows += listed(
      "variables",
      queue.variables.keys.sorted().compactMap { name in
        queue.variables[name].map { variable in
          let value =
            variable.required
            ? "required" : variable.defaultValue.isNull ? "" : variable.defaultValue.json() + " by default"
          return "\(name): \(variable.type)" + (value.isEmpty ? "" : ", \(value)")
            + (variable.doc.map { "; \($0)" } ?? "")
        }
      })
    if case .object(let fields) = queue.settings {
      let shown = fields.keys.sorted().filter { !["entity", "target", "name"].contains($0) }
      rows += listed("settings", shown.map { "\($0) = \((fields[$0] ?? .null).json())" })
    }
    return terminal.paint(printable(queue.name), .bold) + "\n" + RunText.aligned(rows, on: terminal)
  }

  private static func listed(_ label: String, _ lines: [String]) -> [(String, String)] {
    lines.enumerated().map { ($0 == 0 ? label : "", printable($1)) }
  }
}

enum AgentText {
  static func table(_ agents: [AgentView], now: Double) -> Table {
    var table = Table([
      .init("NAME"), .init("STATE"), .init("QUEUES"), .init("JOBS", .right), .init("TARGETS"), .init("HOST"),
      .init("HEARD"), .init("ID"),
    ])
    for agent in agents {
      table.append([
        .init(agent.name, .bold), .init(agent.state.rawValue, style(agent.state)),
        .init(agent.queues.joined(separator: ", ")), .init("\(agent.jobs)/\(agent.maxJobs)"),
        .init(agent.targets.joined(separator: ", ")), .init(agent.host), .init(ago(agent.heartbeatAt, now: now)),
        .init(agent.id),
      ])
    }
    return table
  }

  private static func style(_ state: AgentState) -> Style {
    switch state {
    case .polling: .green
    case .busy: .blue
    case .draining: .yellow
    case .stale, .refused: .red
    }
  }
}

enum JobText {
  static func table(_ jobs: [JobVersion], now: Double) -> Table {
    var table = Table([
      .init("NAME"), .init("PROJECT"), .init("ENTITY"), .init("NEWEST"), .init("KIND"), .init("RUNS"), .init("AUTHOR"),
      .init("CREATED"),
    ])
    for job in jobs {
      table.append([
        .init(job.name, .bold), .init(job.project), .init(job.entity), .init("v\(job.version)"),
        .init(job.source.kind.rawValue), .init(command(job.source)), .init(job.author), .init(ago(now - job.createdAt)),
      ])
    }
    return table
  }

  private static func command(_ source: Source) -> String {
    source.entryPoint.map(ShellWord.quoted).joined(separator: " ")
  }

  /// One version with the list of all of them.
  static func page(_ job: JobVersion, versions: [JobVersion], now: Double, on terminal: Terminal) -> String {
    var rows: [(String, String)] = [
      ("job", "\(job.entity)/\(job.project)/\(job.name)"),
      ("version", "v\(job.version)" + (job.aliases.isEmpty ? "" : " (\(job.aliases.joined(separator: ", ")))")),
      ("kind", job.source.kind.rawValue), ("runs", command(job.source)),
    ]
    if let python = job.source.python { rows.append(("python", python)) }
    if let requirements = job.source.requirements { rows.append(("requirements", requirements)) }
    rows += [("author", job.author), ("created", ago(now - job.createdAt)), ("digest", job.digest)]
    for (index, version) in versions.enumerated() {
      let aliases = version.aliases.isEmpty ? "" : "  " + version.aliases.joined(separator: ", ")
      rows.append((index == 0 ? "versions" : "", "v\(version.version)  \(ago(now - version.createdAt))\(aliases)"))
    }
    return terminal.paint(printable(job.name), .bold) + "\n"
      + RunText.aligned(rows.map { ($0.0, printable($0.1)) }, on: terminal)
  }
}

extension JobVersion {
  /// For programs: times as in the rest of the API's documents, and the reference by which it is launched.
  func document() throws -> Value {
    guard case .object(var fields) = try Value(encoding: self) else { return .null }
    fields["created_at"] = .string(Timestamp.text(createdAt))
    fields["reference"] = .string(reference)
    return .object(fields)
  }
}
