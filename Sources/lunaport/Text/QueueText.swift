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
