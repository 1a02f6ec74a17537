import Model
import Synchronization

@testable import Scripting

/// A target in memory, used by several drivers: the lives of one agent, and another agent.
final class MemoryTarget: Sendable {
  struct Run: Sendable {
    var owner: String
    var token: String
    var spec: Value
    var output: String
    var isStopped = false
  }
  struct State {
    var runs: [String: Run] = [:]
    var next = 0
    var watchers: [AsyncStream<Void>.Continuation] = []
  }
  private let state = Mutex(State())

  func read<Result>(_ body: (State) -> Result) -> Result { state.withLock { body($0) } }

  func change<Result>(_ body: (inout State) -> Result) -> Result {
    let (result, watchers) = state.withLock { (body(&$0), $0.watchers) }
    for watcher in watchers { watcher.yield() }
    return result
  }
}

/// A driver of it that keeps the contract, but for one fault.
struct MemoryDriver: Driver {
  enum Fault: String, Sendable, CaseIterable {
    case none, startsAgain, startsAgainAtOnce, cutOffStartIsNotFound, findsNothing, findsByPrefix, wrongExitCode
    case pollsOutOfOrder, goneSucceeds, waitsInSilence, watchesNothing, stopChangesTheEnd, stopOfGoneFails
    case losesLog, repeatsLog, cursorBreaks, cutsLogs, listsOthers, listsOnlyTheLiving, forgetsNothing
    case secretInHandle, secretInDocument, startsWithoutSecret, failsUnclearly, failsButStarts, planIsRandom
  }
  let store: MemoryTarget
  let owner: String
  let fault: Fault

  let target = "memory"
  let version = "1.0.0"
  let handleVersion = 1
  let provides: Set<Capability> = [.stop, .logs, .stats, .list, .watch, .secrets]

  static let fixture = {
    var fixture = Fixture()
    fixture.programs = [
      "finish": ["text": "${text}", "code": "${code}"], "longline": ["text": "${text}"], "stay": ["stays": true],
      "killed": ["code": 137], "secret": ["tells": true],
    ]
    fixture.pending = ["waits": true]
    fixture.secrets = ["secret": ["$secret": "suite"]]
    fixture.broken = [
      Fixture.Broken(name: "a broken thing", resource: ["broken": true], code: "not_found"),
      Fixture.Broken(name: "a thing that breaks", resource: ["code": 5, "says": "the thing broke"], state: "failed"),
    ]
    return fixture
  }()

  func probe() async -> Probe { Probe(.healthy) }

  func plan(_ request: PlanRequest) async throws(DriverFailure) -> Value {
    guard case .object(var spec) = request.resource else { throw DriverFailure(.bug, "no table") }
    if fault == .planIsRandom { spec["random"] = .int(.random(in: 0...Int64.max)) }
    if fault == .secretInDocument, spec["secret"] != nil { spec["secret"] = "its text" }
    return .object(spec)
  }

  func start(_ spec: Value, token: String, secrets: [String: Secret]) async throws(DriverFailure) -> Value {
    var output = spec["text"]?.stringValue ?? ""
    var handle: [String: Value] = [:]
    if let name = spec["secret"]?["$secret"]?.stringValue {
      if let secret = secrets[name] {
        output = spec["tells"] == true ? "has-it" : output
        if fault == .secretInHandle { handle["secret"] = .string(secret.open { $0 }) }
      } else if fault != .startsWithoutSecret {
        throw DriverFailure(.configInvalid, "there is no secret \(name)")
      }
    }
    let isBroken = spec["broken"] == true
    if isBroken, fault != .failsButStarts {
      throw DriverFailure(.notFound, fault == .failsUnclearly ? "no" : "no such thing")
    }
    if fault != .startsAgain, let id = id(token) { return with(handle, id) }
    // In the middle of a conversation with the target.
    if fault == .startsAgainAtOnce { try? await Task.sleep(for: .milliseconds(20)) }
    let run = MemoryTarget.Run(owner: owner, token: token, spec: spec, output: output)
    let id = store.change { state in
      if fault != .startsAgain, fault != .startsAgainAtOnce, let known = Self.id(token, in: state) { return known }
      state.next += 1
      state.runs["\(state.next)"] = run
      return "\(state.next)"
    }
    if fault == .cutOffStartIsNotFound, token.contains("cut") {
      // It is known by its name only when the whole of the conversation is over.
      store.change { $0.runs[id]?.token = "unnamed" }
      do { try await Task.sleep(for: .milliseconds(100)) } catch { throw DriverFailure(.cancelled, "cut off") }
      store.change { $0.runs[id]?.token = token }
    }
    if isBroken { throw DriverFailure(.notFound, "no such thing") }
    return with(handle, id)
  }

  private func with(_ handle: [String: Value], _ id: String) -> Value {
    .object(handle.merging(["id": .string(id)]) { $1 })
  }
  private static func id(_ token: String, in state: MemoryTarget.State) -> String? {
    state.runs.filter { $0.value.token == token }.keys.sorted().first
  }
  private func id(_ token: String) -> String? { store.read { Self.id(token, in: $0) } }
  private func run(_ handle: Value) -> MemoryTarget.Run? { store.read { $0.runs[handle["id"]?.stringValue ?? ""] } }

  func find(token: String) async throws(DriverFailure) -> Value? {
    if fault == .findsNothing { return nil }
    if fault == .findsByPrefix {
      let id = store.read { state in state.runs.first { $0.value.token.hasPrefix(token) }?.key }
      return id.map { with([:], $0) }
    }
    return id(token).map { with([:], $0) }
  }

  private func observe(_ handle: Value) -> Observation {
    guard let run = run(handle) else { return Observation(fault == .goneSucceeds ? .succeeded : .lost) }
    if run.isStopped { return Observation(.failed, signal: 15) }
    if run.spec["waits"] == true { return Observation(.pending, message: fault == .waitsInSilence ? nil : "no room") }
    if run.spec["stays"] == true { return Observation(.running) }
    let code = Int(run.spec["code"]?.intValue ?? 0)
    return Observation(
      code == 0 ? .succeeded : .failed, exitCode: fault == .wrongExitCode ? Int(Int8(truncatingIfNeeded: code)) : code,
      message: run.spec["says"]?.stringValue)
  }

  func poll(_ handles: [Value]) async throws(DriverFailure) -> [Observation] {
    let rows = handles.map(observe)
    return fault == .pollsOutOfOrder ? rows.reversed() : rows
  }

  func stop(_ handle: Value, _ how: StopOrder) async throws(DriverFailure) {
    guard run(handle) != nil else {
      if fault == .stopOfGoneFails { throw DriverFailure(.notFound, "no such run") }
      return
    }
    if observe(handle).state.isOver, fault != .stopChangesTheEnd { return }
    store.change { $0.runs[handle["id"]?.stringValue ?? ""]?.isStopped = true }
  }

  func forget(_ handle: Value) async throws(DriverFailure) {
    if fault == .forgetsNothing { return }
    store.change { _ = $0.runs.removeValue(forKey: handle["id"]?.stringValue ?? "") }
  }

  func logs(_ handle: Value, cursor: Value?) async throws(DriverFailure) -> LogChunk {
    guard let run = run(handle) else { return LogChunk(bytes: [], cursor: .null, isEnd: true) }
    let output = Array(run.output.utf8)
    var at = Int(cursor?.intValue ?? 0)
    if fault == .losesLog, at > 0 { at += 1 }
    if fault == .repeatsLog, at > 0 { at -= 1 }
    let piece = Array(output.dropFirst(at).prefix(30_000))
    let end = at + piece.count
    // Right for the first reader, who goes on from the last piece, and wrong for one who comes back to an earlier one.
    let kept = fault == .cursorBreaks && end < output.count ? Value.int(Int64(output.count - 1)) : .int(Int64(end))
    return LogChunk(
      bytes: piece, cursor: kept, isEnd: fault == .cutsLogs ? !piece.isEmpty || output.isEmpty : end >= output.count)
  }

  func stats(_ handles: [Value]) async throws(DriverFailure) -> [Usage?] { handles.map { _ in nil } }

  func list() async throws(DriverFailure) -> [Listed] {
    let runs = store.read { $0.runs }.filter { fault == .listsOthers || $0.value.owner == owner }
    return runs.map { Listed(token: $1.token, handle: with([:], $0)) }.filter {
      fault != .listsOnlyTheLiving || !observe($0.handle).state.isOver
    }
  }

  func watch(_ wake: @escaping @Sendable () -> Void) async throws(DriverFailure) {
    let (stream, input) = AsyncStream<Void>.makeStream()
    store.change { $0.watchers.append(input) }
    for await _ in stream where fault != .watchesNothing { wake() }
  }
}
