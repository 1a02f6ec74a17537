import Model
import Scripting
import Synchronization

/// A target in memory whose every fault can be scripted.
final class FakeDriver: Driver {
  struct Call: Sendable, Hashable {
    var name: String
    var token: String
  }
  struct State {
    var started: [String: Observation] = [:]
    var calls: [Call] = []
    /// Failures of the next starts; a start with an `effect` has happened all the same.
    var startFailures: [(failure: DriverFailure, effect: Bool)] = []
    var findFailures: [DriverFailure] = []
    var pollFailures: [DriverFailure] = []
    var logFailures: [DriverFailure] = []
    var stopFailures: [DriverFailure] = []
    var planFailure: DriverFailure?
    var health = Probe(.healthy)
    /// What a newly started run is observed as.
    var first = Observation(.succeeded, exitCode: 0)
    /// What a run is observed as after it was stopped.
    var afterStop = Observation(.failed, signal: 15)
    var specs: [String: Value] = [:]
    var secrets: [String: [String: String]] = [:]
    var output: [UInt8] = []
    var batches: [Int] = []
    var requests: [PlanRequest] = []
    /// Polls for which a run goes on after it was told to stop.
    var stopTakes = 0
    var stopping: [String: Int] = [:]
    /// Starts of a run while another attempt of it was alive.
    var doubles: [String] = []
    var watchFailures: [DriverFailure] = []
    var watches = 0
    var wake: (@Sendable () -> Void)?
  }
  let state = Mutex(State())
  let target: String
  let version = "1"
  let provides: Set<Capability>
  let handleVersion: Int

  init(target: String = "mock", provides: Set<Capability> = [.codeSource, .stop], handleVersion: Int = 1) {
    self.handleVersion = handleVersion
    self.target = target
    self.provides = provides
  }

  func count(_ name: String) -> Int { state.withLock { $0.calls.count { $0.name == name } } }
  func set(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

  private func token(_ handle: Value) -> String { handle["token"]?.stringValue ?? "" }
  private func note(_ name: String, _ token: String) {
    state.withLock { $0.calls.append(Call(name: name, token: token)) }
  }

  func probe() async -> Probe { state.withLock { $0.health } }

  func plan(_ request: PlanRequest) async throws(DriverFailure) -> Value {
    state.withLock { $0.requests.append(request) }
    if let failure = state.withLock({ $0.planFailure }) { throw failure }
    return .object(["command": .array(request.command.map { .string($0) }), "resource": request.resource])
  }

  func start(_ spec: Value, token: String, secrets: [String: Secret]) async throws(DriverFailure) -> Value {
    note("start", token)
    let failure = state.withLock { state -> DriverFailure? in
      state.specs[token] = spec
      state.secrets[token] = secrets.mapValues { $0.open { $0 } }
      let run = token.prefix { $0 != "-" }
      let others = state.started.filter { $0.key != token && $0.key.hasPrefix("\(run)-") }
      state.doubles += others.filter { !$0.value.state.isOver }.map { "\($0.key) beside \(token)" }
      let script = state.startFailures.isEmpty ? nil : state.startFailures.removeFirst()
      if script == nil || script?.effect == true, state.started[token] == nil { state.started[token] = state.first }
      return script?.failure
    }
    if let failure { throw failure }
    return .object(["token": .string(token)])
  }

  func find(token: String) async throws(DriverFailure) -> Value? {
    note("find", token)
    let (failure, isThere) = state.withLock { state in
      (state.findFailures.isEmpty ? nil : state.findFailures.removeFirst(), state.started[token] != nil)
    }
    if let failure { throw failure }
    return isThere ? .object(["token": .string(token)]) : nil
  }

  func poll(_ handles: [Value]) async throws(DriverFailure) -> [Observation] {
    let failure = state.withLock { state -> DriverFailure? in
      state.batches.append(handles.count)
      return state.pollFailures.isEmpty ? nil : state.pollFailures.removeFirst()
    }
    if let failure { throw failure }
    return handles.map { handle in
      note("poll", token(handle))
      return state.withLock { state in
        let token = token(handle)
        if let left = state.stopping[token] {
          state.stopping[token] = left > 1 ? left - 1 : nil
          if left <= 1 { state.started[token] = state.afterStop }
        }
        return state.started[token] ?? Observation(.lost)
      }
    }
  }

  func stop(_ handle: Value, _ how: StopOrder) async throws(DriverFailure) {
    note(how.grace == 0 ? "kill" : "stop", token(handle))
    let failure = state.withLock { state -> DriverFailure? in
      if !state.stopFailures.isEmpty { return state.stopFailures.removeFirst() }
      if let row = state.started[token(handle)], row.state == .running || row.state == .pending {
        if state.stopTakes == 0 {
          state.started[token(handle)] = state.afterStop
        } else if state.stopping[token(handle)] == nil {
          state.stopping[token(handle)] = state.stopTakes
        }
      }
      return nil
    }
    if let failure { throw failure }
  }

  func forget(_ handle: Value) async throws(DriverFailure) {
    note("forget", token(handle))
    state.withLock { _ = $0.started.removeValue(forKey: token(handle)) }
  }

  func list() async throws(DriverFailure) -> [Listed] {
    note("list", "")
    return state.withLock { $0.started.keys.sorted() }.map { Listed(token: $0, handle: ["token": .string($0)]) }
  }

  /// Goes on until it is cancelled.
  func watch(_ wake: @escaping @Sendable () -> Void) async throws(DriverFailure) {
    let failure = state.withLock { state -> DriverFailure? in
      state.watches += 1
      if !state.watchFailures.isEmpty { return state.watchFailures.removeFirst() }
      state.wake = wake
      return nil
    }
    if let failure { throw failure }
    try? await Task.sleep(for: .seconds(3_600))
    state.withLock { $0.wake = nil }
    throw DriverFailure(.cancelled, "cancelled")
  }

  func logs(_ handle: Value, cursor: Value?) async throws(DriverFailure) -> LogChunk {
    let failure = state.withLock { $0.logFailures.isEmpty ? nil : $0.logFailures.removeFirst() }
    if let failure { throw failure }
    let offset = Int(cursor?.intValue ?? 0)
    let (output, isOver) = state.withLock { state in
      (state.output, state.started[token(handle)].map { $0.state != .running && $0.state != .pending } ?? true)
    }
    // Three bytes at a time: cursors have to be carried on.
    let piece = Array(output.dropFirst(offset).prefix(3))
    return LogChunk(
      bytes: piece, cursor: .int(Int64(offset + piece.count)), isEnd: isOver && offset + piece.count == output.count)
  }

  func stats(_ handles: [Value]) async throws(DriverFailure) -> [Usage?] {
    handles.map { _ in Usage(cpu: 0.5, memory: 1_000) }
  }
}

/// A builder whose builds wait until the test lets them go.
final class FakeBuilder: Builder {
  struct State {
    var builds = 0
    var running = 0
    var isOpen = true
    var failures: [DriverFailure] = []
    var waiters: [CheckedContinuation<Void, Never>] = []
    var requests: [BuildRequest] = []
  }
  let state = Mutex(State())
  let name: String
  let sources: Set<SourceKind>
  let targets: Set<String> = ["process", "mock"]
  let prefix: String
  let health: Probe.Health

  init(
    name: String = "fake", prefix: String, sources: Set<SourceKind> = [.code], health: Probe.Health = .healthy
  ) {
    self.name = name
    self.prefix = prefix
    self.sources = sources
    self.health = health
  }

  func close() { state.withLock { $0.isOpen = false } }

  func open() {
    let waiters = state.withLock { state in
      state.isOpen = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func probe() async -> Probe { Probe(health) }
  func key(_ request: BuildRequest) async throws(DriverFailure) -> String { request.requirements ?? "none" }

  func build(
    _ request: BuildRequest, key: String, log: @escaping @Sendable ([UInt8]) async -> Void
  ) async throws(DriverFailure) -> BuildResult {
    state.withLock {
      $0.builds += 1
      $0.running += 1
      $0.requests.append(request)
    }
    await log(Array("collecting \(key)\n".utf8))
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOpen = state.withLock { state in
          if state.isOpen || Task.isCancelled { return true }
          state.waiters.append(continuation)
          return false
        }
        if isOpen { continuation.resume() }
      }
    } onCancel: {
      self.open()
    }
    await log(Array("done\n".utf8))
    let failure = state.withLock { state -> DriverFailure? in
      state.running -= 1
      return state.failures.isEmpty ? nil : state.failures.removeFirst()
    }
    if let failure { throw failure }
    return BuildResult(prefix: prefix)
  }
}
