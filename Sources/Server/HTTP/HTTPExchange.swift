import CMicroHTTPD
import Dispatch
import HTTP
import Synchronization

/// One request and its answer, between libmicrohttpd's thread and the task of the handler.
///
/// receiving -> starting -> suspended -> answered -> replying | streaming -> over. A handler that answers without
/// suspending skips `suspended`. Whoever moves the exchange out of `suspended` resumes the connection, within the
/// lock, so that this happens exactly once.
final class HTTPExchange: Sendable {
  private enum Phase {
    case receiving
    /// The handler has been started on libmicrohttpd's thread and has not suspended yet.
    case starting
    case suspended
    case answered(HTTPResponse)
    case replying
    case streaming(HTTPStreamWriter)
    case over
  }

  private struct State {
    var phase = Phase.receiving
    var head: HTTPRequest?
    /// False for `HEAD`.
    var sendsBody = true
    var receiver = HTTPBodyReceiver.memory([], limit: 0)
    /// Bytes counted in `HTTPServerCore.held`.
    var held = 0
    /// Gathered bytes are being written to disk and the connection is suspended meanwhile.
    var writing = false
    var refusal: HTTPResponse?
    /// The task of the handler, and after it that of a stream.
    var task: Task<Void, Never>?
    var cancelled = false
    var waiting = false
  }

  /// Bodies larger than this are parsed on the concurrent pool, so that they do not hold up other connections.
  private static let immediateBody = 64 << 10

  let core: HTTPServerCore
  let connection: HTTPConnection
  private let handle: HTTPConnectionHandle
  private let state: Mutex<State>

  init(core: HTTPServerCore, connection: HTTPConnection, handle: HTTPConnectionHandle) {
    self.core = core
    self.connection = connection
    self.handle = handle
    state = Mutex(State())
  }

  // MARK: On libmicrohttpd's thread

  /// The header has been read.
  func begin(method: String, path: String) -> MHD_Result {
    core.exchanges.enter()
    if method == HTTPMethod.head.rawValue { state.withLock { $0.sendsBody = false } }
    guard HTTPRoom.isLeft(handle.pointer, core.limits) else {
      connection.begin(self, receive: core.limits.receiveSeconds(bytes: 0), now: core.now)
      HTTPRoom.refuse(core.service, on: connection.socket)
      return .NO
    }
    do throws(HTTPFault) {
      if core.isClosing { throw HTTPFault.closing() }
      if let refusal = connection.refusal { throw refusal }
      let head = try HTTPHead.read(
        handle.pointer, method: method, path: path, limits: core.limits, peer: connection.peer, exchange: self)
      let (receiver, receive) = try receiver(for: head)
      state.withLock { state in
        state.head = head.request
        state.receiver = receiver
      }
      connection.begin(self, receive: receive, now: core.now)
      return .YES
    } catch {
      connection.begin(self, receive: core.limits.receiveSeconds(bytes: HTTPLimits.drainedBody), now: core.now)
      return refuse(error, framing: HTTPHead.framing(handle.pointer))
    }
  }

  private func receiver(for head: HTTPHead) throws(HTTPFault) -> (HTTPBodyReceiver, receive: UInt32) {
    if head.framing == .none { return (.memory([], limit: 0), core.limits.receiveSeconds(bytes: 0)) }
    switch core.service.bodyPolicy(head.request) {
    case .memory(let limit):
      let limit = limit ?? core.limits.body
      return (.memory([], limit: limit), try receiveTime(head.framing, limit: limit))
    case .file(let directory, let limit):
      let receive = try receiveTime(head.framing, limit: limit)
      guard let file = HTTPPartialFile(directory: directory) else { throw HTTPFault.storageFailed() }
      return (.file(HTTPFileReceiver(file: file, limit: limit)), receive)
    case .refuse(let fault):
      throw fault
    }
  }

  private func receiveTime(_ framing: HTTPHead.Framing, limit: Int) throws(HTTPFault) -> UInt32 {
    guard case .length(let length) = framing else { return core.limits.receiveSeconds(bytes: limit) }
    guard length <= limit else { throw HTTPFault.bodyTooLarge(limit: limit) }
    return core.limits.receiveSeconds(bytes: length)
  }

  /// Answers without a handler. A short body is read and dropped first. Of a longer one nothing is read, nor of one
  /// whose request is malformed, for who knows where it ends; the connection then closes after the answer.
  private func refuse(_ fault: HTTPFault, framing: HTTPHead.Framing) -> MHD_Result {
    let response = core.service.render(fault)
    switch framing {
    case .length(let length) where length > HTTPLimits.drainedBody || fault.status == 400:
      return reply(response)
    case .chunked where fault.status == 400:
      return reply(response)
    case .none, .length, .chunked:
      state.withLock { state in
        state.refusal = response
        state.receiver = .drain(left: HTTPLimits.drainedBody)
      }
      return .YES
    }
  }

  /// A piece of the body. The connection is closed when a refused body does not end.
  func receive(_ bytes: UnsafeRawBufferPointer) -> MHD_Result {
    state.withLock { state in
      switch state.receiver {
      case .memory(var body, let limit):
        state.receiver = .drain(left: 0)  // Leaves `body` the only holder of its bytes, so that they are not copied.
        guard body.count + bytes.count <= limit else {
          return drop(&state, .bodyTooLarge(limit: limit), bytes.count)
        }
        guard hold(bytes.count, of: body.count + bytes.count, &state) else {
          return drop(&state, .bodiesTooLarge(), bytes.count)
        }
        body.append(contentsOf: bytes)
        state.receiver = .memory(body, limit: limit)
      case .file(var receiver):
        state.receiver = .drain(left: 0)
        guard receiver.size + bytes.count <= receiver.limit else {
          return drop(&state, .bodyTooLarge(limit: receiver.limit), bytes.count)
        }
        receiver.size += bytes.count
        receiver.gathered.append(contentsOf: bytes)
        if receiver.gathered.count >= HTTPFileReceiver.chunk, !state.writing { write(&receiver, &state) }
        state.receiver = .file(receiver)
      case .drain(let left):
        guard bytes.count <= left else { return .NO }
        state.receiver = .drain(left: left - bytes.count)
      }
      return .YES
    }
  }

  /// Counts a piece of a large body; false where all of them together are as large as they may be.
  private func hold(_ count: Int, of size: Int, _ state: inout State) -> Bool {
    guard size > HTTPExchange.immediateBody else { return true }
    state.held += count
    return core.held.add(count, ordering: .relaxed).newValue <= core.limits.bodies
  }

  private func drop(_ state: inout State, _ fault: HTTPFault, _ count: Int) -> MHD_Result {
    state.refusal = core.service.render(fault)
    state.receiver = .drain(left: max(0, HTTPLimits.drainedBody - count))
    return .YES
  }

  /// Hands the gathered bytes to the disk queue and suspends the connection until they are written.
  private func write(_ receiver: inout HTTPFileReceiver, _ state: inout State) {
    // As in `start`: stopping must not find the connection suspended afterwards.
    guard !core.isStopping else { return state.refusal = core.service.render(.closing()) }
    let bytes = receiver.gathered
    let file = receiver.file
    receiver.gathered = []
    state.writing = true
    handle.suspend()
    HTTPFileReceiver.disk.async { self.written(file.write(bytes)) }
  }

  private func written(_ succeeded: Bool) {
    state.withLock { state in
      guard state.writing else { return }
      state.writing = false
      if !succeeded { _ = drop(&state, .storageFailed(), 0) }
      handle.resume()
    }
  }

  /// The request is there in whole, or the connection has been resumed.
  func proceed() -> MHD_Result {
    enum Step { case start(HTTPRequest, HTTPBodyReceiver), reply(HTTPResponse), close }
    let step: Step = state.withLock { state in
      switch state.phase {
      case .receiving:
        if let refusal = state.refusal { return .reply(refusal) }
        guard let head = state.head else { return .close }
        let receiver = state.receiver
        state.head = nil
        state.receiver = .drain(left: 0)
        state.phase = .starting
        return .start(head, receiver)
      case .answered(let response): return .reply(response)
      case .starting, .suspended, .replying, .streaming, .over: return .close
      }
    }
    switch step {
    case .start(let head, let receiver): return start(head, receiver)
    case .reply(let response): return reply(response)
    case .close: return .NO
    }
  }

  private func start(_ head: HTTPRequest, _ receiver: HTTPBodyReceiver) -> MHD_Result {
    let hungUp = connection.answering(now: core.now)
    core.tasks.enter()
    let task = launch(head, receiver)
    let (response, cancel): (HTTPResponse?, Bool) = state.withLock { state in
      if case .answered(let response) = state.phase { return (response, false) }
      // Checked within the lock: after the server has set the flag it visits every suspended exchange.
      if core.isStopping { return (core.service.render(.closing()), true) }
      state.phase = .suspended
      state.task = task
      handle.suspend()
      return (nil, state.cancelled)
    }
    if cancel { task.cancel() }
    if let response { return reply(response) }
    if hungUp { clientGone() }
    return .YES
  }

  private func launch(_ head: HTTPRequest, _ receiver: HTTPBodyReceiver) -> Task<Void, Never> {
    let handler = core.service.handler
    switch receiver {
    case .memory(let body, _):
      var request = head
      request.body = .bytes(body)
      guard body.count > HTTPExchange.immediateBody else {
        return Task.immediate { [request] in self.finish(await handler(request)) }
      }
      return Task { [request] in self.finish(await handler(request)) }
    case .file(let receiver):
      return Task {
        guard let body = await receiver.complete() else {
          return self.finish(self.core.service.render(.storageFailed()))
        }
        var request = head
        request.body = .file(body)
        self.finish(await handler(request))
      }
    case .drain:
      return Task.immediate { self.finish(self.core.service.render(.internalError())) }
    }
  }

  /// Gives the answer to libmicrohttpd.
  private func reply(_ response: HTTPResponse) -> MHD_Result {
    let sendsBody = state.withLock { $0.sendsBody }
    let closes = core.isClosing || connection.refusal != nil
    let made = HTTPReply.make(response, for: core, handle: handle, sendsBody: sendsBody, closes: closes)
    guard let reply = made else { return .NO }
    let hungUp = connection.replying()
    // Set before the answer is queued: stopping has to find a stream before it can suspend the connection.
    state.withLock { state in state.phase = reply.stream.map { .streaming($0.writer) } ?? .replying }
    let queued = MHD_queue_response(handle.pointer, UInt32(reply.status), reply.response)
    MHD_destroy_response(reply.response)
    if queued == .YES, let (writer, produce) = reply.stream {
      start(produce, writer)
      if hungUp { clientGone() }
      if core.isClosing { close() }
    }
    return queued
  }

  private func start(
    _ produce: @escaping @Sendable (HTTPStreamWriter) async throws -> Void, _ writer: HTTPStreamWriter
  ) {
    core.tasks.enter()
    let task = Task {
      do {
        try await produce(writer)
        writer.finish(whole: true)
      } catch {
        writer.finish(whole: false)
      }
      self.core.tasks.leave()
    }
    let cancel = state.withLock { state in
      state.task = task
      return state.cancelled
    }
    if cancel { task.cancel() }
  }

  /// libmicrohttpd is done with the request, well or not.
  func completed() {
    let task = state.withLock { state in
      core.held.subtract(state.held, ordering: .relaxed)
      state.held = 0
      state.phase = .over
      state.writing = false
      state.head = nil  // It refers to the exchange.
      state.receiver = .drain(left: 0)
      return state.task
    }
    task?.cancel()
    connection.end(now: core.now)
    core.exchanges.leave()
  }

  // MARK: From any thread

  private func finish(_ response: HTTPResponse) {
    state.withLock { state in
      state.task = nil
      answer(&state, response)
    }
    core.tasks.leave()
  }

  private func answer(_ state: inout State, _ response: HTTPResponse) {
    switch state.phase {
    case .starting:
      state.phase = .answered(response)
    case .suspended:
      state.phase = .answered(response)
      handle.resume()
    case .receiving, .answered, .replying, .streaming, .over:
      break
    }
  }

  func setWaiting(_ waiting: Bool) {
    let cancel = state.withLock { state in
      state.waiting = waiting
      return waiting && core.isClosing ? cancelTask(&state) : nil
    }
    cancel?.cancel()
  }

  /// The client has closed its side: nobody reads an answer.
  func clientGone() {
    let (task, writer): (Task<Void, Never>?, HTTPStreamWriter?) = state.withLock { state in
      switch state.phase {
      case .suspended:
        let task = cancelTask(&state)
        answer(&state, HTTPResponse(status: 500))
        return (task, nil)
      case .starting: return (cancelTask(&state), nil)
      case .streaming(let writer): return (cancelTask(&state), writer)
      case .receiving, .answered, .replying, .over: return (nil, nil)
      }
    }
    writer?.cut(.clientGone)
    task?.cancel()
  }

  /// The handler has taken too long.
  func timeOut() {
    let task = state.withLock { state in
      let task = cancelTask(&state)
      answer(&state, core.service.render(.answerTimeout()))
      return task
    }
    task?.cancel()
  }

  /// The server shuts down: waits and streams end now, cleanly; what works goes on.
  func close() {
    let (task, writer): (Task<Void, Never>?, HTTPStreamWriter?) = state.withLock { state in
      if case .streaming(let writer) = state.phase { return (cancelTask(&state), writer) }
      return (state.waiting ? cancelTask(&state) : nil, nil)
    }
    writer?.endForShutdown()
    task?.cancel()
  }

  /// The grace time is over. Afterwards the connection is not suspended.
  func stop() {
    let (task, writer): (Task<Void, Never>?, HTTPStreamWriter?) = state.withLock { state in
      if state.writing {
        state.writing = false
        handle.resume()
      }
      let task = cancelTask(&state)
      answer(&state, core.service.render(.closing()))
      if case .streaming(let writer) = state.phase { return (task, writer) }
      return (task, nil)
    }
    writer?.cut(.serverClosing)
    task?.cancel()
  }

  private func cancelTask(_ state: inout State) -> Task<Void, Never>? {
    state.cancelled = true
    return state.task
  }
}

extension HTTPFileReceiver {
  /// Writes what is left and gives the file. `nil` when the disk takes no more.
  fileprivate func complete() async -> HTTPUploadedFile? {
    await withCheckedContinuation { continuation in
      HTTPFileReceiver.disk.async {
        continuation.resume(returning: file.write(gathered) ? file.complete(size: size) : nil)
      }
    }
  }
}
