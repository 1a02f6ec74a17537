import Testing

@testable import Scripting

@Test func seed() { #expect(Bool(true)) }
