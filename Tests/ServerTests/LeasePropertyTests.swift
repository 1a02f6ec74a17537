import Model
import Storage
import Synchronization
import Testing

@testable import Scripting
@testable import Server

/// Random queues, agents, runs, probes and edits: no lease goes to an agent that does not cover it, and an agent that
/// covers a waiting run and has room for it gets it.
struct LeasePropertyTests {
  /// An agent that asks for work again and again, and keeps what it gets until it is told to end it.
  private final class Worker: Sendable {
    let id: String
    let held = Mutex<[Lease]>([])
    /// Offers that it has now, or had just before.
    let offers: Mutex<[Offer]>
    let isClosed = Mutex(false)
    /// Room that its newest request speaks of.
    let asked = Mutex(0)
    static let roomMax = 5

    init(id: String, offer: Offer) {
      self.id = id
      offers = Mutex([offer])
    }

    var room: Int { Worker.roomMax - held.withLock { $0.count } }
  }

  private final class World: Sendable {
    let api: TestAPI
    let account = Account(name: "admin", role: .admin)
    let workers = Mutex<[Worker]>([])
    /// Generations that are in service now, or were just before.
    let generations: Mutex<[Configuration]>
    let wrong = Mutex<[String]>([])

    init(_ api: TestAPI) {
      self.api = api
      generations = Mutex([api.service.keeper.current])
    }

    func work(_ worker: Worker) async {
      while !worker.isClosed.withLock({ $0 }) {
        let room = worker.room
        worker.asked.withLock { $0 = room }
        guard
          let answer = try? await api.service.lease(
            LeaseRequest(room: room, wait: 50, seen: .max >> 11), agent: worker.id, by: account)
        else { return }
        for lease in answer.leases {
          let isCovered = generations.withLock { $0 }.contains { generation in
            guard let queue = generation.queues.values.first(where: { $0.name == lease.queue }) else { return false }
            return worker.offers.withLock { $0 }.contains { Coverage.covers(queue.needs + lease.spec.needs, $0) }
          }
          if !isCovered { wrong.withLock { $0.append("\(lease.run) went to \(worker.id), which does not cover it") } }
        }
        worker.held.withLock { $0 += answer.leases }
        await Task.yield()
      }
    }

    /// A waiting run that some agent with room covers.
    func neglected() async throws -> String? {
      let configuration = api.service.keeper.current
      let gates = try await api.service.store.gates()
      var live: [QueueID: Int] = [:]
      for count in try await api.service.store.counts(queue: nil) where count.state.isLeased {
        live[count.queue, default: 0] += count.count
      }
      let waiting = try await api.service.store.runs(RunFilter(states: [.queued]), after: nil, limit: 1_000).items
      for run in waiting {
        guard let queue = configuration.queues[run.queue], gates[run.queue] ?? .open != .paused else { continue }
        if let limit = queue.concurrency, live[run.queue] ?? 0 >= limit { continue }
        for worker in workers.withLock({ $0 }) where worker.room > 0 {
          guard let agent = api.service.roster[worker.id], agent.queues.contains(queue.name),
            Coverage.covers(queue.needs + run.spec.needs, agent.offer)
          else { continue }
          return "\(run.id) of \(queue.name) waits, and \(worker.id) has room for it"
        }
      }
      return nil
    }
  }

  private static func queues(_ random: inout Xorshift) -> [Queue] {
    (0..<4).map { index in
      var queue = Queue.test(
        "q\(index)", concurrency: Bool.random(using: &random) ? Int.random(in: 1...3, using: &random) : nil)
      queue.needs = Need.random(&random)
      return queue
    }
  }

  @Test(arguments: 1...12 as ClosedRange<UInt64>) func whoCoversARunGetsItAndNobodyElse(seed: UInt64) async throws {
    var random = Xorshift(seed)
    // Time stands still: nothing happens but what the test does, and no wait is saved by its end.
    let clock = ManualClock()
    try await TestAPI.with(Self.queues(&random), clock: clock.serverClock) { (api) async throws -> Void in
      for (name, requirements) in [("plain", nil), ("python", "requirements.txt")] {
        _ = try await api.service.store.createJobVersion(
          NewJobVersion(
            JobName(entity: "default", project: "p", name: name),
            source: Source(kind: .code, entryPoint: ["a"], requirements: requirements), digest: name, author: "admin"),
          now: 1)
      }
      let world = World(api)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for step in 0..<100 {
          try await act(world, &random, &group)
          try await api.eventually("step \(step): a run waits for an agent that waits for it") {
            try await world.neglected() == nil
          }
          world.generations.withLock { $0 = [api.service.keeper.current] }
          for worker in world.workers.withLock({ $0 }) {
            worker.offers.withLock { $0 = Array($0.suffix(1)) }
          }
        }
        for worker in world.workers.withLock({ $0 }) { worker.isClosed.withLock { $0 = true } }
        api.service.desk.close()
        try await group.waitForAll()
      }
      #expect(world.wrong.withLock { $0 } == [])
    }
  }

  /// One random thing that may happen to a server.
  private func act(_ world: World, _ random: inout Xorshift, _ group: inout ThrowingTaskGroup<Void, any Error>)
    async throws
  {
    let (service, account) = (world.api.service, world.account)
    let workers = world.workers.withLock { $0 }
    switch Int.random(in: 0..<8, using: &random) {
    case 0 where workers.count < 8, 1 where workers.isEmpty:
      var hello = AgentHello.test(
        "a\(workers.count)", queues: ["q0", "q1", "q2", "q3"].filter { _ in Bool.random(using: &random) },
        offer: .random(&random), allowPartial: true)
      if hello.queues.isEmpty { hello.queues = ["q0"] }
      let worker = Worker(id: try await service.register(hello, by: account).id, offer: hello.offer)
      world.workers.withLock { $0.append(worker) }
      group.addTask { await world.work(worker) }
    case 2:
      guard let worker = workers.randomElement(using: &random) else { return }
      let offer = Offer.random(&random)
      worker.offers.withLock { $0.append(offer) }
      _ = try await service.report(AgentReport(holding: [], offer: offer), from: worker.id, by: account)
    case 3:
      let (index, needs) = (Int.random(in: 0..<4, using: &random), Need.random(&random))
      world.api.configuration.change { $0.queues[QueueID(entity: "default", name: "q\(index)")]?.needs = needs }
      world.generations.withLock { $0.append(world.api.configuration.value) }
      _ = await service.reload()
    case 4:
      let id = QueueID(entity: "default", name: "q\(Int.random(in: 0..<4, using: &random))")
      _ = try await service.setGate(Bool.random(using: &random) ? .open : .paused, of: id, by: account)
    case 5, 6:
      guard let worker = workers.filter({ $0.room < Worker.roomMax }).randomElement(using: &random) else { return }
      let ended = worker.held.withLock { held in
        defer { held = [] }
        return held
      }
      let updates = ended.map { RunUpdate($0.holding, ending: Ending(.failed, .start), at: service.clock.now()) }
      _ = try await service.report(AgentReport(holding: [], updates: updates), from: worker.id, by: account)
      // Its request says how much room it had; a real agent asks again when that changes.
      while worker.asked.withLock({ $0 }) != worker.room {
        service.desk.end(service.desk.sit(agent: worker.id))
        await Task.yield()
      }
    default:
      let submissions = (0..<Int.random(in: 1...5, using: &random)).map { _ in
        Submission(
          job: "p/\(Bool.random(using: &random) ? "plain" : "python")",
          queue: "q\(Int.random(in: 0..<4, using: &random))")
      }
      _ = try await service.enqueue(submissions, by: account)
    }
  }
}
