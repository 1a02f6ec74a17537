import Testing

@testable import HTTP

@Suite struct ServerSentEventTests {
  private let events = [
    ServerSentEvent(data: "plain"),
    ServerSentEvent(event: "state", id: "17", data: #"{"id":"a1b2c3d4"}"#, retry: 1500),
    ServerSentEvent(data: "two\nlines"),
    ServerSentEvent(data: ""),
    ServerSentEvent(data: "\n\nends in newlines\n"),
    ServerSentEvent(data: " leading blank, : a colon, data: not a field"),
    ServerSentEvent(id: "", data: "한국어 日本語 🚀"),
  ]

  @Test func anEventIsEncodedAsTheStandardHasIt() {
    let event = ServerSentEvent(event: "state", id: "17", data: "two\nlines", retry: 1500)
    #expect(
      String(decoding: event.encoded, as: UTF8.self)
        == "event: state\nid: 17\nretry: 1500\ndata: two\ndata: lines\n\n")
  }

  @Test func lineEndsInAFieldCannotForgeAnother() {
    let event = ServerSentEvent(event: "a\nid: 9", id: "1\r\nevent: b", data: "x\r\nid: 7\rid: 8")
    #expect(
      String(decoding: event.encoded, as: UTF8.self)
        == "event: aid: 9\nid: 1event: b\ndata: x\ndata: id: 7\ndata: id: 8\n\n")
    #expect(String(decoding: ServerSentEvent.comment("a\nid: 1"), as: UTF8.self) == ":a id: 1\n\n")
  }

  @Test(arguments: 1...40) func eventsSurviveTheWireWhereverItIsCut(size: Int) throws {
    let wire = events.flatMap(\.encoded)
    var parser = ServerSentEventParser()
    var parsed: [ServerSentEvent] = []
    for start in stride(from: 0, to: wire.count, by: size) {
      parsed += try parser.feed(wire[start..<min(start + size, wire.count)])
    }
    #expect(parsed == events)
    #expect(parser.lastEventID == "")
  }

  @Test(arguments: ["\n", "\r", "\r\n"]) func everyKindOfLineEndIsTaken(end: String) throws {
    let wire = ["\u{FEFF}: hello", "data: a", "data:b", "unknown: c", "data", "", "id: 5", "", "data: last", "", ""]
      .joined(separator: end)
    var parser = ServerSentEventParser()
    let parsed = try parser.feed(wire.utf8)
    #expect(parsed == [ServerSentEvent(data: "a\nb\n"), ServerSentEvent(data: "last")])
    #expect(parser.lastEventID == "5")
  }

  @Test func anEventThatDoesNotEndIsRefused() throws {
    var line = ServerSentEventParser(limit: 100)
    #expect(throws: ServerSentEventParser.TooLarge(limit: 100)) { try line.feed([UInt8](repeating: 65, count: 101)) }
    var lines = ServerSentEventParser(limit: 100)
    #expect(throws: ServerSentEventParser.TooLarge(limit: 100)) {
      for _ in 0..<20 { _ = try lines.feed("data: 12345678\n".utf8) }
    }
  }
}
