import FoundationEssentials
import Hashing
import Lua
import Model
import Processes

/// What the functions of one plugin may reach on the agent's machine.
public struct HostServices: Sendable {
  public var processes: Processes
  /// Folder of this plugin's own files.
  public var data: String
  /// Labels what its driver starts.
  public var owner: String
  /// The agent's environment, of which plugins see what they declared and nothing else.
  public var environment: [String: String]
  /// By which the plugin's commands are found, and ended, when their agent died before they did; nil where they may go
  /// on (what a driver runs may have started the work itself).
  public var commandMark: String?
  /// Seconds since 1970.
  public var now: @Sendable () -> Double
  /// Lines for the agent's own log.
  public var log: @Sendable (String) -> Void

  public init(
    processes: Processes, data: String, owner: String, environment: [String: String], commandMark: String? = nil,
    now: @escaping @Sendable () -> Double, log: @escaping @Sendable (String) -> Void
  ) {
    self.processes = processes
    self.data = data
    self.owner = owner
    self.environment = environment
    self.commandMark = commandMark
    self.now = now
    self.log = log
  }
}

/// What belongs to one call of a plugin's function: thousands may wait in one state, each with its own.
struct CallContext: Sendable {
  var secrets: [String: Secret] = [:]
  /// Where `host.log` and streamed programs write; the agent's log where nil.
  var output: (@Sendable ([UInt8]) async -> Void)?
  /// Has the driver's handles polled at once; nil but in `watch`.
  var wake: (@Sendable () -> Void)?

  @TaskLocal static var current = CallContext()
}

/// The functions of `host`, for one plugin. Expected failures are answered as `nil, fail { ... }`; misuse raises at the
/// caller's line.
struct HostFunctions {
  let plugin: String
  let permissions: [Permission]
  let services: HostServices

  /// Functions that never wait.
  func make(in state: LuaState) -> [String: LuaReference] {
    var functions = basics(in: state)
    functions.merge(files(in: state)) { first, _ in first }
    functions.merge(processes(in: state)) { first, _ in first }
    return functions
  }

  /// Throws where the plugin did not declare what it uses.
  func require(_ kind: Permission.Kind, _ subject: String? = nil) throws(LuaError) {
    let isAllowed = permissions.contains { permission in
      permission.kind == kind && (subject.map { Glob.matches($0, permission.subject ?? "") } ?? true)
    }
    guard isAllowed else {
      let text = subject.map { "\(kind.rawValue):\($0)" } ?? kind.rawValue
      throw LuaError(.runtime, "plugin `\(plugin)` has no permission `\(text)`; add it to `needs` in its plugin.lua")
    }
  }

  /// `nil, { code, message, ... }`, which the prelude makes a failure of.
  static func failed(_ failure: DriverFailure) -> [LuaValue] {
    var fields: [String: LuaTree] = [
      "code": .string(failure.code.rawValue), "message": .string(failure.message),
    ]
    if let hint = failure.hint { fields["hint"] = .string(hint) }
    if let detail = failure.detail { fields["detail"] = .string(detail) }
    switch failure.retry {
    case .never: break
    case .safe: fields["retry"] = .string("safe")
    case .unknownEffect: fields["retry"] = .string("unknown_effect")
    case .after(let seconds): fields["retry"] = .number(seconds)
    }
    return [.nothing, .tree(.table(LuaTable(fields: fields)))]
  }

  static func failed(_ failure: ProcessFailure) -> [LuaValue] { failed(DriverFailure(failure)) }

  private func basics(in state: LuaState) -> [String: LuaReference] {
    let services = services
    return [
      "now": state.function { (_: borrowing LuaCall) -> [LuaValue] in [.number(services.now())] },
      "wake": state.function { (_: borrowing LuaCall) -> [LuaValue] in
        guard let wake = CallContext.current.wake else {
          throw LuaError(.runtime, "host.wake can be called only in a driver's `watch`")
        }
        wake()
        return []
      },
      "bytes": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        let tree = try call.tree(1)
        guard let bytes = tree.scalar?.bytes else { throw LuaError(.runtime, "not a size, such as \"4Gi\"") }
        return [.integer(bytes)]
      },
      "seconds": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        let tree = try call.tree(1)
        guard let seconds = tree.scalar?.seconds else { throw LuaError(.runtime, "not a duration, such as \"12h\"") }
        return [.number(seconds)]
      },
      "sha256": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        [.string(try Hash.of(call.bytes(1)).hex)]
      },
      "json.encode": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        switch try call.tree(1).document() {
        case .success(let value): return [.string(value.json())]
        case .failure(let problem): throw LuaError(.runtime, "cannot be said in JSON: \(problem.text)")
        }
      },
      "json.decode": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        let text = try call.string(1)
        do throws(JSONError) {
          return [.tree(LuaTree(try Value(json: text.utf8)))]
        } catch {
          return Self.failed(DriverFailure(.targetError, error.description))
        }
      },
    ]
  }

  // MARK: files: the plugin's own folder

  /// A path inside the plugin's folder; throws for one that leads out of it.
  private func path(_ relative: String) throws(LuaError) -> String {
    try require(.files)
    let parts = relative.split(separator: "/", omittingEmptySubsequences: true)
    guard !relative.hasPrefix("/"), !parts.isEmpty, !parts.contains(".."), !relative.contains("\0") else {
      throw LuaError(.runtime, "`\(relative)` is no path inside the plugin's data folder")
    }
    return services.data + "/" + parts.joined(separator: "/")
  }

  private func files(in state: LuaState) -> [String: LuaReference] {
    [
      "files.exists": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        [.boolean(Disk.exists(try path(call.string(1))))]
      },
      "files.read": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        guard let bytes = Disk.read(try path(call.string(1)), limit: Self.fileSizeMax) else { return [.nothing] }
        return [.bytes(bytes)]
      },
      "files.write": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        let path = try path(call.string(1))
        let bytes = try call.bytes(2)
        do throws(ProcessFailure) {
          if let slash = path.lastIndex(of: "/") { try Disk.makeFolder(String(path[..<slash])) }
          try Disk.replace(path, with: bytes)
          return [.boolean(true)]
        } catch {
          return Self.failed(error)
        }
      },
      "files.remove": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        let path = try path(call.string(1))
        do throws(ProcessFailure) {
          if Disk.exists(path) { try Disk.remove(path) }
          return [.boolean(true)]
        } catch {
          return Self.failed(error)
        }
      },
      "files.list": state.function { (call: borrowing LuaCall) -> [LuaValue] in
        [.list(Disk.names(in: try path(call.string(1))).sorted().map(LuaValue.string))]
      },
    ]
  }

  /// Bytes that `host.files.read` gives at most: it is for a plugin's notes, not for data.
  static let fileSizeMax = 1 << 20

  // MARK: processes

  private func token(_ tree: LuaTree) throws(LuaError) -> String {
    guard let token = tree["token"].string else { throw LuaError(.runtime, "not a handle of a local process") }
    return token
  }

  private func processes(in state: LuaState) -> [String: LuaReference] {
    let processes = services.processes
    func guarded(_ body: @escaping (borrowing LuaCall) throws -> [LuaValue]) -> LuaReference {
      state.function { (call: borrowing LuaCall) -> [LuaValue] in
        try require(.process)
        return try body(call)
      }
    }
    return [
      "process.probe": guarded { _ in
        var lacks: [LuaTree] = []
        if !processes.cgroups.limitsMemory { lacks.append(.string(Capability.memoryLimit.rawValue)) }
        if !processes.cgroups.limitsCPU { lacks.append(.string(Capability.cpuLimit.rawValue)) }
        let detail = lacks.isEmpty ? "processes, with limits of memory and CPU" : "processes, without control groups"
        return [.tree(["health": "healthy", "detail": .string(detail), "lacks": .table(LuaTable(items: lacks))])]
      },
      "process.find": guarded { call in
        let token = try call.string(1)
        return processes.status(of: token) == .absent ? [.nothing] : [.tree(["token": .string(token)])]
      },
      "process.status": guarded { call in
        guard case .table(let handles) = try call.tree(1) else { throw call.badArgument(1, "list of handles") }
        return [.tree(.table(LuaTable(items: try handles.items.map { Self.row(processes.status(of: try token($0))) })))]
      },
      "process.output": guarded { call in
        let token = try token(call.tree(1))
        // Asked before the file is read: what ended before has written all that is then read.
        let isRunning = processes.status(of: token).isRunning
        return [.tree(["file": .string(processes.folder(of: token) + "/output.log"), "done": .boolean(!isRunning)])]
      },
      "process.stop": guarded { call in
        processes.stop(try token(call.tree(1)), grace: try call.number(2))
        return [.boolean(true)]
      },
      "process.signal": guarded { call in
        processes.signal(try token(call.tree(1)), Int32(clamping: try call.integer(2)))
        return [.boolean(true)]
      },
      "process.forget": guarded { call in
        let token = try token(call.tree(1))
        do throws(ProcessFailure) {
          try processes.remove(token)
          return [.boolean(true)]
        } catch {
          return Self.failed(error)
        }
      },
      "process.usage": guarded { call in
        guard case .table(let handles) = try call.tree(1) else { throw call.badArgument(1, "list of handles") }
        let tokens = try handles.items.map { try token($0) }
        let usage = processes.usage(of: tokens)
        return [
          .tree(
            .table(
              LuaTable(
                items: tokens.map { token in
                  usage[token].map { ["cpu": .number($0.cpu), "memory": .integer($0.memory)] } ?? .boolean(false)
                })))
        ]
      },
    ]
  }

  private static func row(_ status: HeldStatus) -> LuaTree {
    switch status {
    case .running: return ["state": "running"]
    case .absent: return ["state": "lost", "message": "nothing of this run is on this machine"]
    case .vanished:
      return ["state": "lost", "message": "the program and what held it are gone without a note of how it ended"]
    case .ended(let ending):
      if ending.wasFenced {
        return [
          "state": "lost", "message": "stopped because its lease was not renewed, so that no retry runs beside it",
        ]
      }
      var fields: [String: LuaTree] = ["state": .string(ending.exitCode == 0 ? "succeeded" : "failed")]
      if let code = ending.exitCode { fields["exit_code"] = .integer(Int64(code)) }
      if let signal = ending.signal { fields["signal"] = .integer(Int64(signal)) }
      if ending.outOfMemory {
        fields["out_of_memory"] = .boolean(true)
        fields["message"] = .string("the kernel killed it at its memory limit")
      }
      return .table(LuaTable(fields: fields))
    }
  }
}

extension DriverFailure {
  init(_ failure: ProcessFailure) {
    let (code, retry): (Code, Retry) =
      switch failure.code {
      case .notFound: (.notFound, .never)
      case .permission: (.auth, .never)
      case .invalid: (.configInvalid, .never)
      case .unsupported: (.unsupported, .never)
      case .busy: (.conflict, .after(1))
      case .cancelled: (.cancelled, .never)
      case .resources: (.unavailable, .safe)
      case .system: (.targetError, .never)
      }
    self.init(code, failure.message, hint: failure.hint, retry: retry)
  }
}
