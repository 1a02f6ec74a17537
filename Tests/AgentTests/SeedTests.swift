import Testing

@testable import Agent

@Test func seed() { #expect(Bool(true)) }
