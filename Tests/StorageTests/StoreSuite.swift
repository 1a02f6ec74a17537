import Testing

/// What every store promises, in tests against `any Store`. Each extension is about one part of the protocol.
@Suite struct StoreSuite {}
