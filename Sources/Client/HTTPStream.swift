import HTTP
import Synchronization

/// An answer whose body is still coming.
public struct HTTPStream: Sendable {
  public let status: Int
  public let headers: HTTPHeaders
  public let body: Body

  init(head: HTTPClient.Head, body: Body) {
    status = head.status
    headers = head.headers
    self.body = body
  }

  /// The body as a sequence of pieces, none empty, cut anywhere. It can be read once, by one reader at a time.
  public struct Body: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    public typealias Failure = HTTPClientError

    private let reading: Reading

    init(client: HTTPClient, sink: StreamSink) { reading = Reading(client: client, sink: sink) }

    public func makeAsyncIterator() -> Iterator { Iterator(reading: reading) }

    public struct Iterator: AsyncIteratorProtocol {
      fileprivate let reading: Reading

      public mutating func next() async throws(HTTPClientError) -> [UInt8]? {
        try await reading.sink.next()
      }

      public mutating func next(isolation actor: isolated (any Actor)?) async throws(HTTPClientError) -> [UInt8]? {
        try await reading.sink.next()
      }
    }

    /// Ends the transfer when nobody can read it any more.
    fileprivate final class Reading: Sendable {
      private let client: HTTPClient
      let sink: StreamSink

      init(client: HTTPClient, sink: StreamSink) {
        self.client = client
        self.sink = sink
      }

      deinit { sink.abandon() }
    }
  }

  /// The body as server-sent events. Ends when the body ends.
  public var events: Events { Events(body: body) }

  public struct Events: AsyncSequence, Sendable {
    public typealias Element = ServerSentEvent

    let body: Body

    public func makeAsyncIterator() -> Iterator { Iterator(bytes: body.makeAsyncIterator()) }

    /// Throws `HTTPClientError`, or `ServerSentEventParser.TooLarge`.
    public struct Iterator: AsyncIteratorProtocol {
      var bytes: Body.Iterator
      private var parser = ServerSentEventParser()
      private var ready: ArraySlice<ServerSentEvent> = []

      init(bytes: Body.Iterator) { self.bytes = bytes }

      public mutating func next() async throws -> ServerSentEvent? {
        while true {
          if let event = ready.popFirst() { return event }
          guard let piece = try await bytes.next() else { return nil }
          ready = try parser.feed(piece)[...]
        }
      }
    }
  }
}

/// Hands a body over from the loop to its reader, through a bounded buffer.
final class StreamSink: CurlSink {
  /// Bytes that wait for the reader before the transfer is paused.
  static let capacity = 256 << 10

  private struct State {
    var head: Result<HTTPClient.Head, HTTPClientError>?
    var headWaiter: CheckedContinuation<Result<HTTPClient.Head, HTTPClientError>, Never>?
    var bytes: [UInt8] = []
    var end: Result<HTTPClient.Head, HTTPClientError>?
    var reader: CheckedContinuation<Void, Never>?
    var paused = false
    var source: (loop: CurlLoop, transfer: CurlTransfer)?
  }

  private let state = Mutex(State())

  func attach(_ loop: CurlLoop, _ transfer: CurlTransfer) {
    state.withLock { $0.source = (loop, transfer) }
  }

  /// Starts the transfer and waits for the header, or for the end when there is none.
  func head(start: () -> Void) async -> Result<HTTPClient.Head, HTTPClientError> {
    await withCheckedContinuation { continuation in
      state.withLock { $0.headWaiter = continuation }
      start()
    }
  }

  func receive(_ head: HTTPClient.Head) { settle(.success(head)) }

  private func settle(_ head: Result<HTTPClient.Head, HTTPClientError>) {
    let waiter: CheckedContinuation<Result<HTTPClient.Head, HTTPClientError>, Never>? = state.withLock { state in
      defer { state.headWaiter = nil }
      if state.head == nil { state.head = head }
      return state.headWaiter
    }
    waiter?.resume(returning: head)
  }

  func receive(_ bytes: UnsafeRawBufferPointer) -> CurlSinkDecision {
    let (decision, reader): (CurlSinkDecision, CheckedContinuation<Void, Never>?) = state.withLock { state in
      guard state.bytes.count < StreamSink.capacity else {
        state.paused = true
        return (.pause, nil)
      }
      state.bytes.append(contentsOf: bytes)
      return (.taken, take(&state.reader))
    }
    reader?.resume()
    return decision
  }

  func complete(_ outcome: Result<HTTPClient.Head, HTTPClientError>) {
    let reader = state.withLock { state in
      state.end = outcome
      state.source = nil
      return take(&state.reader)
    }
    reader?.resume()
    settle(outcome)
  }

  private func take(_ reader: inout CheckedContinuation<Void, Never>?) -> CheckedContinuation<Void, Never>? {
    defer { reader = nil }
    return reader
  }

  /// What has come since the last call; `nil` at the end.
  func next() async throws(HTTPClientError) -> [UInt8]? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ready = state.withLock { state in
          if !state.bytes.isEmpty || state.end != nil { return true }
          state.reader = continuation
          return false
        }
        if ready { continuation.resume() }
      }
    } onCancel: {
      abandon()
    }
    let (bytes, end, paused) = state.withLock { state in
      defer {
        state.bytes = []
        state.paused = false
      }
      return (state.bytes, state.end, state.paused ? state.source : nil)
    }
    if let paused { paused.loop.unpause(paused.transfer) }
    if !bytes.isEmpty { return bytes }
    _ = try end?.get()
    return nil
  }

  /// Ends the transfer; the reader then gets a `cancelled` error.
  func abandon() {
    let source = state.withLock { $0.source }
    source.map { $0.loop.cancel($0.transfer) }
  }
}
