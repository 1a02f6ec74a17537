import Testing

@testable import Server

@Test func seed() { #expect(Bool(true)) }
