import Lua
import Model

/// How the suite's programs become runs on a target, and the resources of the cases that need one of their own: what
/// `spec/conformance.lua` of a plugin returns.
public struct Fixture: Sendable {
  public struct Memory: Sendable {
    public var resource: Value
    /// Takes more memory than the resource gives it.
    public var script: String
  }

  /// A run that cannot start.
  public struct Broken: Sendable {
    /// What is wrong with it, in words.
    public var name: String
    public var resource: Value
    public var image: String?
    /// How it comes out: the code with which `plan` or `start` fails, or the state in which the run ends.
    public var code: String?
    public var state: String?
  }

  /// The image of every run; nil for targets that run folders.
  public var image: String?
  /// How a shell script becomes a command: this, and the script after it.
  public var shell: [String] = ["/bin/sh", "-c"]
  /// Resource of every run.
  public var resource: Value = [:]
  public var memory: Memory?
  /// Laid over `resource`, so that the target lets the run wait.
  public var pending: Value?
  /// Laid over `resource`, so that the program has the secret `suite` in the variable SUITE_SECRET.
  public var secrets: Value?
  public var broken: [Broken] = []
  /// For targets that run no programs: what is laid over `resource` for each kind of program, with `${...}` filled from
  /// that program. A kind that is not here is not tried.
  public var programs: [String: Value]?
  /// The target keeps lines, and not where the last one was cut off: output has a line end behind it, always.
  public var keepsLines = false

  /// What is tried where a plugin has no fixture: shell scripts in a folder.
  public init() {}
}

/// Why a fixture cannot be read.
public struct FixtureFailure: Error, Sendable, Hashable {
  public var message: String
}

extension Fixture {
  private static let keys = [
    "image", "shell", "resource", "memory", "pending", "secrets", "broken", "programs", "lines",
  ]
  /// Where a driver takes variables as most do, in a table `env` of its resource.
  private static let usualSecrets: Value = ["env": ["SUITE_SECRET": ["$secret": "suite"]]]

  /// Reads a fixture. It is evaluated as declarations are: it may compute, and reaches nothing.
  public init(reading file: SourceFile) throws(FixtureFailure) {
    let value: Value
    do {
      let state = try LuaState(sandbox: .load, limits: DeclarationReader.limits)
      let results = try state.evaluate(
        file.text, chunk: "@" + file.name, environment: try state.environment(globals: [:]))
      let tree: LuaTree = if let result = results.first { try state.tree(of: result) } else { .nothing }
      switch tree.document() {
      case .success(let document): value = document
      case .failure(let problem): throw FixtureFailure(message: "\(file.name) returned \(problem.text)")
      }
    } catch let failure as FixtureFailure {
      throw failure
    } catch {
      throw FixtureFailure(message: "\(error)")
    }
    guard let fields = value.objectValue else {
      throw FixtureFailure(message: "\(file.name) does not end with `return { ... }`")
    }
    if let unknown = fields.keys.sorted().first(where: { !Self.keys.contains($0) }) {
      let hint = closest(to: unknown, among: Self.keys).map { "; did you mean `\($0)`?" } ?? ""
      throw FixtureFailure(message: "\(file.name) has the unknown key `\(unknown)`\(hint)")
    }
    image = fields["image"]?.stringValue
    if let words = fields["shell"]?.arrayValue?.compactMap(\.stringValue), !words.isEmpty { shell = words }
    resource = Self.table(fields["resource"]) ?? [:]
    if let given = fields["memory"] {
      guard let script = given["script"]?.stringValue, let resource = Self.table(given["resource"]) else {
        throw FixtureFailure(message: "`memory` of \(file.name) is no { resource = { ... }, script = \"...\" }")
      }
      memory = Memory(resource: resource, script: script)
    }
    pending = Self.table(fields["pending"])
    secrets = fields["secrets"] == true ? Self.usualSecrets : Self.table(fields["secrets"])
    programs = fields["programs"]?.objectValue
    keepsLines = fields["lines"] == true
    for item in fields["broken"]?.arrayValue ?? [] {
      let one = Broken(
        name: item["name"]?.stringValue ?? "", resource: Self.table(item["resource"]) ?? [:],
        image: item["image"]?.stringValue, code: item["code"]?.stringValue, state: item["state"]?.stringValue)
      guard !one.name.isEmpty, (one.code == nil) != (one.state == nil) else {
        throw FixtureFailure(
          message: "each of `broken` of \(file.name) has a `name`, and `code` or `state` for how it comes out")
      }
      broken.append(one)
    }
  }

  private static func table(_ value: Value?) -> Value? { value?.objectValue.map { .object($0) } }
}
