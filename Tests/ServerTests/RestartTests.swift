import FoundationEssentials
import Model
import Storage
import Testing

@testable import Server

struct RestartTests {
  /// A server that comes back after longer than a lease holds has renewed nothing meanwhile, and nobody is to blame.
  @Test func aServerThatWasAwayForLongTakesNoRunForLostUntilItsAgentHadTimeToSpeak() async throws {
    let folder = try TestAPI.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clock = ManualClock()
    let configuration = TestConfiguration([.test()])
    func service() async throws -> Service {
      let service = Service(
        store: try SQLiteStore(folder: folder), blobs: try FolderBlobs(folder: "\(folder)/blobs"),
        logs: try FolderRunLogs(folder: "\(folder)/logs"), source: configuration.source, hooks: nil,
        clock: clock.serverClock, identity: .random, log: { _ in })
      try await service.start()
      return service
    }
    let first = try await service()
    let account = Account(name: "admin", role: .admin, entities: ["default"])
    let agent = try await first.register(.test(), by: account)
    let spec = RunSpec(
      job: nil, source: Source(kind: .code, manifest: "00", entryPoint: ["a.py"]), overrides: Overrides(),
      target: "process", resource: [:], needs: [], timeout: nil, grace: 10, retriesLost: false, generation: 1)
    let queue = QueueID(entity: "default", name: "q")
    let run = try await first.store.enqueue(
      [
        NewRun(
          Run(
            id: "", name: "", entity: "default", project: "p", queue: queue, spec: spec, priority: .medium,
            author: "admin", retry: .never, createdAt: clock.now))
      ], identity: .random, now: clock.now
    )[0].run
    let lease = try await first.lease(LeaseRequest(room: 1, wait: 0, seen: 0), agent: agent.id, by: account).leases[0]
    func report(_ service: Service, _ updates: [RunUpdate] = []) async throws {
      _ = try await service.report(
        AgentReport(holding: [lease.holding], updates: updates), from: agent.id, by: account)
    }
    try await report(
      first, [RunState.starting, .running].map { RunUpdate(lease.holding, state: $0, at: clock.now) })
    await first.stopLeasing()
    await first.close()

    clock.advance(by: 10 * Limits.leaseSeconds)
    let second = try await service()
    clock.advance(by: Limits.leaseSeconds - 1)
    #expect(try await second.store.lapse(now: clock.now).changes.isEmpty)
    try await report(second)
    clock.advance(by: Limits.leaseSeconds - 1)
    #expect(try await second.store.lapse(now: clock.now).changes.isEmpty)
    // Then the usual holds.
    clock.advance(by: 1)
    _ = try await second.store.lapse(now: clock.now)
    #expect(try await second.store.run(run.id)?.state == .lost)
    await second.stopLeasing()
    await second.close()
  }
}
