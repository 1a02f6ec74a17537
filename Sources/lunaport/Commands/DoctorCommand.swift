import Arguments
import Model

extension Lunaport {
  var doctorCommand: Command {
    Command(
      "doctor", "Look for what could keep things from working here, and say what to do about it.",
      discussion: """
        Looks at the server that commands would talk to, at this machine as that of an agent, and with --data at a data \
        folder. The exit code is 1 where something fails.

          lunaport doctor --data data
        """
    ) { declare in
      let url = declare.option(
        "url", .string, environment: "LUNAPORT_URL", help: "The server; the one logged in to if nothing is said.")
      let data = declare.option("data", .directory, help: "Look at this data folder of 'up' or 'serve' too.")
      let plugins = ConfigurationOptions.plugins(&declare)
      let json = declare.json()
      return { values, console in
        let examination = Examination(environment: environment, now: now)
        var findings = await examination.server(url: values[url])
        findings += await examination.machine(plugins: values[plugins])
        if let data = values[data] { findings += await examination.dataFolder(data) }
        if values[json] {
          try console.print(Value.array(findings.map(\.document)).json(pretty: true))
        } else {
          for finding in findings { try console.print(finding.rendered(on: console.output)) }
        }
        return findings.contains { $0.verdict == .fail } ? .findings : .ok
      }
    }
  }
}

/// What `doctor` found of one thing.
struct Finding: Sendable, Equatable {
  enum Verdict: String, Sendable {
    case ok, warn, fail
  }
  /// What was looked at.
  var name: String
  var verdict: Verdict
  /// What was seen.
  var fact: String
  /// What to do, where something is not well.
  var advice: String?

  init(_ name: String, _ verdict: Verdict, _ fact: String, advice: String? = nil) {
    self.name = name
    self.verdict = verdict
    self.fact = fact
    self.advice = advice
  }

  var document: Value {
    [
      "name": .string(name), "verdict": .string(verdict.rawValue), "fact": .string(fact),
      "advice": advice.map(Value.string) ?? .null,
    ]
  }

  func rendered(on terminal: Terminal) -> String {
    let word =
      switch verdict {
      case .ok: terminal.paint("ok  ", .green)
      case .warn: terminal.paint("warn", .yellow)
      case .fail: terminal.paint("FAIL", .bold, .red)
      }
    return "\(word)  \(name): \(printable(fact))" + (advice.map { "\n      \(printable($0))" } ?? "")
  }
}
