import Model

extension DriverSuite {
  var endingCases: [Case] {
    [
      Case("a program that ends well is succeeded, with exit code 0", nil) { try await ends(0, .succeeded) },
      Case("a program that fails is failed, with its exit code 3", nil) { try await ends(3, .failed) },
      Case("a program that fails is failed, with its exit code 255", nil) { try await ends(255, .failed) },
      Case("a program that is killed is failed, with exit code 137 or the signal", nil, killed),
      Case("a program that takes more memory than it may is out of memory", .memoryLimit, outOfMemory),
    ]
  }

  private func ends(_ code: Int, _ state: Observation.State) async throws {
    let handle = try await start(.finish("ok", code: code), "end\(code)")
    let seen = try await settled(handle)
    try expect(seen.state == state, "it says \(Self.text(seen))")
    try expect(seen.exitCode == code, "its exit code is \(seen.exitCode.map(String.init) ?? "missing"), not \(code)")
    try expect(seen.signal == nil && !seen.outOfMemory, "it says \(Self.text(seen))")
    try await forget(handle)
  }

  private func killed() async throws {
    let handle = try await start(.killed, "killed")
    let seen = try await settled(handle)
    try expect(seen.state == .failed && (seen.exitCode == 137 || seen.signal == 9), "it says \(Self.text(seen))")
    try await forget(handle)
  }

  private func outOfMemory() async throws {
    guard let memory = fixture.memory else { throw Skip(why: "the fixture gives no `memory`") }
    let handle = try await start(.other("memory", memory.script), "memory", over: memory.resource)
    let seen = try await settled(handle)
    try expect(seen.state == .failed && seen.outOfMemory, "it says \(Self.text(seen)), not out of memory")
    try await forget(handle)
  }
}
