import Testing

@testable import Storage

@Test func seed() { #expect(Bool(true)) }
