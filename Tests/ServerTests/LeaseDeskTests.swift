import Model
import Testing

@testable import Server

/// The desk alone: who is woken, who is not, and that nothing that can be leased is forgotten.
struct LeaseDeskTests {
  let desk = LeaseDesk()
  let queue = QueueID(entity: "e", name: "q")
  let other = QueueID(entity: "e", name: "other")
  let gpu = Need(.capability(.gpu, target: "process"), why: "w")

  /// An agent that looked into the store, found nothing, and sleeps.
  private func sleeper(
    _ agent: String, room: Int = 1, queues: [QueueID]? = nil, _ capabilities: Set<Capability> = []
  ) async -> (ticket: LeaseDesk.Ticket, wake: Task<LeaseDesk.Wake, Never>) {
    let ticket = desk.sit(agent: agent)
    desk.look(ticket, room: room, queues: queues ?? [queue], reach: Reach(.process(capabilities)))
    desk.settle(ticket, got: [])
    let before = desk.sleepers
    let task = Task { await desk.sleep(ticket) }
    while desk.sleepers == before { try? await Task.sleep(for: .milliseconds(1)) }
    return (ticket, task)
  }

  @Test func oneRunWakesTheOneThatSleptLongest() async {
    let first = await sleeper("a")
    _ = await sleeper("b")
    desk.arrived(1, in: queue, needs: [])
    #expect(await first.wake.value == .work)
    #expect(desk.sleepers == 1)
    desk.close()
  }

  @Test func aRunWakesNobodyWhoDoesNotCoverIt() async {
    _ = await sleeper("plain")
    let able = await sleeper("able", [.gpu])
    desk.arrived(1, in: queue, needs: [gpu])
    #expect(await able.wake.value == .work)
    #expect(desk.sleepers == 1)
    desk.close()
  }

  @Test func roomForManyTakesManyAndTheRestGoesOn() async {
    let big = await sleeper("big", room: 3)
    let small = await sleeper("small")
    _ = await sleeper("third")
    desk.arrived(4, in: queue, needs: [])
    #expect(await big.wake.value == .work)
    #expect(await small.wake.value == .work)
    #expect(desk.sleepers == 1)
    desk.close()
  }

  @Test func whoFilledItsRoomElsewhereHandsTheRunOn() async {
    let first = await sleeper("a", queues: [queue, other])
    let second = await sleeper("b")
    desk.arrived(1, in: queue, needs: [])
    #expect(await first.wake.value == .work)
    desk.settle(first.ticket, got: [(other, [])])
    #expect(await second.wake.value == .work)
  }

  /// The store gives the oldest run first, which need not be the one that it was woken for.
  @Test func whoFilledItsRoomWithARunOfLesserNeedsHandsTheRunOn() async {
    let first = await sleeper("a", [.gpu])
    let second = await sleeper("b", [.gpu])
    desk.arrived(1, in: queue, needs: [gpu])
    #expect(await first.wake.value == .work)
    desk.settle(first.ticket, got: [(queue, [])])
    #expect(desk.sleepers == 0)
    #expect(await second.wake.value == .work)
  }

  @Test func whoLeavesHandsTheRunOn() async {
    let first = await sleeper("a")
    let second = await sleeper("b")
    desk.arrived(1, in: queue, needs: [])
    #expect(await first.wake.value == .work)
    desk.leave(first.ticket)
    #expect(await second.wake.value == .work)
  }

  @Test func whoNoLongerPollsTheQueueHandsTheRunOn() async {
    let first = await sleeper("a")
    let second = await sleeper("b")
    desk.arrived(1, in: queue, needs: [])
    #expect(await first.wake.value == .work)
    desk.look(first.ticket, room: 1, queues: [other], reach: Reach(.process()))
    desk.settle(first.ticket, got: [])
    #expect(await second.wake.value == .work)
  }

  @Test func whoFoundTheRunTakenWakesNobodyInVain() async {
    let first = await sleeper("a")
    _ = await sleeper("b")
    desk.arrived(1, in: queue, needs: [])
    #expect(await first.wake.value == .work)
    desk.settle(first.ticket, got: [])
    #expect(desk.sleepers == 1)
    desk.close()
  }

  /// A place in a full queue became free: what waits there is not known, so each kind of agent looks once.
  @Test func aFreePlaceIsOfferedToEachReachOnce() async {
    let plain = await sleeper("plain")
    _ = await sleeper("plain too")
    let able = await sleeper("able", [.gpu])
    desk.arrived(1, in: queue, needs: nil)
    #expect(await plain.wake.value == .work)
    desk.settle(plain.ticket, got: [])
    #expect(await able.wake.value == .work)
    desk.settle(able.ticket, got: [])
    #expect(desk.sleepers == 1)
    desk.close()
  }

  @Test func aRunThatComesDuringALookIsNotMissed() async {
    let ticket = desk.sit(agent: "a")
    desk.look(ticket, room: 1, queues: [queue], reach: Reach(.process()))
    desk.arrived(1, in: queue, needs: [])
    desk.settle(ticket, got: [])
    #expect(await desk.sleep(ticket) == .work)
  }

  @Test func newsDuringALookIsNotMissed() async {
    let ticket = desk.sit(agent: "a")
    desk.look(ticket, room: 0, queues: [], reach: Reach(.process()))
    desk.news(for: "a")
    #expect(await desk.sleep(ticket) == .news)
  }

  @Test func aNewRequestOfAnAgentEndsItsOldOne() async {
    let old = await sleeper("a")
    _ = desk.sit(agent: "a")
    #expect(await old.wake.value == .over)
  }

  @Test func cancellationAndClosingEndSleeps() async {
    let first = await sleeper("a")
    let second = await sleeper("b")
    first.wake.cancel()
    #expect(await first.wake.value == .over)
    desk.close()
    #expect(await second.wake.value == .over)
    let late = desk.sit(agent: "c")
    #expect(await desk.sleep(late) == .over)
  }

  @Test func noRoomMeansOrdersOnly() async {
    let idle = await sleeper("a", room: 0)
    desk.arrived(1, in: queue, needs: [])
    #expect(desk.sleepers == 1)
    desk.news(for: "a")
    #expect(await idle.wake.value == .news)
  }

  @Test func tenThousandSleepersAndOneRunEachWakeOneEach() async {
    var tasks: [Task<LeaseDesk.Wake, Never>] = []
    let count = 10_000
    for index in 0..<count {
      let ticket = desk.sit(agent: "a\(index)")
      desk.look(ticket, room: 1, queues: [queue, other], reach: Reach(.process()))
      tasks.append(Task { await desk.sleep(ticket) })
    }
    while desk.sleepers < count { try? await Task.sleep(for: .milliseconds(1)) }
    for _ in 0..<count / 2 { desk.arrived(1, in: queue, needs: []) }
    desk.arrived(count / 2, in: other, needs: [])
    for task in tasks { #expect(await task.value == .work) }
    #expect(desk.sleepers == 0)
  }
}

/// `Reach` is a shorter way to ask what `Coverage` says; the two must never differ.
struct ReachTests {
  @Test(arguments: 0..<50) func aReachCoversWhatTheCheckCovers(seed: UInt64) {
    var random = Xorshift(seed)
    for _ in 0..<200 {
      let offer = Offer.random(&random)
      let needs = Need.random(&random)
      #expect(Reach(offer).covers(needs) == Coverage.covers(needs, offer))
    }
  }
}

/// Random numbers that are the same each time.
struct Xorshift: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

extension Offer {
  static func random(_ random: inout Xorshift) -> Offer {
    var drivers: [Driver] = []
    for target in ["process", "slurm"] where Int.random(in: 0..<4, using: &random) > 0 {
      let provides = [Capability.codeSource, .stop, .gpu, .secrets].filter { _ in
        Int.random(in: 0..<4, using: &random) > 0
      }
      drivers.append(
        .init(
          target: target, version: "1", provides: Set(provides),
          probe: Probe(Int.random(in: 0..<5, using: &random) > 0 ? .healthy : .unhealthy, detail: "\(random.next())")))
    }
    var builders: [Builder] = []
    for name in ["venv", "conda"] where Bool.random(using: &random) {
      builders.append(
        .init(
          name: name, sources: [.code], targets: Bool.random(using: &random) ? ["process"] : ["slurm"],
          probe: Probe(Int.random(in: 0..<5, using: &random) > 0 ? .healthy : .undetected)))
    }
    return Offer(drivers: drivers, builders: builders)
  }
}

extension Need {
  static func random(_ random: inout Xorshift) -> [Need] {
    let target = Bool.random(using: &random) ? "process" : "slurm"
    var needs = [Need(.driver(target: target), why: "w")]
    for capability in [Capability.gpu, .stop] where Int.random(in: 0..<3, using: &random) == 0 {
      needs.append(Need(.capability(capability, target: target), why: "w"))
    }
    if Int.random(in: 0..<4, using: &random) == 0 {
      let name = [nil, "venv", "conda"].randomElement(using: &random) ?? nil
      needs.append(Need(.builder(source: .code, target: target, name: name), why: "w"))
    }
    return needs
  }
}
