import Arguments
import Client
import Model

/// Copies a run's log to standard output, through lost connections and restarts of the server.
struct LogReader: Sendable {
  let client: APIClient
  let run: String

  /// Copies what there is of an attempt's log; of the newest where nil.
  func copy(attempt: Int?, to console: Console) async throws {
    let stream = try await client.log(of: run, attempt: attempt, follow: false)
    for try await piece in stream.body { try console.write(piece) }
  }

  /// Copies an attempt's log from its beginning until the attempt has ended and all of it was copied.
  func follow(attempt: Int, to console: Console) async throws {
    var offset: Int64 = 0
    var retries = Retries()
    while true {
      let before = offset
      do {
        let stream = try await client.log(of: run, attempt: attempt, offset: offset, follow: true)
        retries.reset()
        for try await piece in stream.body {
          try console.write(piece)
          offset += Int64(piece.count)
        }
        // The stream ends with the attempt, and also when the server stops: only the run itself tells which.
        let view = try await client.run(run)
        let isNewest = view.attempt == attempt
        let isOver = view.state.isEnd || view.innerState == .queued || !isNewest
        if isOver, !isNewest || offset >= view.logSize || offset == before { return }
        try await retries.pause()
      } catch let error as HTTPClientError {
        try await retries.wait(after: .unreachable(error))
      } catch let error as APIError {
        try await retries.wait(after: error)
      }
    }
  }
}
