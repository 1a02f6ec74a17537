import Client
import Glibc
import HTTP
import Synchronization
import Testing

@testable import Server

/// Bodies that are written while they are sent.
@Suite(.timeLimit(.minutes(1))) struct HTTPStreamTests {
  private let client = HTTPClient()

  @Test func eventsArriveOneByOneAsTheyAreSent() async throws {
    let sent = [
      ServerSentEvent(event: "state", id: "1", data: "a\nb"), ServerSentEvent(id: "2", data: "", retry: 100),
      ServerSentEvent(data: "끝"),
    ]
    let (turns, turn) = AsyncStream<Void>.makeStream()
    try await withServer { routes in
      routes.on(.get, "/events") { _ in
        .events { writer in
          try await writer.write(ServerSentEvent.comment("hello"))
          var turns = turns.makeAsyncIterator()
          for event in sent {
            await turns.next()
            try await writer.write(event)
          }
        }
      }
    } _: { _, url in
      let stream = try await client.stream(.init(.get, "\(url)/events", timeout: nil))
      #expect(stream.headers["Content-Type"] == "text/event-stream")
      #expect(stream.headers["Cache-Control"] == "no-store")
      var received: [ServerSentEvent] = []
      turn.yield()
      for try await event in stream.events {
        received.append(event)
        turn.yield()
      }
      #expect(received == sent)
    }
  }

  @Test func aStreamOfManyBytesArrivesWhole() async throws {
    let count = 5_000_000
    try await withServer { routes in
      routes.on(.get, "/bytes") { _ in
        .stream(contentType: "application/octet-stream") { writer in
          var sent = 0
          while sent < count {
            let size = min(count - sent, 1 + sent % 70_000)
            try await writer.write((sent..<sent + size).map { UInt8(truncatingIfNeeded: $0) })
            sent += size
          }
        }
      }
    } _: { _, url in
      let answer = try await client.send(.init(.get, "\(url)/bytes"))
      #expect(answer.body.count == count)
      #expect(answer.body.enumerated().allSatisfy { $0.element == UInt8(truncatingIfNeeded: $0.offset) })
      #expect(answer.headers["Content-Length"] == nil)
    }
  }

  @Test func aWriterIsHeldBackByASlowClientAndSeesItLeave() async throws {
    let written = Mutex(0)
    let ended = Signal()
    let reason = Mutex<HTTPStreamClosed?>(nil)
    try await withServer { routes in
      routes.on(.get, "/") { _ in
        .stream(contentType: "text/plain") { writer in
          let block = [UInt8](repeating: 65, count: 64 << 10)
          do throws(HTTPStreamClosed) {
            while true {
              try await writer.write(block)
              written.withLock { $0 += block.count }
            }
          } catch {
            reason.withLock { $0 = error }
            ended.happen()
          }
        }
      }
    } _: { server, _ in
      var raw: RawClient? = RawClient(port: server.address.port)
      await raw?.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      // The writer is held back for good once its count stands still for long.
      var (last, still) = (0, 0)
      while last == 0 || still < 300 {
        let now = written.withLock { $0 }
        still = now == last ? still + 1 : 0
        last = now
        try? await Task.sleep(for: .milliseconds(1))
      }
      // The buffers of the kernel on both sides, and the writer's own.
      #expect(last < 32 << 20)
      raw = nil
      await ended.wait()
      #expect(reason.withLock { $0 } == HTTPStreamClosed(reason: .clientGone))
    }
  }

  @Test func aClientThatLeavesAnIdleStreamCancelsItsWriter() async throws {
    let cancelled = Signal()
    try await withServer { routes in
      routes.on(.get, "/") { _ in
        .events { writer in
          try await writer.write(ServerSentEvent(data: "first"))
          await cancelled.waitOrCancel()
        }
      }
    } _: { server, url in
      var stream: HTTPStream? = try await client.stream(.init(.get, url, timeout: nil))
      var events = stream?.events.makeAsyncIterator()
      #expect(try await events?.next()?.data == "first")
      stream = nil
      events = nil
      await cancelled.wait()
      while server.connectionCount > 0 { try? await Task.sleep(for: .milliseconds(1)) }
    }
  }

  @Test func aWriterThatFailsCutsTheBody() async throws {
    struct Broken: Error {}
    try await withServer { routes in
      routes.on(.get, "/") { _ in
        .stream(contentType: "text/plain") { writer in
          try await writer.write(Array("begun".utf8))
          throw Broken()
        }
      }
    } _: { _, url in
      let error = await #expect(throws: HTTPClientError.self) {
        let stream = try await client.stream(.init(.get, url))
        for try await _ in stream.body {}
      }
      #expect(error?.code == .connectionLost)
    }
  }

  @Test func aShutdownEndsStreamsCleanly() async throws {
    let reason = Mutex<HTTPStreamClosed?>(nil)
    let server = try HTTPServer.start(listen: HTTPAddress(host: "127.0.0.1", port: 0)) { _ in
      .stream(contentType: "text/plain") { writer in
        do throws(HTTPStreamClosed) {
          try await writer.write(Array("begun".utf8))
          try? await Task.sleep(for: .seconds(60))
          try await writer.write(Array("late".utf8))
        } catch {
          reason.withLock { $0 = error }
        }
      }
    }
    let stream = try await client.stream(.init(.get, "http://\(server.address)/", timeout: nil))
    var pieces = stream.body.makeAsyncIterator()
    #expect(try await pieces.next() == Array("begun".utf8))
    await server.shutdown(grace: .seconds(50))
    // The last chunk has come: the body is whole.
    #expect(try await pieces.next() == nil)
    #expect(reason.withLock { $0 } == HTTPStreamClosed(reason: .serverClosing))
  }
}

/// Files, both ways.
@Suite(.timeLimit(.minutes(1))) struct HTTPFileTests {
  private let client = HTTPClient()

  /// A folder for one test.
  private final class Folder {
    let path: String

    init() {
      path = "/tmp/lunaport-http-\(UInt64.random(in: 0...UInt64.max))"
      mkdir(path, 0o700)
    }

    deinit {
      for name in names { unlink("\(path)/\(name)") }
      rmdir(path)
    }

    var names: [String] {
      guard let folder = opendir(path) else { return [] }
      defer { closedir(folder) }
      var names: [String] = []
      while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { names.append(name) }
      }
      return names.sorted()
    }

    func write(_ name: String, _ text: String) -> String {
      let file = "\(path)/\(name)"
      let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      _ = Glibc.write(descriptor, text, text.utf8.count)
      close(descriptor)
      return file
    }
  }

  @Test func partsOfAFileAreServed() async throws {
    let folder = Folder()
    let file = folder.write("log", "0123456789")
    try await withServer { routes in
      routes.on(.get, "/log") { _ in .file(file, contentType: "text/plain", etag: "\"v1\"") }
    } _: { _, url in
      func get(_ headers: HTTPHeaders) async throws -> HTTPClient.Response {
        try await client.send(.init(.get, "\(url)/log", headers: headers))
      }
      let whole = try await get([:])
      #expect(whole.status == 200 && whole.text == "0123456789")
      #expect(whole.headers["Accept-Ranges"] == "bytes" && whole.headers["ETag"] == "\"v1\"")
      let part = try await get(["Range": "bytes=3-5"])
      #expect(part.status == 206 && part.text == "345")
      #expect(part.headers["Content-Range"] == "bytes 3-5/10")
      #expect(part.headers["Content-Type"] == "text/plain")
      let tail = try await get(["Range": "bytes=-2", "If-Range": "\"v1\""])
      #expect(tail.status == 206 && tail.text == "89")
      let changed = try await get(["Range": "bytes=-2", "If-Range": "\"v0\""])
      #expect(changed.status == 200 && changed.text == "0123456789")
      let beyond = try await get(["Range": "bytes=10-"])
      #expect(beyond.status == 416 && beyond.headers["Content-Range"] == "bytes */10")
      let known = try await get(["If-None-Match": "\"v1\""])
      #expect(known.status == 304 && known.body.isEmpty)
      let head = try await client.send(.init(.head, "\(url)/log"))
      #expect(head.headers["Content-Length"] == "10")
    }
  }

  @Test func anUploadGoesToAFileThatIsRemovedUnlessItIsKept() async throws {
    let folder = Folder()
    let kept = folder.path + "/kept"
    let directory = folder.path
    try await withServer { routes in
      routes.on(.put, "/keep", body: .file(directory: directory, limit: 3_000_000)) { request in
        guard case .file(let file) = request.body else { return .noContent() }
        return .text("\(file.size) \(rename(file.path, kept))")
      }
      routes.on(.put, "/drop", body: .file(directory: directory, limit: 3_000_000)) { request in
        guard case .file(let file) = request.body else { return .noContent() }
        return .text("\(file.size)")
      }
    } _: { _, url in
      let bytes = (0..<2_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      #expect(try await client.send(.init(.put, "\(url)/keep", body: .bytes(bytes))).text == "2500000 0")
      #expect(folder.names == ["kept"])
      let back = HTTPRoutes.reading(kept)
      try await withServer(back) { _, url in
        let answer = try await client.send(.init(.get, url))
        #expect(answer.body == bytes)
      }
      #expect(try await client.send(.init(.put, "\(url)/drop", body: .bytes(bytes))).text == "2500000")
      #expect(try await client.send(.init(.put, "\(url)/drop", body: .bytes([]))).text == "")
      #expect(try await client.send(.init(.put, "\(url)/drop", body: .bytes(bytes + bytes))).status == 413)
    }
    #expect(folder.names == ["kept"])
  }

  @Test func anUploadThatEndsTooSoonLeavesNothing() async throws {
    let folder = Folder()
    let directory = folder.path
    try await withServer { routes in
      routes.on(.put, "/", body: .file(directory: directory, limit: 3_000_000)) { _ in
        Issue.record("a broken upload was handled")
        return .noContent()
      }
    } _: { server, _ in
      var raw: RawClient? = RawClient(port: server.address.port)
      await raw?.send(
        "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + String(repeating: "x", count: 400_000))
      while folder.names.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
      raw = nil
      while server.connectionCount > 0 { try? await Task.sleep(for: .milliseconds(1)) }
    }
    #expect(folder.names == [])
  }

  @Test func anUploadThatCannotBeStoredIsSaidSo() async throws {
    try await withServer { routes in
      routes.on(.put, "/", body: .file(directory: "/dev/null/uploads", limit: 100)) { _ in .noContent() }
    } _: { _, url in
      let answer = try await client.send(.init(.put, url, body: .bytes([1, 2, 3])))
      #expect(answer.status == 507)
      #expect(answer.text.contains(#""code":"upload_not_stored""#))
    }
  }
}

extension HTTPRoutes {
  fileprivate static func reading(_ path: String) -> HTTPService {
    HTTPService { _ in .file(path, contentType: "application/octet-stream") }
  }
}
