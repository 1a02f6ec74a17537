import Testing

@testable import Arguments

@Test func seed() { #expect(Bool(true)) }
