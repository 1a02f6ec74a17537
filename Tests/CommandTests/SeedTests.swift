import Testing

@Test func seed() { #expect(Bool(true)) }
