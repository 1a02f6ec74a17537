import Testing

@testable import Arguments

@Suite struct KindTests {
  @Test(arguments: [
    ("90s", Duration.seconds(90), "1m30s"), ("12h", .seconds(43_200), "12h"), ("1h30m", .seconds(5_400), "1h30m"),
    ("2d1ms", .milliseconds(172_800_001), "2d1ms"), ("0s", .zero, "0s"), ("24h", .seconds(86_400), "1d"),
  ])
  func durationsAreReadAndWritten(_ text: String, _ duration: Duration, _ written: String) throws {
    #expect(try parseDuration(text) == duration)
    #expect(durationText(duration) == written)
    #expect(try parseDuration(written) == duration)
  }

  @Test(arguments: [
    "", "90", "s", "1.5h", "-3s", "30m1h", "1h1h", "1 h", "1h ", "٣s", "99999999999999999d", "9223372036854775807ms1ms",
  ])
  func whatIsNoDurationIsRefused(_ text: String) {
    #expect(throws: InvalidValue.self) { try parseDuration(text) }
  }

  @Test func aDurationTooLongToCountIsRefusedAndNotATrap() {
    #expect(throws: InvalidValue("is longer than can be counted")) { try parseDuration("106751991168d") }
    #expect(throws: InvalidValue("is longer than can be counted")) {
      try parseDuration("106751991167d9223372036854775s")
    }
  }

  @Test(arguments: [
    ("4GiB", 4 << 30, "4GiB"), ("512mb", 512_000_000, "512MB"), ("4096", 4096, "4KiB"), ("64Mi", 64 << 20, "64MiB"),
    ("7B", 7, "7B"), ("0", 0, "0"),
  ])
  func sizesAreReadAndWritten(_ text: String, _ bytes: Int, _ written: String) throws {
    #expect(try parseSize(text) == bytes)
    #expect(sizeText(bytes) == written)
    #expect(try parseSize(written) == bytes)
  }

  @Test(arguments: ["", "GiB", "-1", "1.5GiB", "4 GiB", "4G", "9223372036854775807KiB"])
  func whatIsNoSizeIsRefused(_ text: String) {
    #expect(throws: InvalidValue.self) { try parseSize(text) }
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
