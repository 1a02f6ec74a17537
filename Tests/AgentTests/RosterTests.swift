import AgentTesting
import Model
import Scripting
import Testing

@testable import Agent

@Suite struct RosterTests {
  private let roster = Roster(local: nil, clock: .system)

  private func charge(_ id: String) -> Charge {
    let run = Run(
      id: id, name: "n", entity: "e", project: "p", queue: QueueID(entity: "e", name: "q"), spec: .code("", []),
      author: "a", createdAt: 0)
    return Charge(Lease(run, now: 0), leaseEnd: 1_000)
  }

  @Test func aPlaceIsGivenBackOnceHoweverAnAttemptGoes() {
    let (ended, left, both) = (charge("aaaaaaaa"), charge("bbbbbbbb"), charge("cccccccc"))
    for charge in [ended, left, both] { #expect(roster.add(charge)) }
    #expect(roster.busy == 3)
    #expect(!roster.add(charge("aaaaaaaa")))
    #expect(roster.busy == 3)
    roster.finish(ended)
    roster.finish(ended)
    #expect(roster.busy == 2)
    roster.remove(left)
    roster.finish(both)
    roster.remove(both)
    #expect(roster.busy == 0)
    #expect(!roster.isEmpty)
  }

  @Test func whatEndedBeforeItWasTakenUpAgainTakesNoPlace() {
    let ended = charge("aaaaaaaa")
    _ = ended.finish()
    #expect(roster.add(ended))
    #expect(roster.busy == 0)
    roster.finish(ended)
    roster.remove(ended)
    #expect(roster.busy == 0)
    #expect(roster.isEmpty)
  }

  @Test(.timeLimit(.minutes(1))) func quietComesWhenTheLastPlaceIsFreeEvenWithoutAnEnd() async {
    // A clock that stands still: nobody stops waiting because it took too long.
    let clock = AgentClock(
      now: { 0 }, uptime: { 0 }, sleep: { _ in try await Task.sleep(for: .seconds(3_600)) }, random: { 0.5 },
      machineStart: "test")
    let roster = Roster(local: nil, clock: clock)
    let only = charge("aaaaaaaa")
    #expect(roster.add(only))
    // It waits when this returns.
    let waiting = Task.immediate { await roster.quiet() }
    roster.remove(only)
    await withTaskCancellationHandler {
      await waiting.value
    } onCancel: {
      waiting.cancel()
    }
    #expect(roster.busy == 0)
  }
}
