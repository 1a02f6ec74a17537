import Model

/// The config file of `launch`.
struct LaunchFile {
  var submission = Submission(job: "", queue: "")

  private static let keys = [
    "entity", "job", "name", "overrides", "priority", "project", "queue", "resource_args", "submit_key", "variables",
  ]
  private static let overrideKeys = ["args", "entry_point", "run_config"]

  init(_ path: String?) throws {
    guard let path else { return }
    self = try LaunchFile(try Document.read(path), named: path)
  }

  init(_ document: Value, named path: String) throws {
    guard case .object(var fields) = document else { throw LocalFailure("\(path) must hold a table") }
    try Self.refuse(unknownIn: fields, known: Self.keys, what: "\(path)", path)
    if let overrides = fields["overrides"] {
      guard case .object(let inner) = overrides else { throw LocalFailure("`overrides` in \(path) must be a table") }
      try Self.refuse(unknownIn: inner, known: Self.overrideKeys, what: "`overrides` in \(path)", path)
    }
    fields["job"] = fields["job"] ?? ""
    fields["queue"] = fields["queue"] ?? ""
    do {
      submission = try Value.object(fields).decode(Submission.self)
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
      throw LocalFailure("\(Self.place(context)) in \(path) is of the wrong kind", hint: Self.hint(context))
    } catch DecodingError.dataCorrupted(let context) {
      throw LocalFailure("\(Self.place(context)) in \(path) is not one of its values", hint: Self.hint(context))
    }
  }

  private static func refuse(
    unknownIn fields: [String: Value], known: [String], what: String, _ path: String
  ) throws(LocalFailure) {
    guard let unknown = fields.keys.sorted().first(where: { !known.contains($0) }) else { return }
    throw LocalFailure(
      "\(what) has no key `\(unknown)`",
      hint: closest(to: unknown, among: known).map { "did you mean `\($0)`?" }
        ?? "keys: \(known.joined(separator: ", "))")
  }

  private static func place(_ context: DecodingError.Context) -> String {
    let path: Path = context.codingPath.map { $0.intValue.map(PathStep.index) ?? .key($0.stringValue) }
    return "`\(path.text)`"
  }

  private static func hint(_ context: DecodingError.Context) -> String? {
    switch context.codingPath.first?.stringValue {
    case "overrides": "args and entry_point are lists of text, run_config is a table"
    case "resource_args": "a table for each target: {\"process\": {...}}"
    case "priority": "one of \(Priority.allCases.map(\.rawValue).joined(separator: ", "))"
    default: nil
    }
  }
}

/// Values of a queue's variables as people type them.
enum VariableText {
  /// `4` for an integer is the number, for a text it is the text.
  static func value(_ text: String, for variable: VariableView?) -> Value {
    let type = variable?.type ?? ""
    if ["text", "duration", "size"].contains(where: type.hasPrefix) { return .string(text) }
    guard let value = try? Value(json: text) else { return .string(text) }
    // A choice among texts may look like a number.
    if type.hasPrefix("one of"), type.contains(Value.string(text).json()) { return .string(text) }
    return value
  }
}
