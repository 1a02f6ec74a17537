import Client
import HTTP
import Lua
import Model
import Synchronization

/// An answer that a plugin reads piece by piece, in lines or as it comes. One call reads it, one wait at a time.
final class ReadStream: Sendable {
  private struct State {
    var stream: HTTPStream?
    var splitter = LineSplitter()
    var isAtEnd = false
    var isClosed = false
  }

  let wanted: HTTPWanted
  private let inLines: Bool
  private let count: StreamCount
  private let mask: SecretMask
  private let state = Mutex(State())

  init(_ wanted: HTTPWanted, inLines: Bool, _ count: StreamCount, _ mask: SecretMask) {
    self.mask = mask
    self.wanted = wanted
    self.inLines = inLines
    self.count = count
  }

  /// Sends the request. A 2xx answer is then read with `next`; of any other the body is given at once.
  func open(_ client: HTTPClient, _ secrets: [String: Secret]) async -> [LuaValue] {
    do throws(DriverFailure) {
      let request = try wanted.opened(with: secrets)
      guard count.take() else {
        throw DriverFailure(
          .unavailable, "the plugin reads \(StreamCount.most) answers at once already",
          hint: "end some of them first", retry: .safe)
      }
      var isKept = false
      defer { if !isKept { count.give() } }
      do throws(HTTPClientError) {
        let stream = try await client.stream(request)
        guard (200..<300).contains(stream.status) else { return [try await whole(stream)] }
        isKept = state.withLock { state in
          if !state.isClosed { state.stream = stream }
          return !state.isClosed
        }
        return [.fields(HostFunctions.head(stream.status, stream.headers))]
      } catch {
        throw wanted.failure(error)
      }
    } catch {
      return HostFunctions.failed(error)
    }
  }

  /// A refusal is short; what is longer than the limit is left away.
  private func whole(_ stream: HTTPStream) async throws(HTTPClientError) -> LuaValue {
    var response = HTTPClient.Response(status: stream.status, headers: stream.headers, body: [])
    var pieces = stream.body.makeAsyncIterator()
    while let piece = try await pieces.next() {
      let room = wanted.limit - response.body.count
      response.body += piece.prefix(room)
      if piece.count > room {
        response.isCut = true
        break
      }
    }
    return HostFunctions.answer(response, mask)
  }

  /// The next pieces, or nil at the end.
  func next() async -> [LuaValue] {
    guard let stream = state.withLock({ $0.isAtEnd ? nil : $0.stream }) else { return [.nothing] }
    var pieces = stream.body.makeAsyncIterator()
    do throws(DriverFailure) {
      while true {
        let piece: [UInt8]?
        do throws(HTTPClientError) {
          piece = try await pieces.next()
        } catch {
          throw wanted.failure(error)
        }
        guard inLines else { return [piece.map { .list([.bytes($0)]) } ?? .nothing] }
        let lines = try state.withLock { (state) throws(DriverFailure) in
          if let piece { return try state.splitter.feed(piece) }
          state.isAtEnd = true
          return state.splitter.rest
        }
        if !lines.isEmpty { return [.list(lines.map { .bytes(mask.applied(to: $0)) })] }
        if piece == nil { return [.nothing] }
      }
    } catch {
      return HostFunctions.failed(error)
    }
  }

  /// Ends the transfer. May be called more than once, and while the request is still under way.
  func close() {
    let wasOpen = state.withLock { state in
      state.isClosed = true
      defer { state.stream = nil }
      return state.stream != nil
    }
    if wasOpen { count.give() }
  }
}

/// Cuts bytes into lines, without their ends.
struct LineSplitter {
  /// Bytes of one line at most; an object of an API takes a hundredth of it.
  static let lineMax = 4 << 20

  private var begun: [UInt8] = []

  mutating func feed(_ bytes: [UInt8]) throws(DriverFailure) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    var start = 0
    while let end = bytes[start...].firstIndex(of: 0x0A) {
      begun += bytes[start..<end]
      if begun.last == 0x0D { begun.removeLast() }
      lines.append(begun)
      begun = []
      start = end + 1
    }
    begun += bytes[start...]
    guard begun.count <= Self.lineMax else {
      throw DriverFailure(.targetError, "the answer has a line of more than \(Self.lineMax) bytes")
    }
    return lines
  }

  /// The last line, where it has no end.
  var rest: [[UInt8]] { begun.isEmpty ? [] : [begun] }
}

/// The answers that one call of a plugin reads; all are closed when the call has ended, however it did.
final class StreamTable: Sendable {
  private struct State {
    var last: Int64 = 0
    var open: [Int64: ReadStream] = [:]
  }
  private let state = Mutex(State())

  func add(_ stream: ReadStream) -> Int64 {
    state.withLock { state in
      state.last += 1
      state.open[state.last] = stream
      return state.last
    }
  }

  subscript(id: Int64) -> ReadStream? { state.withLock { $0.open[id] } }

  func close(_ id: Int64) { state.withLock { $0.open.removeValue(forKey: id) }?.close() }

  func closeAll() {
    let open = state.withLock { state in
      defer { state.open = [:] }
      return state.open
    }
    for stream in open.values { stream.close() }
  }
}

/// How many answers all calls of one plugin read at once.
final class StreamCount: Sendable {
  /// Fewer than the connections to one host, so that streams never keep a plugin's other requests from one.
  static let most = 48

  private let open = Mutex(0)

  func take() -> Bool {
    open.withLock { open in
      guard open < Self.most else { return false }
      open += 1
      return true
    }
  }

  func give() { open.withLock { $0 -= 1 } }
}
