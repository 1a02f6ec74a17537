import CMicroHTTPD
import HTTP
import Synchronization

/// Nobody reads the stream any more.
public struct HTTPStreamClosed: Error, Sendable, Equatable {
  public enum Reason: Sendable { case clientGone, serverClosing }
  public let reason: Reason
}

/// The writing end of a streamed body. Bytes wait in a bounded buffer; a writer that is ahead of its client by more
/// than `HTTPLimits.streamBuffer` is held back.
public final class HTTPStreamWriter: Sendable {
  private struct State {
    var buffer: [UInt8] = []
    var sent = 0
    /// How the body ends once the buffer has been sent.
    var end: End?
    /// Why writing is refused.
    var closed: HTTPStreamClosed.Reason?
    /// The connection is suspended until there are bytes.
    var starved = false
    var waiters: [CheckedContinuation<Void, Never>] = []

    var pending: Int { buffer.count - sent }
  }

  private enum End { case whole, cut }

  private let state = Mutex(State())
  private let connection: HTTPConnectionHandle
  private let capacity: Int

  init(connection: HTTPConnectionHandle, capacity: Int) {
    self.connection = connection
    self.capacity = capacity
  }

  /// Returns when the bytes are in the buffer and the buffer has room for more.
  public func write(_ bytes: [UInt8]) async throws(HTTPStreamClosed) {
    let full = try state.withLock { state throws(HTTPStreamClosed) in
      if let reason = state.closed { throw HTTPStreamClosed(reason: reason) }
      state.buffer += bytes
      wake(&state)
      return state.pending >= capacity
    }
    guard full else { return }
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state in
        if state.closed == nil && state.pending >= capacity {
          state.waiters.append(continuation)
          return false
        }
        return true
      }
      if ready { continuation.resume() }
    }
    if let reason = state.withLock({ $0.closed }) { throw HTTPStreamClosed(reason: reason) }
  }

  public func write(_ event: ServerSentEvent) async throws(HTTPStreamClosed) {
    try await write(event.encoded)
  }

  // MARK: What the server does

  /// The producer has returned (`whole`) or thrown.
  func finish(whole: Bool) {
    state.withLock { state in
      if state.end == nil { state.end = whole ? .whole : .cut }
      wake(&state)
    }
  }

  /// Ends the body after what has been written, as a whole one.
  func endForShutdown() { close(.serverClosing, end: .whole) }

  /// Cuts the body short: the client is gone, or the grace time is over.
  func cut(_ reason: HTTPStreamClosed.Reason) { close(reason, end: .cut) }

  private func close(_ reason: HTTPStreamClosed.Reason, end: End) {
    let waiters = state.withLock { state in
      if state.closed == nil { state.closed = reason }
      if state.end == nil || end == .cut { state.end = end }
      wake(&state)
      return take(&state.waiters)
    }
    for waiter in waiters { waiter.resume() }
  }

  private func wake(_ state: inout State) {
    guard state.starved else { return }
    state.starved = false
    connection.resume()
  }

  private func take(_ waiters: inout [CheckedContinuation<Void, Never>]) -> [CheckedContinuation<Void, Never>] {
    defer { waiters = [] }
    return waiters
  }

  /// Called by libmicrohttpd for the next bytes. With none to give it suspends the connection, within the lock: a
  /// write that comes later finds `starved` set and resumes a connection that is suspended for certain.
  func read(into target: UnsafeMutablePointer<CChar>, max: Int, mayWait: Bool) -> Int {
    let (count, waiters): (Int, [CheckedContinuation<Void, Never>]) = state.withLock { state in
      if state.end == .cut { return (Int(MHD_CONTENT_READER_END_WITH_ERROR), []) }
      guard state.pending > 0 else {
        if state.end == .whole { return (Int(MHD_CONTENT_READER_END_OF_STREAM), []) }
        guard mayWait else { return (Int(MHD_CONTENT_READER_END_WITH_ERROR), []) }
        state.starved = true
        connection.suspend()
        return (0, [])
      }
      let count = min(max, state.pending)
      let first = state.sent
      state.buffer.withUnsafeBytes { bytes in
        UnsafeMutableRawBufferPointer(start: target, count: count)
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[first..<first + count]))
      }
      state.sent += count
      if state.pending == 0 {
        state.buffer.removeAll(keepingCapacity: state.buffer.capacity <= capacity)
        state.sent = 0
      }
      return (count, state.pending < capacity / 2 ? take(&state.waiters) : [])
    }
    for waiter in waiters { waiter.resume() }
    return count
  }
}
