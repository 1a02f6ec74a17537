import Testing

@testable import Snapshot

@Suite struct WildcardTests {
  @Test func patternsThatMakeMatchersExplodeDoNot() {
    let pattern = Array(String(repeating: "*a", count: 60).utf8)[...]
    let text = Array((String(repeating: "a", count: 4_000) + "b").utf8)[...]
    let start = ContinuousClock.now
    #expect(!Wildcard(pattern).matches(text))
    #expect(ContinuousClock.now - start < .seconds(10), "took \(ContinuousClock.now - start)")
  }
}
