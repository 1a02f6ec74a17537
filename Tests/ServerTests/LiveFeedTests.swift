import Model
import Storage
import Testing

@testable import Server

struct LiveFeedTests {
  private func change(_ id: String, entity: String = "e") -> Change {
    .run(
      RunChange(
        id: id, entity: entity, project: "p", queue: QueueID(entity: entity, name: "q"), author: "a", from: nil,
        to: .queued, reason: nil, attempt: 0, agent: nil))
  }

  private func ids(_ news: LiveFeed.News?) -> [String] {
    guard case .items(let items)? = news else { return [] }
    return items.compactMap { if case .run(let run) = $0.change { run.id } else { nil } }
  }

  private func isReset(_ news: LiveFeed.News?) -> Bool { if case .reset? = news { true } else { false } }

  @Test func aWatcherHearsWhatItWantsInOrderAndEachThingOnce() async {
    let feed = LiveFeed(origin: "o")
    let watcher = feed.watch { if case .run(let run) = $0 { run.entity == "e" } else { false } }
    feed.publish([change("a"), change("b"), change("x", entity: "other"), change("a")])
    #expect(ids(await watcher.next()) == ["b", "a"])
    feed.forget(watcher)
    #expect(await watcher.next() == nil)
    #expect(feed.watchers == 0)
  }

  @Test func whoComesBackHearsWhatItMissed() async {
    let feed = LiveFeed(origin: "o")
    feed.publish([change("a"), change("b"), change("c")])
    #expect(ids(await feed.watch(after: feed.id(of: 1)) { _ in true }.next()) == ["b", "c"])
    let current = feed.watch(after: feed.id(of: 3)) { _ in true }
    feed.publish([change("d")])
    #expect(ids(await current.next()) == ["d"])
  }

  @Test(arguments: ["other-1", "o-99", "o-", "o", "o-1-2", ""]) func anIdThatIsNotKnownIsAReset(id: String) async {
    let feed = LiveFeed(origin: "o")
    feed.publish([change("a")])
    #expect(isReset(await feed.watch(after: id) { _ in true }.next()))
  }

  @Test func whatIsTooOldIsAReset() async {
    let feed = LiveFeed(origin: "o")
    for index in 0..<LiveFeed.rememberedMax + 10 { feed.publish([change("\(index % 7)")]) }
    #expect(isReset(await feed.watch(after: feed.id(of: 5)) { _ in true }.next()))
    #expect(!isReset(await feed.watch(after: feed.id(of: 10)) { _ in true }.next()))
  }

  @Test func aSlowWatcherIsBoundedAndTold() async {
    let feed = LiveFeed(origin: "o")
    let watcher = feed.watch { _ in true }
    for index in 0...LiveFeed.unreadMax { feed.publish([change("\(index)")]) }
    #expect(isReset(await watcher.next()))
    feed.publish([change("later")])
    #expect(ids(await watcher.next()) == ["later"])
  }

  @Test func whatTheStoreMissedIsAResetForAll() async {
    let feed = LiveFeed(origin: "o")
    let watcher = feed.watch { _ in false }
    feed.publish([.overflow])
    #expect(isReset(await watcher.next()))
  }

  @Test func closingEndsEveryWatch() async {
    let feed = LiveFeed(origin: "o")
    let watcher = feed.watch { _ in true }
    let waiting = Task { await watcher.next() == nil }
    feed.close()
    #expect(await waiting.value)
    #expect(await feed.watch { _ in true }.next() == nil)
  }
}
