import Client
import HTTP
import Model
import Processes
import Testing

extension Bench {
  // MARK: Jobs

  /// Makes a job of one shell script, through the command line.
  func job(_ name: String, _ script: String) async throws {
    try write("\(name)/run.sh", "#!/bin/sh\n\(script)\n", executable: true)
    let outcome = try await lunaport(
      "job", "create", "code", path("\(name)/run.sh"), "--project", "p", "--name", name)
    try #require(outcome.code == 0, "\(outcome.errors)")
  }

  // MARK: Runs

  @discardableResult
  func launch(_ job: String, on queue: String = "local", _ change: (inout Submission) -> Void = { _ in }) async throws
    -> RunView
  {
    var submission = Submission(job: job, queue: queue, project: "p")
    change(&submission)
    return try await client.submit(submission).run
  }

  /// Many runs with one request; gives their ids in order.
  func launch(_ submissions: [Submission]) async throws -> [String] {
    let answer = try await request(.post, "/api/v1/runs", try Value(encoding: submissions))
    try #require(answer.status == 201, "\(answer.text)")
    return try Value(json: answer.text).decode([RunView].self).map(\.id)
  }

  /// Waits until a run is as `wanted` says.
  @discardableResult
  func run(
    _ id: String, within seconds: Double = 20, _ what: String, _ wanted: @escaping @Sendable (RunView) -> Bool
  ) async throws -> RunView {
    try await within(seconds, "run \(id): \(what)") {
      for try await view in self.client.changes(ofRun: id) where wanted(view) { return view }
      throw CancellationError()
    }
  }

  @discardableResult
  func run(_ id: String, is state: VisibleState, within seconds: Double = 20) async throws -> RunView {
    do {
      return try await run(id, within: seconds, "is \(state.rawValue)") { $0.state == state }
    } catch let error as TooLate {
      let view = try await client.run(id)
      throw TooLate(what: "\(error.what); it is \(view.state.rawValue), \(view.message ?? "")", seconds: seconds)
    }
  }

  /// Waits for the end of a run.
  func end(of id: String, within seconds: Double = 20) async throws -> RunView {
    try await run(id, within: seconds, "has ended") { $0.state.isOver }
  }

  /// Waits for the end of all these runs.
  func ends(of ids: [String], on queue: String = "local", within seconds: Double = 30) async throws -> [RunView] {
    try await within(seconds, "\(ids.count) runs have ended") {
      let wanted = Set(ids)
      return try await self.follow(queue: queue) {
        let views = try await self.runs(on: queue).filter { wanted.contains($0.id) }
        return views.count == wanted.count && views.allSatisfy { $0.state.isOver } ? views : nil
      }
    }
  }

  /// Waits until so many of a queue's runs are in each of these states.
  func counts(_ wanted: [VisibleState: Int], on queue: String = "local", within seconds: Double = 20) async throws {
    try await within(seconds, "the runs of \(queue) are \(wanted)") {
      try await self.follow(queue: queue) {
        let counts = try await self.client.queue(entity: "default", name: queue).counts
        return wanted.allSatisfy { counts[$0.key.rawValue] == $0.value }
      }
    }
  }

  /// Every run of a queue.
  func runs(on queue: String) async throws -> [RunView] {
    var query = RunQuery()
    query.queue = queue
    query.limit = 1_000
    var runs: [RunView] = []
    repeat {
      let page = try await client.runs(query)
      runs += page.items
      query.cursor = page.next
    } while query.cursor != nil
    return runs
  }

  /// What an attempt printed, all of it.
  func log(_ id: String, attempt: Int? = nil) async throws -> String {
    var bytes: [UInt8] = []
    while true {
      let before = bytes.count
      let part = try await client.log(of: id, attempt: attempt, offset: Int64(before), follow: false)
      for try await piece in part.body { bytes += piece }
      if bytes.count == before { return String(decoding: bytes, as: UTF8.self) }
    }
  }

  /// Waits until the server has so many bytes of a run's output.
  func printed(_ id: String, bytes count: Int = 1) async throws {
    try await within(20, "run \(id) has printed \(count) bytes") {
      var seen = 0
      var retries = Retries()
      while seen < count {
        do {
          for try await piece in try await self.client.log(of: id, offset: Int64(seen), follow: true).body {
            seen += piece.count
            retries.reset()
            if seen >= count { return }
          }
        } catch let error as APIError {
          try await retries.wait(after: error)
        } catch let error as HTTPClientError {
          try await retries.wait(after: .unreachable(error))
        }
      }
    }
  }

  // MARK: Waiting

  /// Asks again whenever something of the queue or of an agent has changed. Bears the loss of the server.
  func follow<Found: Sendable>(queue: String, _ ask: () async throws -> Found?) async throws -> Found {
    var retries = Retries()
    while true {
      do {
        let stream = try await client.stream(["events"], [("queue", queue)], stall: .seconds(90))
        // However many changes come while it asks, it asks once more.
        let (changes, input) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let reader = Task {
          defer { input.finish() }
          for try await _ in stream.events { input.yield() }
        }
        defer { reader.cancel() }
        if let found = try await ask() { return found }
        retries.reset()
        for await _ in changes {
          if let found = try await ask() { return found }
        }
        try Task.checkCancellation()
      } catch let error as APIError {
        try await retries.wait(after: error)
      } catch let error as HTTPClientError {
        try await retries.wait(after: .unreachable(error))
      }
    }
  }

  func follow(queue: String, _ ask: () async throws -> Bool) async throws {
    let _: Bool = try await follow(queue: queue) { try await ask() ? true : nil }
  }

  /// Waits until a program of a run has written lines into a file of the bench, as `wanted` says of them.
  @discardableResult
  func file(
    _ name: String, within seconds: Double = 15, _ wanted: @escaping @Sendable ([Substring]) -> Bool = { !$0.isEmpty }
  ) async throws -> [Substring] {
    let path = path(name)
    return try await within(seconds, "file \(name) is written") {
      // Files of programs that know nothing of us tell nobody when they change.
      while true {
        if let text = Disk.text(path), text.hasSuffix("\n") || text.isEmpty {
          let lines = text.split(separator: "\n")
          if wanted(lines) { return lines }
        }
        try await Task.sleep(for: .milliseconds(5))
      }
    }
  }
}

extension VisibleState {
  /// Nothing more is expected of the run.
  var isOver: Bool {
    switch self {
    case .killed, .crashed, .failed, .finished: true
    case .idle, .queued, .pending, .running: false
    }
  }
}
