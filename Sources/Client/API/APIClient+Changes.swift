import HTTP
import Model

extension APIClient {
  /// A run as it is now, and then again with each change, for as long as anybody reads. Lost connections are made
  /// again; the same view may come twice.
  public func changes(ofRun id: String) -> AsyncThrowingStream<RunView, any Error> {
    AsyncThrowingStream { continuation in
      let task = Task {
        var retries = Retries()
        do {
          while true {
            do {
              try await follow(id) { view in
                retries.reset()
                continuation.yield(view)
              }
              try await retries.pause()
            } catch let error as HTTPClientError {
              try await retries.wait(after: .unreachable(error))
            } catch let error as APIError {
              try await retries.wait(after: error)
            }
          }
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  /// Follows a run over one connection.
  private func follow(_ id: String, _ tell: (RunView) -> Void) async throws {
    // First the events, then the run itself: what changes between the two is seen twice, not missed.
    let stream = try await events(ofRun: id)
    tell(try await run(id))
    for try await event in stream.events {
      switch event.event {
      case "run":
        guard let view = try? Value(json: event.data).decode(RunView.self) else { continue }
        if view.id == id { tell(view) }
      // The server had more news than the connection could take, and left some out.
      case "reset": tell(try await run(id))
      default: break
      }
    }
  }
}
