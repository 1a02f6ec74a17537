import Model
import Processes
import Scripting

/// Runs commands through the shim, as the plugin of target `process` does, without Lua.
public struct HeldDriver: Driver {
  public let processes: Processes
  public var target: String { "process" }
  public var version: String { "1" }
  public var provides: Set<Capability> { [.codeSource, .stop, .logs, .stats, .secrets, .memoryLimit] }
  public var handleVersion: Int { 1 }

  public init(_ processes: Processes) { self.processes = processes }

  public func probe() async -> Probe { Probe(.healthy) }

  public func plan(_ request: PlanRequest) async throws(DriverFailure) -> Value {
    .object([
      "argv": .array(request.command.map { .string($0) }),
      "env": .object(request.environment.mapValues { .string($0) }.merging(variables(request)) { $1 }),
      "folder": request.folder.map { .string($0) } ?? .null,
      "prefix": request.prefix.map { .string($0) } ?? .null,
      "fenced": .bool(request.fenced),
    ])
  }

  private func variables(_ request: PlanRequest) -> [String: Value] { request.resource["env"]?.objectValue ?? [:] }

  public func start(_ spec: Value, token: String, secrets: [String: Secret]) async throws(DriverFailure) -> Value {
    var environment = BaseEnvironment.current()
    for (name, value) in spec["env"]?.objectValue ?? [:] {
      if let text = value.stringValue { environment[name] = text }
      if let secret = value["$secret"]?.stringValue { secrets[secret]?.open { environment[name] = $0 } }
    }
    if let prefix = spec["prefix"]?.stringValue {
      environment["PATH"] = "\(prefix)/bin:\(environment["PATH"] ?? "")"
    }
    let held = HeldSpec(
      arguments: (spec["argv"]?.arrayValue ?? []).compactMap(\.stringValue), environment: environment,
      folder: spec["folder"]?.stringValue, lease: spec["fenced"] == true ? Limits.leaseSeconds : nil)
    do throws(ProcessFailure) {
      try await processes.start(held, token: token)
    } catch {
      throw DriverFailure(error.code == .notFound ? .notFound : .targetError, error.message, hint: error.hint)
    }
    return .object(["token": .string(token)])
  }

  public func find(token: String) async throws(DriverFailure) -> Value? {
    processes.status(of: token) == .absent ? nil : .object(["token": .string(token)])
  }

  private func token(_ handle: Value) -> String { handle["token"]?.stringValue ?? "" }

  public func poll(_ handles: [Value]) async throws(DriverFailure) -> [Observation] {
    handles.map { handle in
      switch processes.status(of: token(handle)) {
      case .running: Observation(.running)
      case .ended(let ending):
        Observation(
          ending.exitCode == 0 ? .succeeded : .failed, exitCode: ending.exitCode, signal: ending.signal,
          outOfMemory: ending.outOfMemory)
      case .vanished: Observation(.lost, message: "the process vanished")
      case .absent: Observation(.lost, message: "there is no such process")
      case .unreadable(let failure): Observation(.unknown, message: failure.message)
      }
    }
  }

  public func stop(_ handle: Value, _ how: StopOrder) async throws(DriverFailure) {
    processes.stop(token(handle), grace: how.grace)
  }

  public func forget(_ handle: Value) async throws(DriverFailure) {
    do throws(ProcessFailure) {
      try processes.remove(token(handle))
    } catch { throw DriverFailure(.targetError, error.message, retry: .safe) }
  }

  public func logs(_ handle: Value, cursor: Value?) async throws(DriverFailure) -> LogChunk {
    let offset = cursor?.intValue ?? 0
    guard let output = processes.output(token(handle), from: offset, limit: 65_536) else {
      return LogChunk(bytes: [], cursor: .int(offset), isEnd: true)
    }
    return LogChunk(
      bytes: output.bytes, cursor: .int(offset + Int64(output.bytes.count)), isEnd: output.isEnd)
  }

  public func stats(_ handles: [Value]) async throws(DriverFailure) -> [Usage?] {
    let usage = processes.usage(of: handles.map(token))
    return handles.map { handle in usage[token(handle)].map { Usage(cpu: $0.cpu, memory: $0.memory) } }
  }
}
