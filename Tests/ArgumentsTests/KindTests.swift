import Testing

@testable import Arguments

@Suite struct KindTests {
  @Test(arguments: [
    ("90s", Duration.seconds(90), "1m30s"), ("12h", .seconds(43_200), "12h"), ("1h30m", .seconds(5_400), "1h30m"),
    ("0s", .zero, "0s"), ("24h", .seconds(86_400), "1d"),
  ])
  func durationsAreReadAndWritten(_ text: String, _ duration: Duration, _ written: String) throws {
    let kind = Kind<Duration>.duration
    #expect(try kind.parse(text) == duration)
    #expect(kind.render(duration) == written)
    #expect(try kind.parse(written) == duration)
  }

  @Test(arguments: ["", "s", "-3s", "1 h", "1h ", "\u{663}s", "soon"])
  func whatIsNoDurationIsRefused(_ text: String) {
    #expect(throws: InvalidValue("must be a length of time, such as 90s, 12h or 1h30m")) {
      try Kind<Duration>.duration.parse(text)
    }
  }

  @Test func aDurationTooLongToCountIsRefusedAndNotATrap() {
    #expect(throws: InvalidValue("must be a century or less")) {
      try Kind<Duration>.duration.parse("99999999999999999999999999999999999w")
    }
  }

  @Test(arguments: [
    ("4GiB", 4 << 30, "4GiB"), ("512MB", 512_000_000, "488.3MiB"), ("4096", 4096, "4KiB"), ("7B", 7, "7B"),
    ("0", 0, "0B"),
  ])
  func sizesAreReadAndWritten(_ text: String, _ bytes: Int, _ written: String) throws {
    #expect(try Kind<Int>.size.parse(text) == bytes)
    #expect(Kind<Int>.size.render(bytes) == written)
  }

  @Test(arguments: ["", "GiB", "-1", "4 GiB", "9223372036854775807KiB"])
  func whatIsNoSizeIsRefused(_ text: String) {
    #expect(throws: InvalidValue.self) { try Kind<Int>.size.parse(text) }
  }

  @Test func aKeyWithoutANameIsRefused() throws {
    #expect(throws: InvalidValue.self) { try Kind<KeyValue>.keyValue.parse("=1") }
    #expect(try Kind<KeyValue>.keyValue.parse("a=") == KeyValue(key: "a", value: ""))
  }

  @Test(arguments: [(1...8, "1 to 8"), (0...Int.max, "0 or more"), (Int.min...9, "9 or less")])
  func boundsOfANumberAreSaidAsPeopleDo(_ range: ClosedRange<Int>, _ detail: String) {
    #expect(Kind<Int>.integer(range).detail == detail)
  }

  @Test func aNumberOutsideItsRangeOrTooLargeForAnyIsRefused() {
    #expect(throws: InvalidValue("must be a whole number, 1 to 8")) { try Kind<Int>.integer(1...8).parse("9") }
    #expect(throws: InvalidValue.self) { try Kind<Int>.integer(.min ... .max).parse("9223372036854775808") }
  }
}
