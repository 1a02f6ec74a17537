import HTTP
import Model

extension APIClient {
  /// A run as it is now, and then again with each change, for as long as anybody reads. Lost connections are made
  /// again; the same view may come twice.
  public func changes(ofRun id: String) -> AsyncThrowingStream<RunView, any Error> {
    changes { tell in try await follow(id, tell) }
  }

  /// Runs of one queue as they are now, and then each again with its changes, as of one run.
  public func changes(
    ofRuns ids: Set<String>, queue: String, entity: String
  ) -> AsyncThrowingStream<RunView, any Error> {
    changes { tell in try await follow(ids, queue, entity, tell) }
  }

  private func changes(
    _ follow: @escaping @Sendable (_ tell: (RunView) -> Void) async throws -> Void
  ) -> AsyncThrowingStream<RunView, any Error> {
    AsyncThrowingStream { continuation in
      let task = Task {
        var retries = Retries()
        do {
          while true {
            do {
              try await follow { view in
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

  /// Follows runs of a queue over one connection.
  private func follow(
    _ ids: Set<String>, _ queue: String, _ entity: String, _ tell: (RunView) -> Void
  ) async throws {
    let stream = try await events(ofQueue: queue, entity: entity)
    try await tellAll(ids, queue, entity, tell)
    for try await event in stream.events {
      switch event.event {
      case "run":
        guard let view = try? Value(json: event.data).decode(RunView.self) else { continue }
        if ids.contains(view.id) { tell(view) }
      case "reset": try await tellAll(ids, queue, entity, tell)
      default: break
      }
    }
  }

  /// Runs as they are now, found in the queue's list, newest first: runs of one submit lie close together there.
  private func tellAll(
    _ ids: Set<String>, _ queue: String, _ entity: String, _ tell: (RunView) -> Void
  ) async throws {
    var missing = ids
    var query = RunQuery()
    query.entity = entity
    query.queue = queue
    query.limit = 1_000
    repeat {
      let page = try await runs(query)
      for view in page.items where missing.remove(view.id) != nil { tell(view) }
      query.cursor = page.next
    } while !missing.isEmpty && query.cursor != nil
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
