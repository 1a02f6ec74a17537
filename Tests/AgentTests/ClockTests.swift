import Model
import Testing

@testable import Agent

@Suite struct ClockTests {
  /// A run that may take a week is stopped after a week, and not when a sleep has had enough.
  @Test func aWaitOfDaysIsNotCutShort() {
    #expect(AgentClock.nap(7 * 86_400) == 7 * 86_400)
    #expect(AgentClock.nap(.infinity) == Double(Limits.durationSecondsMax))
    #expect(AgentClock.nap(-1) == 0)
  }
}
