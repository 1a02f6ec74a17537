import Model

extension DriverSuite {
  /// Seconds in which what was forgotten should be gone.
  private static let clearingSeconds = 30.0

  var traceCases: [Case] {
    [
      Case("list finds what was started, and nothing that another agent has started", .list, list),
      Case("forget is idempotent and leaves nothing", nil, forgetTwice),
      Case("a secret reaches the program, and is in no document, handle or log", .secrets, secrets),
    ]
  }

  /// What cannot start: a case for each that the fixture gives.
  var brokenCases: [Case] {
    fixture.broken.enumerated().map { index, broken in
      Case("\(broken.name): a clear failure that leaves nothing behind") { try await fails(broken, "broken\(index)") }
    }
  }

  private func list() async throws {
    let ended = try await start(.finish("listed"), "listended")
    _ = try await settled(ended)
    let live = try await start(.stay, "listlive")
    try await running(live)
    let spec = try await other.plan(try request(.finish("others"), "listother"))
    let foreign = try await other.start(spec, token: token("listother"), secrets: [:])
    placed.add(other, foreign)

    let found = try await reborn().list()
    let mine = Dictionary(found.map { ($0.token, $0.handle) }, uniquingKeysWith: { first, _ in first })
    try expect(mine[token("listended")] == ended, "one that has ended is listed as \(found.map(\.token))")
    try expect(mine[token("listlive")] == live, "one that runs is listed as \(found.map(\.token))")
    try expect(mine[token("listother")] == nil, "another agent's run is listed")
    let theirs = try await other.list().map(\.token)
    try expect(theirs == [token("listother")], "the other agent lists \(theirs)")

    try await driver.stop(live, StopOrder(grace: 0))
    _ = try await settled(live)
    try await forget(live)
    try await forget(ended)
    try await other.stop(foreign, StopOrder(grace: 0))
    try await other.forget(foreign)
    placed.remove(foreign)
    let left = try await driver.list().map(\.token).filter { $0.hasPrefix(mark) }
    try expect(left.isEmpty, "after all was forgotten it lists \(left)")
  }

  private func forgetTwice() async throws {
    let handle = try await start(.finish("f"), "forget")
    _ = try await settled(handle)
    try await driver.forget(handle)
    try await driver.forget(handle)
    try await isGone("forget")
    placed.remove(handle)
  }

  /// Nothing is left of all that a case has started, as far as the driver can be asked.
  func leavesNothing() async throws {
    guard driver.provides.contains(.list) else { return }
    let end = ContinuousClock.now + .seconds(min(patience, Self.clearingSeconds))
    while true {
      let left = try await driver.list()
      if left.isEmpty { return }
      if ContinuousClock.now > end {
        for one in left { placed.add(driver, one.handle) }
        throw Violation(text: "it leaves on the target: \(left.map(\.token).joined(separator: ", "))")
      }
      await pause()
    }
  }

  /// The target has nothing of a token any more. Some clear away in their own time.
  private func isGone(_ name: String) async throws {
    let end = ContinuousClock.now + .seconds(min(patience, Self.clearingSeconds))
    while true {
      let found = try await driver.find(token: token(name))
      let listed =
        driver.provides.contains(.list) ? try await driver.list().contains { $0.token == token(name) } : false
      if found == nil, !listed { return }
      try expect(ContinuousClock.now < end, "the target still has \(found?.json() ?? "it in its list")")
      await pause()
    }
  }

  private func secrets() async throws {
    guard let resource = fixture.secrets else { throw Skip(why: "the fixture gives no `secrets`") }
    // Its middle stands nowhere else; its ends are in the script.
    let hidden = "hidden\(mark)"
    let text = "sEcReT-\(hidden)-\"q'$x\\-tErCeS"
    let program = SuiteProgram.secret(begins: "sEcReT-", ends: "-tErCeS")
    let spec = try await plan(program, "secret", over: resource)
    try expect(!spec.json().contains(hidden), "the document that plan made has it")
    try expect(spec.json().contains("$secret"), "the document that plan made does not name the secret")
    let handle = try await start(spec, "secret", secrets: ["suite": Secret(name: "suite", text: text)])
    try expect(!handle.json().contains(hidden), "the handle has it")
    let seen = try await settled(handle)
    try expect(!Self.text(seen).contains(hidden), "poll tells it")
    if driver.provides.contains(.logs) {
      let log = String(decoding: try await read(handle).bytes, as: UTF8.self)
      try expect(!log.contains(hidden), "the log has it: \(log.debugDescription)")
      try expect(log.contains("has-it"), "the program did not get it: it printed \(log.debugDescription)")
    }
    try await forget(handle)
    do throws(DriverFailure) {
      let handle = try await driver.start(spec, token: token("nosecret"), secrets: [:])
      placed.add(driver, handle)
      throw DriverFailure(.bug, "it was started without its secret")
    } catch {
      try expect(error.code == .configInvalid, "without the secret: \(error.code.rawValue): \(error.message)")
      try expect(error.message.contains("suite"), "the failure does not name the secret: \(error.message)")
    }
    try await isGone("nosecret")
  }

  private func fails(_ broken: Fixture.Broken, _ name: String) async throws {
    let request = try request(.finish("broken"), name, over: broken.resource, image: broken.image)
    let handle: Value
    do throws(DriverFailure) {
      handle = try await driver.start(try await driver.plan(request), token: token(name), secrets: [:])
    } catch {
      guard let code = broken.code else { throw error }
      try expect(
        error.code.rawValue == code, "it fails with \(error.code.rawValue), not \(code): \(error.message)")
      try expect(error.message.count > 8, "its failure does not say what is wrong: \(error.message)")
      try expect(error.retry == .never, "its failure asks for another try, which would come out the same")
      return try await isGone(name)
    }
    placed.add(driver, handle)
    guard let state = broken.state else { throw Violation(text: "it started") }
    let seen = try await observed(handle, "it is not \(state)") { $0.state.isOver || $0.state.rawValue == state }
    try expect(seen.state.rawValue == state, "it says \(Self.text(seen)), not \(state)")
    try expect((seen.message ?? "").count > 8, "it does not say what is wrong: \(Self.text(seen))")
    if !seen.state.isOver { try await driver.stop(handle, StopOrder(grace: 0)) }
    try await forget(handle)
    try await isGone(name)
  }
}
