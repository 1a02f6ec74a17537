import Testing

@testable import Lua

@Test func seed() { #expect(Bool(true)) }
