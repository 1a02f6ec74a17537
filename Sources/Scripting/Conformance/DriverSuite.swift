import Model

/// What every driver must keep, tried on a real target: the same suite for the drivers that ship and for a stranger's.
/// Skips only what the driver does not declare.
public struct DriverSuite: Sendable {
  public enum Outcome: Sendable, Hashable {
    case passed
    /// The driver does not declare the capability.
    case skipped(String)
    case failed(String)
  }

  public struct Result: Sendable, Hashable {
    public var name: String
    public var outcome: Outcome
  }

  /// What the suite runs on the target: each is a command that the target must be able to run.
  public struct Workload: Sendable {
    /// Prints `text` and exits with `code`.
    public var finish: @Sendable (_ text: String, _ code: Int) -> PlanRequest
    /// Runs until it is stopped.
    public var stay: @Sendable () -> PlanRequest

    public init(
      finish: @escaping @Sendable (_ text: String, _ code: Int) -> PlanRequest,
      stay: @escaping @Sendable () -> PlanRequest
    ) {
      self.finish = finish
      self.stay = stay
    }

    /// Shell commands, for targets that run a folder's program.
    public static func shell(folder: String?) -> Workload {
      @Sendable func request(_ script: String) -> PlanRequest {
        PlanRequest(
          run: "suite001", name: "suite-run-1", attempt: 1, entity: "suite", project: "suite", queue: "suite",
          author: "suite", job: nil, command: ["/bin/sh", "-c", script], environment: ["SUITE": "1"], folder: folder,
          resource: [:])
      }
      return Workload(
        finish: { text, code in request("printf '%s' '\(text)'; exit \(code)") },
        stay: { request("sleep 3600") })
    }
  }

  let driver: any Driver
  let workload: Workload
  /// Resource that the driver's schema makes of nothing, for requests without one.
  let resource: Value
  /// Tells the suite's tokens from those of earlier tries.
  let mark: String
  /// Waits a moment between polls.
  let pause: @Sendable () async -> Void
  /// Polls that something is waited for.
  static let patience = 600

  public init(
    _ driver: any Driver, workload: Workload, resource: Value, mark: String,
    pause: @escaping @Sendable () async -> Void
  ) {
    self.driver = driver
    self.workload = workload
    self.resource = resource
    self.mark = mark
    self.pause = pause
  }

  private struct Violation: Error {
    var text: String
  }

  public func run() async -> [Result] {
    let cases: [(String, Capability?, @Sendable () async throws -> Void)] = [
      ("the probe says that the target is healthy", nil, probe),
      ("plan is pure: the same request gives the same document", nil, planIsPure),
      ("a program that ends well is succeeded, with exit code 0", nil, { try await ends(code: 0, .succeeded) }),
      ("a program that fails is failed, with its exit code", nil, { try await ends(code: 3, .failed) }),
      ("a second start with the same token gives the same handle", nil, startTwice),
      ("find gives the handle of a start, and nothing for a token that was never started", nil, find),
      ("poll answers many handles in order, in one call", nil, pollMany),
      ("poll of a handle that is gone says lost or unknown", nil, pollGone),
      ("stop ends a running program", .stop, stopRunning),
      ("stop of an ended program is success", .stop, stopEnded),
      ("logs come whole, and can be resumed at a cursor", .logs, logs),
      ("stats answer a row for each handle", .stats, stats),
      ("forget is idempotent", nil, forgetTwice),
    ]
    var results: [Result] = []
    for (name, capability, body) in cases {
      if let capability, !driver.provides.contains(capability) {
        results.append(Result(name: name, outcome: .skipped("`\(capability)` is not declared")))
        continue
      }
      do {
        try await body()
        results.append(Result(name: name, outcome: .passed))
      } catch let violation as Violation {
        results.append(Result(name: name, outcome: .failed(violation.text)))
      } catch let failure as DriverFailure {
        let detail = failure.detail.map { "\n\($0)" } ?? ""
        results.append(
          Result(name: name, outcome: .failed("\(failure.code.rawValue): \(failure.message)\(detail)")))
      } catch {
        results.append(Result(name: name, outcome: .failed("\(error)")))
      }
    }
    return results
  }

  // MARK: cases

  private func probe() async throws {
    let probe = await driver.probe()
    try expect(probe.health == .healthy, "it says \(probe.health.rawValue): \(probe.detail)")
  }

  private func planIsPure() async throws {
    let request = prepared(workload.finish("x", 0))
    let first = try await driver.plan(request)
    let second = try await driver.plan(request)
    try expect(first == second, "two calls gave \(first.json()) and \(second.json())")
  }

  private func ends(code: Int, _ state: Observation.State) async throws {
    let handle = try await start(workload.finish("ok", code), "end\(code)")
    let seen = try await settled(handle)
    try expect(seen.state == state, "it says \(seen.state.rawValue)")
    try expect(seen.exitCode == code, "its exit code is \(seen.exitCode.map(String.init) ?? "missing"), not \(code)")
    try await driver.forget(handle)
  }

  private func startTwice() async throws {
    let spec = try await driver.plan(prepared(workload.finish("once", 0)))
    let first = try await driver.start(spec, token: token("twice"), secrets: [:])
    let second = try await driver.start(spec, token: token("twice"), secrets: [:])
    try expect(first == second, "the second start gave another handle: \(second.json())")
    _ = try await settled(first)
    let third = try await driver.start(spec, token: token("twice"), secrets: [:])
    try expect(first == third, "after the end the same token started something new: \(third.json())")
    try await driver.forget(first)
  }

  private func find() async throws {
    let handle = try await start(workload.finish("found", 0), "find")
    let found = try await driver.find(token: token("find"))
    try expect(found == handle, "find gave \(found?.json() ?? "nothing")")
    let none = try await driver.find(token: token("never"))
    try expect(none == nil, "a token that was never started was found: \(none?.json() ?? "")")
    _ = try await settled(handle)
    try await driver.forget(handle)
  }

  private func pollMany() async throws {
    var handles: [Value] = []
    for index in 0..<20 { handles.append(try await start(workload.finish("n", index), "many\(index)")) }
    for handle in handles { _ = try await settled(handle) }
    let rows = try await driver.poll(handles)
    try expect(rows.map(\.exitCode) == (0..<20).map { $0 }, "exit codes came back as \(rows.map { $0.exitCode ?? -1 })")
    for handle in handles { try await driver.forget(handle) }
  }

  private func pollGone() async throws {
    let handle = try await start(workload.finish("gone", 0), "gone")
    _ = try await settled(handle)
    try await driver.forget(handle)
    let rows = try await driver.poll([handle])
    let state = rows.first?.state
    try expect(state == .lost || state == .unknown, "it says \(state?.rawValue ?? "nothing")")
  }

  private func stopRunning() async throws {
    let handle = try await start(workload.stay(), "stop")
    _ = try await observed(handle) { $0.state == .running }
    try await driver.stop(handle, StopOrder(grace: 2))
    let seen = try await settled(handle)
    try expect(seen.state == .failed, "a stopped program says \(seen.state.rawValue)")
    try await driver.forget(handle)
  }

  private func stopEnded() async throws {
    let handle = try await start(workload.finish("done", 0), "stopended")
    let before = try await settled(handle)
    try await driver.stop(handle, StopOrder(grace: 0))
    try await driver.stop(handle, StopOrder(grace: 0))
    let after = try await settled(handle)
    try expect(before.state == after.state && before.exitCode == after.exitCode, "stopping changed how it ended")
    try await driver.forget(handle)
  }

  private func logs() async throws {
    let text = "0123456789abcdefghijklmnopqrstuvwxyz"
    let handle = try await start(workload.finish(text, 0), "logs")
    _ = try await settled(handle)
    let whole = try await read(handle, from: nil)
    try expect(whole.contains(text), "the log is \(whole.prefix(200).debugDescription)")
    let first = try await driver.logs(handle, cursor: nil)
    let rest = try await read(handle, from: first.cursor)
    try expect(
      String(decoding: first.bytes, as: UTF8.self) + rest == whole, "resumed at its cursor, the log is another")
    try await driver.forget(handle)
  }

  private func stats() async throws {
    let handle = try await start(workload.finish("s", 0), "stats")
    let rows = try await driver.stats([handle])
    try expect(rows.count == 1, "one handle gave \(rows.count) rows")
    _ = try await settled(handle)
    try await driver.forget(handle)
  }

  private func forgetTwice() async throws {
    let handle = try await start(workload.finish("f", 0), "forget")
    _ = try await settled(handle)
    try await driver.forget(handle)
    try await driver.forget(handle)
  }

  // MARK: steps

  private func token(_ name: String) -> String { "\(mark)-\(name)" }

  private func prepared(_ request: PlanRequest) -> PlanRequest {
    var request = request
    if request.resource == [:] { request.resource = resource }
    return request
  }

  private func start(_ request: PlanRequest, _ name: String) async throws -> Value {
    let spec = try await driver.plan(prepared(request))
    return try await driver.start(spec, token: token(name), secrets: [:])
  }

  private func settled(_ handle: Value) async throws -> Observation {
    try await observed(handle) { $0.state != .pending && $0.state != .running && $0.state != .unknown }
  }

  private func observed(_ handle: Value, _ isWanted: (Observation) -> Bool) async throws -> Observation {
    var last: Observation?
    for _ in 0..<Self.patience {
      let rows = try await driver.poll([handle])
      try expect(rows.count == 1, "one handle gave \(rows.count) rows")
      if isWanted(rows[0]) { return rows[0] }
      last = rows[0]
      await pause()
    }
    throw Violation(text: "it still says \(last?.state.rawValue ?? "nothing")")
  }

  private func read(_ handle: Value, from cursor: Value?) async throws -> String {
    var bytes: [UInt8] = []
    var cursor = cursor
    for _ in 0..<Self.patience {
      let chunk = try await driver.logs(handle, cursor: cursor)
      bytes += chunk.bytes
      cursor = chunk.cursor
      if chunk.isEnd { return String(decoding: bytes, as: UTF8.self) }
      if chunk.bytes.isEmpty { await pause() }
    }
    throw Violation(text: "the log never ends")
  }

  private func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws(Violation) {
    if !condition { throw Violation(text: text()) }
  }
}

extension DriverSuite {
  /// The resource of a queue that says nothing: the driver's own defaults.
  public static func resource(of declaration: DriverDeclaration) -> Value {
    Node.table([:], Origin(.driver(declaration.target)))
      .withDefaults(of: declaration.resource, driver: declaration.target).value
  }
}
