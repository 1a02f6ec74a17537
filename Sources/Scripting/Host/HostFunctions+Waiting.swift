import Lua
import Model
import Processes

/// Functions that wait: they suspend the coroutine that calls them, and hold no thread.
extension HostFunctions {
  /// What is done while the coroutine waits.
  typealias Operation = @Sendable () async throws -> [LuaValue]

  func makeWaiting(in state: LuaState) -> [String: LuaReference] {
    [
      "log": state.waitingFunction("host.log") { call throws -> Operation in try log(call) },
      "sleep": state.waitingFunction("host.sleep") { call throws -> Operation in try sleep(call) },
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
    let (command, streams) = try command(call.tree(1))
    return {
      let output = CallContext.current.output
      let stream: @Sendable (Command.Stream, [UInt8]) async -> Void = { _, bytes in await output?(bytes) }
      do throws(ProcessFailure) {
        let result = try await command.run(streams ? stream : nil)
        return [.tree(HostFunctions.tree(result))]
      } catch {
        return HostFunctions.failed(error)
      }
    }
  }

  private func start(_ call: borrowing LuaCall) throws -> Operation {
    try require(.process)
    let tree = try call.tree(1)
    let token = try call.string(2)
    let processes = services.processes
    return {
      let spec: HeldSpec
      switch HostFunctions.held(tree, CallContext.current.secrets) {
      case .success(let read): spec = read
      case .failure(let failure): return HostFunctions.failed(failure)
      }
      do throws(ProcessFailure) {
        try await processes.start(spec, token: token)
        return [.tree(["token": .string(token)])]
      } catch {
        return HostFunctions.failed(error)
      }
    }
  }

  /// `{ "cmd", "arg", stdin =, env =, cwd =, timeout =, stream = }`
  private func command(_ tree: LuaTree) throws(LuaError) -> (Command, streams: Bool) {
    guard case .table(let table) = tree, let name = table.items.first?.text else {
      throw LuaError(.runtime, "host.exec wants a table: { \"command\", \"argument\", timeout = 10 }")
    }
    if name.contains("/") {
      // A program that the plugin made itself.
      try require(.files)
      guard name.hasPrefix(services.data + "/"), !name.split(separator: "/").contains("..") else {
        throw LuaError(.runtime, "`\(name)` is no program on the PATH, nor one in the plugin's data folder")
      }
    } else {
      try require(.exec, name)
    }
    let arguments = try table.items.map { (item) throws(LuaError) -> String in
      guard let text = item.text else { throw LuaError(.runtime, "an argument of host.exec is a \(item.typeName)") }
      return text
    }
    var environment = BaseEnvironment.current()
    for permission in permissions where permission.kind == .env {
      for (variable, value) in services.environment where Glob.matches(variable, permission.subject ?? "") {
        environment[variable] = value
      }
    }
    for (variable, value) in table.fields["env"]?.table?.fields ?? [:] { environment[variable] = value.text ?? "" }
    environment[Processes.commandVariable] = services.commandMark
    var command = Command(arguments, environment: environment)
    command.folder = table.fields["cwd"]?.text
    command.input = Array((table.fields["stdin"]?.text ?? "").utf8)
    command.timeout = table.fields["timeout"]?.real ?? Self.execSeconds
    return (command, table.fields["stream"] == .boolean(true))
  }

  /// Seconds that a program may run where the plugin names no timeout.
  static let execSeconds = 60.0

  private static func tree(_ result: Command.Result) -> LuaTree {
    [
      "code": .integer(Int64(result.exitCode ?? 128 + (result.signal ?? 0))),
      "stdout": .string(String(decoding: result.output, as: UTF8.self)),
      "stderr": .string(String(decoding: result.error, as: UTF8.self)),
      "timed_out": .boolean(result.timedOut),
    ]
  }

  /// What `plan` of a local driver made, with its secrets opened: `{ argv, env, folder, cwd, prefix, memory, cpu, fenced }`.
  private static func held(_ tree: LuaTree, _ secrets: [String: Secret]) -> Result<HeldSpec, DriverFailure> {
    guard case .table(let spec) = tree else { return .failure(DriverFailure(.bug, "the spec is no table")) }
    let arguments = (spec.fields["argv"]?.table?.items ?? []).compactMap(\.text)
    guard !arguments.isEmpty else { return .failure(DriverFailure(.configInvalid, "the run has no command")) }
    var environment = BaseEnvironment.current()
    for (name, value) in spec.fields["env"]?.table?.fields ?? [:] {
      if let secret = value[Node.secretKey].string {
        guard let known = secrets[secret] else {
          return .failure(
            DriverFailure(
              .configInvalid, "the agent has no secret `\(secret)`",
              hint: "put its text into the file secrets/\(secret) of the agent's data folder"))
        }
        known.open { environment[name] = $0 }
      } else {
        environment[name] = value.text ?? ""
      }
    }
    if let prefix = spec.fields["prefix"]?.string {
      environment["PATH"] = "\(prefix)/bin:" + (environment["PATH"] ?? BaseEnvironment.defaultPath)
      environment["VIRTUAL_ENV"] = prefix
    }
    var folder = spec.fields["folder"]?.string
    if let inner = spec.fields["cwd"]?.string {
      guard !inner.hasPrefix("/"), !inner.split(separator: "/").contains("..") else {
        return .failure(DriverFailure(.configInvalid, "`cwd` must lie inside the job's folder, not at `\(inner)`"))
      }
      folder = folder.map { "\($0)/\(inner)" }
    }
    return .success(
      HeldSpec(
        arguments: arguments, environment: environment, folder: folder, memory: spec.fields["memory"]?.whole,
        cpus: spec.fields["cpu"]?.real,
        lease: spec.fields["fenced"] == .boolean(true) ? Limits.leaseSeconds : nil))
  }
}
