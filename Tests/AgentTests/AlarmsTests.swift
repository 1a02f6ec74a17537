import Testing

@testable import Agent

@Suite struct AlarmsTests {
  private let alarms = Alarms()

  @Test func nobodyWakesTooSoonOrIsForgotten() async throws {
    let clock = ContinuousClock()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for index in 0..<500 {
        let seconds = Double(index * 7919 % 50) / 1_000
        group.addTask {
          let begin = clock.now
          try await alarms.sleep(seconds)
          return clock.now - begin >= .seconds(seconds)
        }
      }
      for try await isLate in group { #expect(isLate) }
    }
  }

  @Test func aSoonerSleepDoesNotWaitForALaterOne() async throws {
    let later = Task { try await alarms.sleep(3_600) }
    // Whichever of the two is there first.
    for _ in 0..<20 { try await alarms.sleep(0.001) }
    later.cancel()
    await #expect(throws: CancellationError.self) { try await later.value }
  }

  @Test func cancellationEndsTheSleepOfOneAlone() async throws {
    try await withThrowingTaskGroup(of: Int.self) { group in
      let cancelled = (0..<100).map { _ in Task { try await alarms.sleep(0.02) } }
      for index in 0..<100 {
        group.addTask {
          try await alarms.sleep(0.02)
          return index
        }
      }
      for task in cancelled { task.cancel() }
      for task in cancelled { await #expect(throws: CancellationError.self) { try await task.value } }
      var woken: [Int] = []
      for try await index in group { woken.append(index) }
      #expect(woken.sorted() == Array(0..<100))
    }
  }

  @Test func aTaskThatIsCancelledAlreadyDoesNotSleep() async throws {
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      try await alarms.sleep(3_600)
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
