import Model

extension DriverSuite {
  var stopCases: [Case] {
    [
      Case("stop ends a running program", .stop, stopRunning),
      Case("stop of an ended program is success and changes nothing", .stop, stopEnded),
      Case("stop of a run that is gone is success", .stop, stopGone),
      Case("a signal reaches the program", .signal, signal),
    ]
  }

  private func stopRunning() async throws {
    let handle = try await start(.stay, "stop")
    try await running(handle)
    try await driver.stop(handle, StopOrder(grace: 2))
    let seen = try await settled(handle)
    try expect(seen.state == .failed, "a stopped program says \(Self.text(seen))")
    try await forget(handle)
  }

  private func stopEnded() async throws {
    let handle = try await start(.finish("done"), "stopended")
    let before = try await settled(handle)
    try await driver.stop(handle, StopOrder(grace: 0))
    try await driver.stop(handle, StopOrder(grace: 2))
    let after = try await settled(handle)
    try expect(
      before.state == after.state && before.exitCode == after.exitCode,
      "stopping changed how it ended: \(Self.text(before)), then \(Self.text(after))")
    try await forget(handle)
  }

  private func stopGone() async throws {
    let handle = try await start(.finish("gone"), "stopgone")
    _ = try await settled(handle)
    try await forget(handle)
    try await driver.stop(handle, StopOrder(grace: 2))
  }

  private func signal() async throws {
    let handle = try await start(.trap, "signal")
    try await running(handle)
    // A signal that comes before the program has set its trap would end it.
    if driver.provides.contains(.logs) {
      try await printed(handle, "ready")
    }
    try await driver.signal(handle, 10)
    let seen = try await settled(handle)
    try expect(seen.exitCode == 7, "it says \(Self.text(seen)), not exit code 7")
    try await forget(handle)
  }
}
