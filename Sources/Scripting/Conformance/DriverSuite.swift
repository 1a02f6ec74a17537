import Model
import Synchronization

/// What every driver must keep, tried on a real target: the same suite for the drivers that ship and for a stranger's.
/// Skips only what the driver does not declare, or what its fixture gives nothing for.
public struct DriverSuite: Sendable {
  public enum Outcome: Sendable, Hashable {
    case passed
    case skipped(String)
    case failed(String)
  }

  public struct Result: Sendable, Hashable {
    public var name: String
    public var outcome: Outcome
    public var seconds: Double
  }

  let driver: any Driver
  let fixture: Fixture
  let declaration: DriverDeclaration
  /// Folder in which programs start, on targets that run folders.
  let folder: String
  /// The driver as a new life of the agent has it: the same owner, and nothing that was kept in memory.
  let reborn: @Sendable () async throws -> any Driver
  /// The same plugin for an agent with another data folder.
  let other: any Driver
  /// Tells the suite's tokens from those of earlier tries.
  let mark: String
  /// Waits a moment between polls.
  let pause: @Sendable () async -> Void
  /// Everything that a case has started and not cleared away yet.
  let placed = Placed()

  /// Seconds for which something is waited for.
  let patience: Double
  /// A cluster may have to fetch an image first.
  public static let usualPatience = 180.0

  public init(
    _ driver: any Driver, _ declaration: DriverDeclaration, fixture: Fixture, folder: String, other: any Driver,
    mark: String, patience: Double = DriverSuite.usualPatience,
    reborn: @escaping @Sendable () async throws -> any Driver, pause: @escaping @Sendable () async -> Void
  ) {
    self.driver = driver
    self.declaration = declaration
    self.fixture = fixture
    self.folder = folder
    self.other = other
    self.mark = mark
    self.patience = patience
    self.reborn = reborn
    self.pause = pause
  }

  struct Violation: Error {
    var text: String
  }
  struct Skip: Error {
    var why: String
  }

  struct Case: Sendable {
    var name: String
    var needs: Capability?
    var body: @Sendable () async throws -> Void

    init(_ name: String, _ needs: Capability? = nil, _ body: @escaping @Sendable () async throws -> Void) {
      self.name = name
      self.needs = needs
      self.body = body
    }
  }

  var cases: [Case] { startCases + endingCases + pollCases + stopCases + logCases + traceCases + brokenCases }

  /// - Parameters:
  ///   - text: tries only the cases whose names have this in them.
  ///   - done: is told each result as it comes.
  @discardableResult
  public func run(only text: String = "", _ done: (Result) -> Void = { _ in }) async -> [Result] {
    var results: [Result] = []
    let lacks = await driver.probe().lacks
    for one in cases where text.isEmpty || one.name.contains(text) {
      let begun = ContinuousClock.now
      let outcome = await outcome(of: one, lacks)
      await placed.clear()
      let took = begun.duration(to: .now).components
      let seconds = Double(took.seconds) + Double(took.attoseconds) / 1e18
      results.append(Result(name: one.name, outcome: outcome, seconds: seconds))
      done(results[results.count - 1])
    }
    return results
  }

  private func outcome(of one: Case, _ lacks: Set<Capability>) async -> Outcome {
    if let needed = one.needs {
      if !driver.provides.contains(needed) { return .skipped("`\(needed)` is not declared") }
      if lacks.contains(needed) { return .skipped("the probe says that `\(needed)` is not to be had here") }
    }
    do {
      try await one.body()
      try await leavesNothing()
      return .passed
    } catch let violation as Violation {
      return .failed(violation.text)
    } catch let skip as Skip {
      return .skipped(skip.why)
    } catch let failure as DriverFailure {
      let detail = failure.detail.map { "\n\($0)" } ?? ""
      return .failed("\(failure.code.rawValue): \(failure.message)\(detail)")
    } catch {
      return .failed("\(error)")
    }
  }
}

/// What is on the target by the suite's doing: a case that fails must not leave its runs there.
final class Placed: Sendable {
  private let runs = Mutex<[(driver: any Driver, handle: Value)]>([])

  func add(_ driver: any Driver, _ handle: Value) { runs.withLock { $0.append((driver, handle)) } }
  func remove(_ handle: Value) { runs.withLock { $0.removeAll { $0.handle == handle } } }

  func clear() async {
    let left = runs.withLock { runs in
      defer { runs = [] }
      return runs
    }
    for (driver, handle) in left {
      try? await driver.stop(handle, StopOrder(grace: 0))
      try? await driver.forget(handle)
    }
  }
}

extension DriverSuite {
  // MARK: Steps that cases are made of

  func token(_ name: String) -> String { "\(mark)-\(name)" }

  /// A run of a program: what the agent would give `plan`.
  func request(
    _ program: SuiteProgram, _ name: String, over more: Value? = nil, image: String? = nil
  ) throws -> PlanRequest {
    var resource = Node(fixture.resource, Origin(.run))
    if let programs = fixture.programs {
      guard let own = programs[program.kind] else { throw Skip(why: "the fixture has no program `\(program.kind)`") }
      resource = resource.overlaid(with: Node(program.fill(own), Origin(.run)))
    }
    if let more { resource = resource.overlaid(with: Node(more, Origin(.run))) }
    resource = resource.withDefaults(of: declaration.resource, driver: declaration.target)
    if let misfit = declaration.resource.misfits(of: resource).first {
      throw Violation(text: "the fixture's resource does not fit: `\(misfit.path.text)`: \(misfit.sentence)")
    }
    let image = image ?? fixture.image
    let macros = ["run_id": mark, "run_name": "suite-run-1", "image_uri": image ?? "", "queue_name": "suite"]
    return PlanRequest(
      run: mark, name: "suite-run-1", attempt: 1, entity: "suite", project: "suite", queue: "suite", author: "suite",
      job: nil, entryPoint: fixture.shell, args: [program.script],
      environment: ["SUITE": Self.variable, "LUNAPORT_RUN_ID": mark], folder: image == nil ? folder : nil,
      image: image, resource: Macro.expand(resource.value, macros), timeout: 1_800)
  }

  /// What programs find in SUITE: everything that a shell or a document may trip over.
  static let variable = #"a "b" 'c' $HOME ${HOME} \n `d` %s ü=1;"#

  func plan(_ program: SuiteProgram, _ name: String, over more: Value? = nil) async throws -> Value {
    try await driver.plan(try request(program, name, over: more))
  }

  func start(_ program: SuiteProgram, _ name: String, over more: Value? = nil) async throws -> Value {
    try await start(try await plan(program, name, over: more), name)
  }

  func start(_ spec: Value, _ name: String, secrets: [String: Secret] = [:]) async throws -> Value {
    let handle = try await driver.start(spec, token: token(name), secrets: secrets)
    placed.add(driver, handle)
    // As the agent keeps it: it must be the same after it was on the disk.
    return try Value(json: handle.json())
  }

  func forget(_ handle: Value) async throws {
    try await driver.forget(handle)
    placed.remove(handle)
  }

  func row(_ handle: Value) async throws -> Observation {
    let rows = try await driver.poll([handle])
    guard rows.count == 1 else { throw Violation(text: "one handle gave \(rows.count) rows") }
    return rows[0]
  }

  func settled(_ handle: Value) async throws -> Observation {
    try await observed(handle, "it has not ended") { $0.state.isOver }
  }

  func running(_ handle: Value) async throws {
    let seen = try await observed(handle, "it does not run") { $0.state == .running || $0.state.isOver }
    try expect(seen.state == .running, "it never ran: it says \(Self.text(seen))")
  }

  func observed(
    _ handle: Value, _ what: String, _ isWanted: (Observation) -> Bool
  ) async throws -> Observation {
    var last: Observation?
    let end = ContinuousClock.now + .seconds(patience)
    while ContinuousClock.now < end {
      let row = try await row(handle)
      if isWanted(row) { return row }
      last = row
      await pause()
    }
    throw Violation(text: "\(what) after \(Int(patience)) s: \(last.map(Self.text) ?? "nothing")")
  }

  static func text(_ row: Observation) -> String {
    let parts = [
      row.exitCode.map { "exit code \($0)" }, row.signal.map { "signal \($0)" }, row.native, row.message,
    ]
    return ([row.state.rawValue] + parts.compactMap { $0 }).joined(separator: ", ")
  }

  func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws(Violation) {
    if !condition { throw Violation(text: text()) }
  }
}

extension Observation.State {
  /// The target is done with it.
  public var isOver: Bool {
    switch self {
    case .succeeded, .failed, .preempted, .lost: true
    case .pending, .running, .unknown: false
    }
  }
}
