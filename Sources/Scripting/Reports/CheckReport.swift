import Model

/// What `check` prints: every problem of every file, and a line that counts them.
public struct CheckReport: Sendable {
  public var configuration: Configuration
  /// Time that loading and checking took, in seconds; left out of the summary where nil.
  public var seconds: Double?

  public init(_ configuration: Configuration, seconds: Double? = nil) {
    self.configuration = configuration
    self.seconds = seconds
  }

  public func render(_ format: DiagnosticFormat, isColoured: Bool = false) -> String {
    let diagnostics = configuration.diagnostics
    switch format {
    case .human:
      let text = DiagnosticText(isColoured: isColoured) { configuration.lines(of: $0) }
      return diagnostics.map { text.render($0) + "\n" }.joined() + summary + "\n"
    case .github: return diagnostics.map { DiagnosticFormat.github($0) + "\n" }.joined()
    case .json: return json.json(pretty: true) + "\n"
    }
  }

  /// `{"diagnostics": [...], "errors", "warnings", "files", "queues"}`
  public var json: Value {
    [
      "diagnostics": .array(configuration.diagnostics.map(DiagnosticFormat.json)),
      "errors": .int(Int64(configuration.errorCount)), "warnings": .int(Int64(configuration.warningCount)),
      "files": .int(Int64(configuration.sources.count)), "queues": .int(Int64(configuration.queues.count)),
    ]
  }

  /// `2 errors, 0 warnings in 14 files (38 ms)`
  public var summary: String {
    func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }
    var out = "\(count(configuration.errorCount, "error")), \(count(configuration.warningCount, "warning"))"
    out += " in \(count(configuration.sources.count, "file"))"
    if let seconds { out += " (\(Int((seconds * 1_000).rounded())) ms)" }
    return out
  }
}
