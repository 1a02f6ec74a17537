/// One event of a `text/event-stream`, as the WHATWG HTML standard defines it.
public struct ServerSentEvent: Sendable, Equatable {
  /// The type of the event; an absent one is `message` to a browser.
  public var event: String?
  /// Remembered by the receiver and sent back as `Last-Event-ID` when it connects again.
  public var id: String?
  public var data: String
  /// How long the receiver should wait before it connects again, in milliseconds.
  public var retry: Int?

  public init(event: String? = nil, id: String? = nil, data: String, retry: Int? = nil) {
    self.event = event
    self.id = id
    self.data = data
    self.retry = retry
  }

  public static let contentType = "text/event-stream"

  /// The event as it goes over the wire. Data is split at line ends of every kind, so that a newline in it can
  /// never start a field; line ends in `event` and `id` are dropped, and so is an `id` that holds a NUL.
  public var encoded: [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(data.utf8.count + 64)
    if let event { ServerSentEvent.append(field: "event", event, to: &out) }
    if let id, !id.utf8.contains(0) { ServerSentEvent.append(field: "id", id, to: &out) }
    if let retry, retry >= 0 { out += "retry: \(retry)\n".utf8 }
    out += "data: ".utf8
    var previous: UInt8 = 0
    for byte in data.utf8 {
      switch byte {
      case UInt8(ascii: "\n") where previous == UInt8(ascii: "\r"): break
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"): out += "\ndata: ".utf8
      default: out.append(byte)
      }
      previous = byte
    }
    out += "\n\n".utf8
    return out
  }

  /// A comment: receivers ignore it, and proxies between see that the connection lives.
  public static func comment(_ text: String) -> [UInt8] {
    var out = Array(":".utf8)
    out += text.utf8.lazy.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
    out += "\n\n".utf8
    return out
  }

  private static func append(field: String, _ value: String, to out: inout [UInt8]) {
    out += field.utf8
    out += ": ".utf8
    out += value.utf8.lazy.filter { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    out.append(UInt8(ascii: "\n"))
  }
}
