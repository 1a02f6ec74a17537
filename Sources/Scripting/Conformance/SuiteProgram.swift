import Model

/// A program that the suite has a target run: a shell script, and for targets that run none its kind with what a
/// fixture's `programs` may say of it.
struct SuiteProgram: Sendable {
  var kind: String
  var script: String
  /// What `${...}` of the fixture's entry stands for.
  var values: [String: Value] = [:]

  /// Prints `text` and exits with `code`.
  static func finish(_ text: String, code: Int = 0) -> SuiteProgram {
    SuiteProgram(
      kind: "finish", script: "printf '%s' '\(text)'; exit \(code)",
      values: ["text": .string(text), "code": .int(Int64(code))])
  }

  /// Runs until it is stopped.
  static let stay = SuiteProgram(kind: "stay", script: "echo staying; sleep 3600")

  /// Ends by itself after a few seconds, printing a line now and then.
  static func pieces(_ count: Int) -> SuiteProgram {
    SuiteProgram(
      kind: "pieces", script: "i=0; while [ $i -lt \(count) ]; do echo \"piece $i\"; sleep 0.3; i=$((i+1)); done")
  }

  /// A child of it is killed; it says so as shells do.
  static let killed = SuiteProgram(kind: "killed", script: "sh -c 'kill -9 $$'; exit $?", values: ["signal": 9])

  /// Prints many lines, each of them different, so that a lost one can be told from a doubled one.
  static func lines(_ count: Int) -> SuiteProgram {
    SuiteProgram(
      kind: "lines",
      script: "i=0; while [ $i -lt \(count) ]; do echo \"$i \(filler)\"; i=$((i+1)); done",
      values: ["count": .int(Int64(count))])
  }

  static func linesText(_ count: Int) -> String { (0..<count).map { "\($0) \(filler)\n" }.joined() }
  private static let filler = String(repeating: "abcdefghij", count: 9)

  /// Prints so many zeros and no line end.
  static func longLine(_ count: Int) -> SuiteProgram {
    SuiteProgram(
      kind: "longline", script: "printf '%0\(count)d' 0",
      values: ["text": .string(String(repeating: "0", count: count))])
  }

  /// Prints two bytes that are no UTF-8, between some that are.
  static let bytes = SuiteProgram(kind: "bytes", script: #"printf 'before\377\376after\n'"#)

  /// Prints a variable of its environment.
  static func variable(_ name: String) -> SuiteProgram {
    SuiteProgram(kind: "variable", script: "printf '%s' \"$\(name)\"")
  }

  /// Exits with 7 when it gets SIGUSR1.
  static let trap = SuiteProgram(
    kind: "trap", script: "trap 'exit 7' USR1; echo ready; while :; do sleep 0.1; done")

  /// Tells whether SUITE_SECRET begins and ends as it should, without printing it.
  static func secret(begins: String, ends: String) -> SuiteProgram {
    SuiteProgram(
      kind: "secret",
      script: "case \"$SUITE_SECRET\" in \(begins)*\(ends)) echo has-it;; *) echo has-not;; esac")
  }

  /// The fixture's own script.
  static func other(_ kind: String, _ script: String) -> SuiteProgram { SuiteProgram(kind: kind, script: script) }

  /// `template` with `${...}` filled; a text that is nothing else becomes the value itself.
  func fill(_ template: Value) -> Value {
    switch template {
    case .string(let text):
      if text.hasPrefix("${"), text.hasSuffix("}"), let value = values[String(text.dropFirst(2).dropLast())] {
        return value
      }
      return Macro.expand(template, values.compactMapValues { $0.stringValue ?? $0.intValue.map { "\($0)" } })
    case .array(let items): return .array(items.map(fill))
    case .object(let fields): return .object(fields.mapValues(fill))
    default: return template
    }
  }
}
