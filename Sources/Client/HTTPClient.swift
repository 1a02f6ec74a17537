import HTTP

/// Sends HTTP requests: many at once, over pooled connections, on one thread of its own.
///
/// A request is sent at most once, with one exception that HTTP itself allows: an idempotent one on a pooled
/// connection that turns out to be dead is sent again on a new one. Cancelling the task ends the transfer.
/// Proxies are taken from the environment (`http_proxy`, `https_proxy`, `no_proxy`), never for this machine itself.
/// Letting go of the client ends what is still under way.
public final class HTTPClient: Sendable {
  private let loop: CurlLoop

  public init(_ configuration: Configuration = Configuration()) {
    loop = CurlLoop(configuration)
    loop.start()
  }

  deinit { loop.stop() }

  /// Sends a request and gathers the answer in memory.
  public func send(_ request: Request) async throws(HTTPClientError) -> Response {
    let sink = GatheringSink(limit: request.responseLimit, mayCut: request.mayCut)
    let head = try await run(request, sink)
    return Response(status: head.status, headers: head.headers, body: sink.bytes, isCut: sink.isCut)
  }

  /// Sends a request and writes the answer to a file, which is made or emptied. On an error the file holds what came.
  /// - Returns: the answer with an empty body, and the bytes in the file.
  public func download(_ request: Request, to path: String) async throws(HTTPClientError) -> (
    answer: Response, size: Int
  ) {
    guard let sink = FileSink(path: path, limit: request.fileLimit, mayCut: request.mayCut) else {
      throw HTTPClientError(
        code: .file, method: request.method, url: request.url, fact: "cannot write \(path)",
        hint: "check that its folder exists and may be written", requestSent: false)
    }
    let head = try await run(request, sink)
    return (Response(status: head.status, headers: head.headers, body: [], isCut: sink.isCut), sink.size)
  }

  /// Sends a request and returns when the header of the answer is there. The body is read as it comes; a reader that
  /// is slow slows the sender down. Letting go of the stream ends the transfer.
  public func stream(_ request: Request) async throws(HTTPClientError) -> HTTPStream {
    let body = StreamSink()
    let transfer = CurlTransfer(request, body)
    body.attach(loop, transfer)
    let head = await withTaskCancellationHandler {
      await body.head { self.loop.add(transfer) }
    } onCancel: {
      loop.cancel(transfer)
    }
    return HTTPStream(head: try head.get(), body: HTTPStream.Body(client: self, sink: body))
  }

  private func run(_ request: Request, _ sink: some CompletingSink) async throws(HTTPClientError) -> Head {
    let transfer = CurlTransfer(request, sink)
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        sink.onCompletion { continuation.resume(returning: $0) }
        loop.add(transfer)
      }
    } onCancel: {
      loop.cancel(transfer)
    }
    return try outcome.get()
  }
}
