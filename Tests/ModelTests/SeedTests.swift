import Testing

@testable import Model

@Test func seed() { #expect(Bool(true)) }
