import Client
import Model
import Testing

@testable import Agent

@Suite struct ReporterTests {
  /// A server that is away for days must not cost the agent's memory, whatever targets say meanwhile.
  @Test func newsThatNobodyTookYetIsReplacedByNewer() async throws {
    let server = FakeServer()
    let holding = Holding(run: "aaaaaaaa", attempt: 1, epoch: 1)
    await server.submit("aaaaaaaa", .code("", ["true"]))
    _ = try await server.register(AgentHello(name: "a", host: "h", queues: ["q"], maxJobs: 1, offer: Offer()))
    _ = try await server.lease("agent-1", LeaseRequest(room: 1, wait: 0, seen: 0))
    let session = Session(clock: .system, log: { _ in }, address: "memory")
    session.registered(as: "agent-1")
    let roster = Roster(local: nil, clock: .system)
    let reporter = Reporter(server, session, roster, clock: .system, log: { _ in })
    for number in 0..<1_000 {
      reporter.send(RunUpdate(holding, state: .starting, message: "try \(number)", at: 1))
    }
    for number in 0..<1_000 {
      reporter.send(RunUpdate(holding, state: .running, message: number == 0 ? nil : "step \(number)", at: 2))
    }
    let life = Task { await reporter.run() }
    #expect(await reporter.settle([RunUpdate(holding, ending: .exited(3), at: 3)]) == .taken)
    life.cancel()
    await life.value
    #expect(await server.taken.map(\.message) == ["try 999", "step 999", nil])
    #expect(await server.taken.map(\.state) == [.starting, .running, nil])
  }

  /// Words that are not the server's own say nothing of runs.
  @Test(arguments: [400, 403, 404, 408, 413, 429, 500, 502])
  func aProxysWordsAreNoRefusal(_ status: Int) {
    let error = APIError.unreadable(method: "POST", url: "http://h", status: status, fact: "a page")
    guard case .unreachable = ConnectionFailure(error, missing: .unknownAgent) else {
      Issue.record("\(status) is taken for the server's word")
      return
    }
    if case .unreachable = ConnectionFailure(error, isFinal: true) {
      #expect([408, 429, 500, 502].contains(status))
    } else {
      #expect([400, 403, 404, 413].contains(status))
    }
    let own = APIError.refused(status: 404, ErrorView.Body(code: "not_found", message: "there is no agent"))
    guard case .unknownAgent = ConnectionFailure(own, missing: .unknownAgent) else {
      Issue.record("the server's own word is not heard")
      return
    }
  }
}
