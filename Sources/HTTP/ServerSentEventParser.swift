/// Cuts a byte stream into events. Bytes may be fed in pieces of any size; nothing is assumed of where they are cut.
public struct ServerSentEventParser: Sendable {
  /// A line or an event beyond its limit ends the parse: a peer that never ends a line must not fill memory.
  public struct TooLarge: Error, Sendable, Equatable {
    public let limit: Int
  }

  private let limit: Int
  private var line: [UInt8] = []
  private var previousWasReturn = false
  private var atStart = true
  private var data: [UInt8] = []
  private var hasData = false
  private var event: String?
  private var id: String?
  private var retry: Int?
  /// The id that a reconnect should send as `Last-Event-ID`: that of the last event which had one.
  public private(set) var lastEventID: String?

  /// - Parameter limit: bytes that one event may hold, and one line.
  public init(limit: Int = 4 << 20) { self.limit = limit }

  /// Takes the next bytes and returns the events that they complete, in order.
  public mutating func feed(_ bytes: some Sequence<UInt8>) throws(TooLarge) -> [ServerSentEvent] {
    var events: [ServerSentEvent] = []
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\n") where previousWasReturn:
        previousWasReturn = false
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        previousWasReturn = byte == UInt8(ascii: "\r")
        if let event = try endLine() { events.append(event) }
      default:
        previousWasReturn = false
        guard line.count < limit else { throw TooLarge(limit: limit) }
        line.append(byte)
      }
    }
    return events
  }

  private mutating func endLine() throws(TooLarge) -> ServerSentEvent? {
    if atStart {
      atStart = false
      if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
    }
    defer { line.removeAll(keepingCapacity: true) }
    guard !line.isEmpty else { return dispatch() }
    let colon = line.firstIndex(of: UInt8(ascii: ":"))
    let name = line[..<(colon ?? line.endIndex)]
    var value = colon.map { line[($0 + 1)...] } ?? []
    if value.first == UInt8(ascii: " ") { value.removeFirst() }
    switch String(decoding: name, as: UTF8.self) {
    case "data":
      guard data.count + value.count < limit else { throw TooLarge(limit: limit) }
      if hasData { data.append(UInt8(ascii: "\n")) }
      data += value
      hasData = true
    case "event": event = String(decoding: value, as: UTF8.self)
    case "id": if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
    case "retry": retry = Int(String(decoding: value, as: UTF8.self)).flatMap { $0 >= 0 ? $0 : nil } ?? retry
    default: break
    }
    return nil
  }

  private mutating func dispatch() -> ServerSentEvent? {
    defer {
      data.removeAll(keepingCapacity: true)
      hasData = false
      event = nil
      id = nil
      retry = nil
    }
    if let id { lastEventID = id }
    guard hasData else { return nil }
    return ServerSentEvent(event: event, id: id, data: String(decoding: data, as: UTF8.self), retry: retry)
  }
}
