import Model
import Testing

@testable import Scripting

/// The suite finds what it is there to find: a driver that breaks one promise fails in the case of that promise.
struct DriverSuiteTests {
  private static func suite(_ fault: MemoryDriver.Fault) throws -> DriverSuite {
    let store = MemoryTarget()
    var declaration = try #require(GeneratedTests.configuration().drivers["mock"])
    declaration.resource = Schema(.any)
    return DriverSuite(
      MemoryDriver(store: store, owner: "mine", fault: fault), declaration, fixture: MemoryDriver.fixture, folder: "/",
      other: MemoryDriver(store: store, owner: "theirs", fault: fault), mark: "t", patience: 1,
      reborn: { MemoryDriver(store: store, owner: "mine", fault: fault) },
      pause: { try? await Task.sleep(for: .milliseconds(1)) })
  }

  @Test func aDriverThatKeepsItsPromisesPasses() async throws {
    var skipped: [String] = []
    for result in try await Self.suite(.none).run() {
      switch result.outcome {
      case .passed: break
      case .skipped: skipped.append(result.name)
      case .failed(let why): Issue.record("\(result.name): \(why)")
      }
    }
    #expect(skipped.count == 6, "\(skipped)")
  }

  /// For each fault the beginning of the case that must find it.
  private static let found: [MemoryDriver.Fault: String] = [
    .startsAgain: "a second start", .startsAgainAtOnce: "five starts at once",
    .cutOffStartIsNotFound: "a start that was cut off", .findsNothing: "find gives", .findsByPrefix: "find gives",
    .wrongExitCode: "a program that fails is failed, with its exit code 255", .pollsOutOfOrder: "poll answers",
    .goneSucceeds: "poll of a run that is gone", .waitsInSilence: "a run that waits", .watchesNothing: "watch wakes",
    .stopChangesTheEnd: "stop of an ended", .stopOfGoneFails: "stop of a run that is gone",
    .losesLog: "a line of 100 KB", .repeatsLog: "a line of 100 KB", .cursorBreaks: "a line of 100 KB",
    .cutsLogs: "a line of 100 KB", .listsOthers: "list finds", .listsOnlyTheLiving: "list finds",
    .forgetsNothing: "forget is idempotent", .secretInHandle: "a secret", .secretInDocument: "a secret",
    .startsWithoutSecret: "a secret", .failsUnclearly: "a broken thing", .failsButStarts: "a broken thing",
    .planIsRandom: "plan is pure",
  ]

  @Test(arguments: MemoryDriver.Fault.allCases.filter { $0 != .none })
  func aBrokenPromiseIsFound(fault: MemoryDriver.Fault) async throws {
    let name = try #require(Self.found[fault])
    let results = try await Self.suite(fault).run(only: name)
    #expect(results.count == 1)
    for result in results {
      if case .failed = result.outcome { continue }
      Issue.record("\(result.name): \(result.outcome)")
    }
  }
}
