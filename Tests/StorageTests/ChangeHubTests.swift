import Testing

@testable import Storage

@Suite struct ChangeHubTests {
  @Test func aSubscriberThatIsTooSlowIsToldThatItMissedSomethingAndOthersAreNot() async {
    let hub = ChangeHub()
    let slow = hub.subscribe()
    let quick = hub.subscribe()
    var iterator = quick.makeAsyncIterator()
    var heard = 0
    for number in 0..<100 {
      hub.publish((0..<1_000).map { .agent(id: "\(number)-\($0)") })
      let batch = await iterator.next()
      heard += batch?.count ?? 0
      #expect(batch?.contains(.overflow) == false)
    }
    #expect(heard == 100_000)
    hub.close()
    var missed: [Change] = []
    for await batch in slow { missed += batch }
    #expect(missed.first == .overflow)
    #expect(missed.filter { $0 == .overflow }.count == 1)
    #expect(missed.count <= StoreLimits.unreadChangesMax)
    #expect(missed.last == .agent(id: "99-999"))
  }

  @Test func aCancelledSubscriberIsWokenAndForgotten() async {
    let hub = ChangeHub()
    let stream = hub.subscribe()
    let reader = Task {
      var count = 0
      for await batch in stream { count += batch.count }
      return count
    }
    reader.cancel()
    let count = await reader.value
    hub.publish([.agent(id: "a")])
    #expect(count == 0)
  }
}
