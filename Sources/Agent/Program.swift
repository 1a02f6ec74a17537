import Glibc
import Model
import Processes

/// What a run's program is given: its command, its environment, and the names that its resource document may use.
enum Program {
  /// Bytes of a config, or of one of its values, that is handed over as a variable; the kernel takes no longer ones than
  /// 128 KiB.
  static let variableBytesMax = 100_000

  /// The command as it can be run in `folder`.
  ///
  /// - `train.py` that may not be executed is run by `python3`; `run.sh` that may not be executed by `sh`;
  /// - a file of the folder is run by its path, without a `./` too;
  /// - `python` is `python3` where there is no `python` (a virtual environment always has one);
  /// - all else is looked up in the PATH.
  /// - Parameter path: the PATH that it is looked up in; nil where that is an image's, which nobody knows here.
  static func command(_ words: [String], in folder: String, prefix: String?, path: String?) -> [String] {
    guard let first = words.first, !first.hasPrefix("/") else { return words }
    var plain = first[...]
    while plain.hasPrefix("./") { plain = plain.dropFirst(2) }
    let file = "\(folder)/\(plain)"
    let rest = words.dropFirst()
    if Disk.exists(file), !Disk.isFolder(file) {
      if access(file, X_OK) == 0 { return ["./\(plain)"] + rest }
      if plain.hasSuffix(".py") { return ["python3", String(plain)] + rest }
      if plain.hasSuffix(".sh") { return ["sh", String(plain)] + rest }
      return ["./\(plain)"] + rest
    }
    if first == "python", let path {
      let folders = (prefix.map { ["\($0)/bin"] } ?? []) + path.split(separator: ":").map(String.init)
      if !folders.contains(where: { access("\($0)/python", X_OK) == 0 }) { return ["python3"] + rest }
    }
    return words
  }

  /// Variables of the program: who it is, and its config. Nothing of the agent's own environment.
  /// - Parameter configFile: where the config lies as JSON; nil where the target does not see the agent's disk, and the
  ///   JSON itself has to do.
  static func environment(_ lease: Lease, configFile: String?) -> [String: String] {
    var environment = [
      "LUNAPORT_RUN_ID": lease.run, "LUNAPORT_RUN_NAME": lease.name, "LUNAPORT_ATTEMPT": String(lease.attempt),
      "LUNAPORT_ENTITY": lease.entity, "LUNAPORT_PROJECT": lease.project, "LUNAPORT_QUEUE": lease.queue,
      // Output that a buffer holds back is lost where the program is killed, and nobody sees it live.
      "PYTHONUNBUFFERED": "1",
    ]
    if let job = lease.spec.job { environment["LUNAPORT_JOB"] = job.reference }
    let config = lease.spec.overrides.runConfig ?? [:]
    for key in config.keys.sorted() {
      guard let value = config[key], let text = scalar(value), text.utf8.count <= variableBytesMax else { continue }
      guard !text.utf8.contains(0) else { continue }
      environment["LUNAPORT_CONFIG_\(variableName(key))"] = text
    }
    // After the values: one of them may be called `json`, and the whole must not be lost for it.
    if let configFile {
      environment["LUNAPORT_CONFIG"] = configFile
    } else {
      environment["LUNAPORT_CONFIG_JSON"] = Value.object(config).json()
    }
    return environment
  }

  /// Text of a value that is neither a list nor a table; nil for those, and for null.
  private static func scalar(_ value: Value) -> String? {
    switch value {
    case .string(let text): text
    case .bool(let flag): flag ? "true" : "false"
    case .int(let number): String(number)
    case .double(let number): number.isFinite ? "\(number)" : nil
    case .null, .array, .object: nil
    }
  }

  /// `learning-rate` becomes `LEARNING_RATE`.
  private static func variableName(_ key: String) -> String {
    String(
      key.uppercased().unicodeScalars.map { scalar in
        switch scalar {
        case "A"..."Z", "0"..."9": Character(scalar)
        default: "_"
        }
      })
  }

  /// What `${...}` means in this run's resource document.
  static func macros(_ lease: Lease, image: String?, environment: [String: String]) -> [String: String] {
    // The run's own names win: nobody can bend them by a variable of the agent.
    var values = environment
    values["project_name"] = lease.project
    values["entity_name"] = lease.entity
    values["run_id"] = lease.run
    values["run_name"] = lease.name
    values["queue_name"] = lease.queue
    values["author"] = lease.author
    values["attempt"] = String(lease.attempt)
    values["job_name"] = lease.spec.job?.name ?? ""
    values["image_uri"] = image
    return values
  }

  /// The resource document with its macros filled. Throws a sentence that names one which has no meaning here.
  static func fill(_ resource: Value, _ values: [String: String]) throws(MacroFailure) -> Value {
    for name in references(resource) where values[name] == nil {
      if name == "image_uri" {
        throw MacroFailure(
          message: "the resource uses ${image_uri}, and this run has no image",
          hint: "use it only in queues whose target runs images")
      }
      let known = (Macro.names + values.keys.filter { !Macro.names.contains($0) }.sorted()).joined(separator: ", ")
      throw MacroFailure(
        message: "the resource uses ${\(name)}, which this agent does not give to runs",
        hint: "known here: \(known); a variable of the agent's environment has to be allowed by name "
          + "(agent --macro \(name)), and $${\(name)} is the plain text")
    }
    return Macro.expand(resource, values)
  }

  struct MacroFailure: Error {
    var message: String
    var hint: String
  }

  private static func references(_ value: Value) -> [String] {
    switch value {
    case .string(let text): Macro.references(in: text)
    case .array(let items): items.flatMap(references)
    case .object(let fields): fields.keys.sorted().flatMap { references(fields[$0] ?? .null) }
    default: []
    }
  }

  /// Names of the secrets that a document refers to.
  static func secrets(in value: Value) -> Set<String> {
    switch value {
    case .array(let items): items.reduce(into: []) { $0.formUnion(secrets(in: $1)) }
    case .object(let fields):
      if fields.count == 1, let name = fields[Node.secretKey]?.stringValue {
        [name]
      } else {
        fields.values.reduce(into: []) { $0.formUnion(secrets(in: $1)) }
      }
    default: []
    }
  }
}
