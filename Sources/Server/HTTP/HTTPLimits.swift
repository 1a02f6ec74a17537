/// What one client may ask of the server. Every bound has a default, a unit and a reason.
public struct HTTPLimits: Sendable {
  /// Bytes of a request body that is held in memory. Bulk submits of a thousand runs are about 1 MB.
  public var body = 8 << 20
  /// Bytes of all bodies together that are held in memory, those of up to 64 KiB left out. Who sends a body is found out
  /// only when it is there: this bounds what anybody at all can make the server hold.
  public var bodies = 512 << 20
  /// Bytes of the request line and all header fields. What common proxies pass on.
  public var headerBytes = 8 << 10
  /// Number of header fields. Long ones must be fewer: see `HTTPRoom`.
  public var headerCount = 100
  /// Number of items of a query. What libmicrohttpd's index holds beside the longest line of a request.
  public var queryCount = 32
  /// How long a connection may stay without a byte in either direction, in whole seconds. Longer than clients keep
  /// idle connections pooled, so that it is they who close.
  public var idle = Duration.seconds(75)
  /// How long a header may take to arrive, and a body beside the time that `receiveRate` gives it. Stops clients that
  /// trickle a byte at a time, which `idle` does not see.
  public var receive = Duration.seconds(60)
  /// The slowest that a body may come, in bytes a second. A poor mobile line.
  public var receiveRate = 16 << 10
  /// How long a handler may take before its task is cancelled and the client gets 503. Above every long-poll.
  public var answer = Duration.seconds(120)
  /// Open connections in all. Each waiting one costs under 20 KB.
  public var connections = 16_000
  /// Open connections from one address. A host of many agents is one address; so is a proxy.
  public var connectionsPerAddress = 4_000
  /// Bytes of a stream that wait for a slow client before its writer is held back.
  public var streamBuffer = 64 << 10

  public init() {}

  /// Connections beyond `connections` that are still told why they are refused; those after them are only closed.
  static let refusalHeadroom = 64
  /// Bytes of a refused body that are read and dropped so that the client can read the answer: one that is still
  /// sending when the connection closes may lose the answer with it.
  static let drainedBody = 1 << 20
  /// How long after the grace time of a shutdown the last answers may take to be sent.
  static let lastAnswers = Duration.seconds(1)
  /// Room beside the header fields in the memory of a connection, for libmicrohttpd's index of them and the answer's
  /// own header.
  static let connectionOverhead = 3 << 10

  /// Bytes that libmicrohttpd may take for one connection.
  var connectionMemory: Int { headerBytes + Self.connectionOverhead }

  /// Whole seconds that a body of so many bytes may take to arrive.
  func receiveSeconds(bytes: Int) -> UInt32 {
    UInt32(clamping: Int(receive.components.seconds) + bytes / max(1, receiveRate))
  }
}
