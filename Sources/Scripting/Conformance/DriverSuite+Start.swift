import Model

extension DriverSuite {
  var startCases: [Case] {
    [
      Case("the probe says that the target is healthy", nil, probe),
      Case("plan is pure: the same request gives the same document", nil, planIsPure),
      Case("a second start with the same token gives the same handle, also after the end", nil, startTwice),
      Case("five starts at once with one token make one run", nil, startFiveTimes),
      Case("a start that was cut off is found or can be done again, and makes one run", nil, startCutOff),
      Case(
        "find gives a start to a driver that has just been loaded, and nothing for a token never started", nil, find),
    ]
  }

  private func probe() async throws {
    let probe = await driver.probe()
    try expect(probe.health == .healthy, "it says \(probe.health.rawValue): \(probe.detail)")
  }

  private func planIsPure() async throws {
    let request = try request(.finish("x"), "plan")
    let first = try await driver.plan(request)
    let second = try await reborn().plan(request)
    try expect(first == second, "two calls gave \(first.json()) and \(second.json())")
  }

  private func startTwice() async throws {
    let spec = try await plan(.finish("once"), "twice")
    let first = try await start(spec, "twice")
    let second = try await start(spec, "twice")
    try expect(first == second, "the second start gave another handle: \(second.json())")
    _ = try await settled(first)
    let third = try await start(spec, "twice")
    try expect(first == third, "after the end the same token started something new: \(third.json())")
    try await isOne("twice", first)
    try await forget(first)
  }

  private func startFiveTimes() async throws {
    let spec = try await plan(.finish("five"), "five")
    let handles = try await withThrowingTaskGroup(of: Value.self) { group in
      for _ in 0..<5 { group.addTask { try await start(spec, "five") } }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    try expect(handles.count == 1, "they gave \(handles.count) different handles")
    guard let handle = handles.first else { return }
    try await isOne("five", handle)
    let seen = try await settled(handle)
    try expect(seen.state == .succeeded, "it says \(Self.text(seen))")
    try await forget(handle)
  }

  private func startCutOff() async throws {
    let spec = try await plan(.finish("cut"), "cut")
    // At different moments of its conversation with the target.
    for (number, milliseconds) in [0, 2, 10, 50].enumerated() {
      let name = "cut\(number)"
      let cut = Task { try await driver.start(spec, token: token(name), secrets: [:]) }
      try? await Task.sleep(for: .milliseconds(milliseconds))
      cut.cancel()
      _ = try? await cut.value
      let later = try await reborn()
      var handle = try await later.find(token: token(name))
      if handle == nil { handle = try await later.start(spec, token: token(name), secrets: [:]) }
      guard let handle else { return }
      placed.add(driver, handle)
      try await isOne(name, handle)
      let seen = try await settled(handle)
      try expect(seen.state == .succeeded, "cut off after \(milliseconds) ms, it says \(Self.text(seen))")
      try await forget(handle)
    }
  }

  private func find() async throws {
    let handle = try await start(.finish("found"), "find")
    let later = try await reborn()
    let found = try await later.find(token: token("find"))
    try expect(found == handle, "find gave \(found?.json() ?? "nothing"), not \(handle.json())")
    let none = try await later.find(token: token("never"))
    try expect(none == nil, "a token that was never started was found: \(none?.json() ?? "")")
    // One that begins like another is another.
    let like = try await later.find(token: token("fin"))
    try expect(like == nil, "the beginning of a token was found as the whole")
    _ = try await settled(handle)
    let after = try await later.find(token: token("find"))
    try expect(after == handle, "after the end find gave \(after?.json() ?? "nothing")")
    try await forget(handle)
  }

  /// Of this token there is one run on the target, as far as the driver can be asked.
  func isOne(_ name: String, _ handle: Value) async throws {
    let found = try await driver.find(token: token(name))
    try expect(found == handle, "find gave \(found?.json() ?? "nothing"), not \(handle.json())")
    guard driver.provides.contains(.list) else { return }
    let count = try await driver.list().count { $0.token == token(name) }
    try expect(count == 1, "the target lists \(count) runs of this token")
  }
}
