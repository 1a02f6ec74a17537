import Lua
import Model
import Processes

/// Functions that wait: they suspend the coroutine that calls them, and hold no thread.
extension HostFunctions {
  /// What is done while the coroutine waits.
  typealias Operation = @Sendable () async throws -> [LuaValue]

  func waiting(in state: LuaState) -> [String: LuaReference] {
    [
      "log": state.waitingFunction("host.log") { call throws -> Operation in try log(call) },
      "sleep": state.waitingFunction("host.sleep") { call throws -> Operation in try sleep(call) },
      "together": state.waitingFunction("host.together") { call throws -> Operation in try together(call) },
      "exec": state.waitingFunction("host.exec") { call throws -> Operation in try exec(call) },
      "process.start": state.waitingFunction("host.process.start") { call throws -> Operation in try start(call) },
    ]
  }

  private func log(_ call: borrowing LuaCall) throws -> Operation {
    let bytes = try call.bytes(1)
    let log = services.log
    return {
      if let output = CallContext.current.output {
        await output(bytes)
      } else {
        log(String(decoding: bytes, as: UTF8.self))
      }
      return []
    }
  }

  private func sleep(_ call: borrowing LuaCall) throws -> Operation {
    let seconds = try call.number(1)
    return {
      try await Task.sleep(for: .seconds(max(0, min(seconds, 86_400))))
      return []
    }
  }

  private func exec(_ call: borrowing LuaCall) throws -> Operation {
    let wanted = try wanted(call.tree(1))
    return {
      let context = CallContext.current
      let stream: @Sendable (Command.Stream, [UInt8]) async -> Void = { _, bytes in await context.output?(bytes) }
      do {
        let result = try await wanted.opened(with: context.secrets).run(wanted.isStreamed ? stream : nil)
        guard wanted.mayCut || !result.isTruncated else {
          throw DriverFailure(
            .targetError, "`\(wanted.command.arguments[0])` wrote more than \(wanted.command.outputLimit) bytes",
            hint: "raise `limit`, or set `cut`", retry: .unknownEffect)
        }
        return [HostFunctions.value(of: result, SecretMask(context.secrets))]
      } catch let failure as ProcessFailure {
        return HostFunctions.failed(failure)
      } catch let failure as DriverFailure {
        return HostFunctions.failed(failure)
      }
    }
  }

  private func start(_ call: borrowing LuaCall) throws -> Operation {
    try permits.require(.process)
    let tree = try call.tree(1)
    let token = try token(call.tree(2))
    let processes = services.processes
    return {
      do {
        try await processes.start(HostFunctions.held(tree, CallContext.current.secrets), token: token)
        return [.tree(["token": .string(token)])]
      } catch let failure as ProcessFailure {
        return HostFunctions.failed(failure)
      } catch let failure as DriverFailure {
        return HostFunctions.failed(failure)
      }
    }
  }

  /// A program to run, with its secrets still sealed.
  private struct Wanted: Sendable {
    var command: Command
    var environment: [(name: String, value: HostText)] = []
    var input: HostText?
    var isStreamed: Bool
    var mayCut: Bool

    func opened(with secrets: [String: Secret]) throws(DriverFailure) -> Command {
      var command = command
      for (name, value) in environment { command.environment[name] = try value.openedText(with: secrets) }
      if let input { command.input = try input.opened(with: secrets) }
      return command
    }
  }

  /// `{ "cmd", "arg", stdin =, env =, cwd =, timeout =, stream =, limit =, cut = }`
  private func wanted(_ tree: LuaTree) throws(LuaError) -> Wanted {
    guard case .table(let table) = tree, let name = table.items.first?.text else {
      throw LuaError(.runtime, "host.exec wants a table: { \"command\", \"argument\", timeout = 10 }")
    }
    if name.contains("/") {
      // A program that the plugin made itself.
      try permits.require(.files)
      guard name.hasPrefix(services.data + "/"), !name.split(separator: "/").contains("..") else {
        throw LuaError(.runtime, "`\(name)` is no program on the PATH, nor one in the plugin's data folder")
      }
    } else {
      try permits.require(.exec, name)
    }
    let arguments = try table.items.map { (item) throws(LuaError) -> String in
      guard let text = item.text else { throw LuaError(.runtime, "an argument of host.exec is a \(item.typeName)") }
      return text
    }
    var environment = BaseEnvironment.current()
    for permission in permits.declared where permission.kind == .env {
      for (variable, value) in services.environment where Glob.matches(variable, permission.subject ?? "") {
        environment[variable] = value
      }
    }
    environment[Processes.commandVariable] = services.commandMark
    let limit = table.fields["limit"]?.whole.map(Self.kept)
    var command = Command(arguments, environment: environment, outputLimit: limit ?? Self.execOutputMax)
    command.folder = table.fields["cwd"]?.text
    command.timeout = try Self.seconds(table, "timeout", of: "host.exec") ?? Self.execSeconds
    var wanted = Wanted(
      command: command, isStreamed: table.fields["stream"] == .boolean(true),
      mayCut: table.fields["cut"] == .boolean(true))
    for (variable, value) in table.fields["env"]?.table?.fields ?? [:] {
      guard let text = HostText(value) else { throw LuaError(.runtime, "the variable \(variable) is no text") }
      wanted.environment.append((variable, text))
    }
    if let input = table.fields["stdin"] {
      guard let text = HostText(input) else { throw LuaError(.runtime, "`stdin` is no text") }
      wanted.input = text
    }
    return wanted
  }

  /// Seconds that a program may run where the plugin names no timeout.
  static let execSeconds = 60.0
  /// Bytes of each stream of a program that are kept where the plugin names no limit.
  static let execOutputMax = 16 << 20

  private static func value(of result: Command.Result, _ mask: SecretMask) -> LuaValue {
    var fields: [String: LuaValue] = [
      "code": .integer(Int64(result.exitCode ?? 128 + (result.signal ?? 0))),
      "stdout": .bytes(mask.applied(to: result.output)),
      "stderr": .bytes(mask.applied(to: result.error)), "timed_out": .boolean(result.timedOut),
    ]
    if result.isTruncated { fields["cut"] = .boolean(true) }
    return .fields(fields)
  }

  /// What `plan` of a local driver made, with its secrets opened: `{ argv, env, folder, cwd, prefix, memory, cpu, fenced }`.
  private static func held(_ tree: LuaTree, _ secrets: [String: Secret]) throws(DriverFailure) -> HeldSpec {
    guard case .table(let spec) = tree else { throw DriverFailure(.bug, "the spec is no table") }
    let arguments = (spec.fields["argv"]?.table?.items ?? []).compactMap(\.text)
    guard !arguments.isEmpty else { throw DriverFailure(.configInvalid, "the run has no command") }
    var environment = BaseEnvironment.current()
    for (name, value) in spec.fields["env"]?.table?.fields ?? [:] {
      environment[name] = try HostText(value)?.openedText(with: secrets) ?? ""
    }
    if let prefix = spec.fields["prefix"]?.string {
      environment["PATH"] = "\(prefix)/bin:" + (environment["PATH"] ?? BaseEnvironment.defaultPath)
      environment["VIRTUAL_ENV"] = prefix
    }
    var folder = spec.fields["folder"]?.string
    if let inner = spec.fields["cwd"]?.string {
      guard !inner.hasPrefix("/"), !inner.split(separator: "/").contains("..") else {
        throw DriverFailure(.configInvalid, "`cwd` must lie inside the job's folder, not at `\(inner)`")
      }
      folder = folder.map { "\($0)/\(inner)" }
    }
    return HeldSpec(
      arguments: arguments, environment: environment, folder: folder, memory: spec.fields["memory"]?.whole,
      cpus: spec.fields["cpu"]?.real, lease: spec.fields["fenced"] == .boolean(true) ? Limits.leaseSeconds : nil)
  }
}
