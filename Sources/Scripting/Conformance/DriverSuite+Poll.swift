import Model
import Synchronization

extension DriverSuite {
  /// Handles of one call: what an agent with many runs asks for.
  private static let handleCount = 200
  /// Seconds in which news of a change should come; a poll would see it in that time, too.
  private static let newsSeconds = 30.0
  /// Seconds that such a call may take: one conversation a handle takes longer on any target.
  private static let pollSeconds = 10.0

  var pollCases: [Case] {
    [
      Case("poll answers \(Self.handleCount) handles in order, in one call of \(Int(Self.pollSeconds)) s at most") {
        try await pollMany()
      },
      Case("poll of a run that is gone says lost or unknown", nil, pollGone),
      Case("a run that waits says why", nil, pending),
      Case("stats answer a row for each handle", .stats, stats),
      Case("watch wakes the agent when a run starts and when it ends", .watch, watch),
    ]
  }

  private func pollMany() async throws {
    let codes = [0, 7, 4, 0, 11]
    var handles: [Value] = []
    for (index, code) in codes.enumerated() {
      handles.append(try await start(.finish("n", code: code), "many\(index)"))
    }
    for handle in handles { _ = try await settled(handle) }
    let all = (0..<Self.handleCount).map { handles[$0 % handles.count] }
    let begun = ContinuousClock.now
    let rows = try await driver.poll(all)
    let took = begun.duration(to: .now)
    let wanted = (0..<Self.handleCount).map { codes[$0 % codes.count] }
    try expect(rows.map { $0.exitCode ?? -1 } == wanted, "exit codes came back as \(rows.prefix(10).map(Self.text))...")
    try expect(took < .seconds(Self.pollSeconds), "it took \(took)")
    for handle in handles { try await forget(handle) }
  }

  private func pollGone() async throws {
    let gone = try await start(.finish("gone"), "gone")
    let there = try await start(.finish("there"), "there")
    _ = try await settled(gone)
    _ = try await settled(there)
    try await forget(gone)
    let rows = try await driver.poll([there, gone])
    try expect(rows.count == 2, "two handles gave \(rows.count) rows")
    try expect(rows[1].state == .lost || rows[1].state == .unknown, "it says \(Self.text(rows[1]))")
    try expect(rows[0].state == .succeeded, "the run beside it says \(Self.text(rows[0]))")
    try await forget(there)
  }

  private func pending() async throws {
    guard let pending = fixture.pending else { throw Skip(why: "the fixture gives no `pending`") }
    let handle = try await start(.finish("pending"), "pending", over: pending)
    let seen = try await observed(handle, "it does not say why it waits") {
      $0.state.isOver || ($0.state == .pending && $0.message?.isEmpty == false)
    }
    try expect(seen.state == .pending, "it says \(Self.text(seen))")
    if driver.provides.contains(.stop) {
      try await driver.stop(handle, StopOrder(grace: 1))
      let stopped = try await settled(handle)
      try expect(stopped.state != .succeeded, "stopped while it waited, it says \(Self.text(stopped))")
    }
    try await forget(handle)
  }

  private func stats() async throws {
    let handle = try await start(.stay, "stats")
    try await running(handle)
    let rows = try await driver.stats([handle])
    try expect(rows.count == 1, "one handle gave \(rows.count) rows")
    if let row = rows[0] {
      try expect((row.cpu ?? 0) >= 0 && (row.memory ?? 0) >= 0, "it says \(row)")
    }
    try await driver.stop(handle, StopOrder(grace: 0))
    _ = try await settled(handle)
    let after = try await driver.stats([handle])
    try expect(after.count == 1, "one handle that has ended gave \(after.count) rows")
    try await forget(handle)
  }

  private func watch() async throws {
    let wakes = Wakes()
    let watching = Task { try await driver.watch { wakes.add() } }
    defer { watching.cancel() }
    // Until its connection stands it hears of nothing.
    for _ in 0..<10 { await pause() }
    let handle = try await start(.stay, "watch")
    try await running(handle)
    try await heard(wakes, more: 0, "nothing was heard of its start")
    // What belongs to the start may still come.
    for _ in 0..<10 { await pause() }
    let before = wakes.count
    try await driver.stop(handle, StopOrder(grace: 0))
    try await heard(wakes, more: before, "nothing was heard of its end")
    watching.cancel()
    _ = try? await watching.value
    _ = try await settled(handle)
    try await forget(handle)
  }

  private func heard(_ wakes: Wakes, more before: Int, _ otherwise: String) async throws {
    let end = ContinuousClock.now + .seconds(min(patience, Self.newsSeconds))
    while wakes.count <= before {
      try expect(ContinuousClock.now < end, "\(otherwise) within \(Int(Self.newsSeconds)) s")
      await pause()
    }
  }
}

/// Counts how often a driver's `watch` wakes.
private final class Wakes: Sendable {
  private let counted = Mutex(0)
  var count: Int { counted.withLock { $0 } }
  func add() { counted.withLock { $0 += 1 } }
}
