import Testing

@testable import Client

@Test func seed() { #expect(Bool(true)) }
