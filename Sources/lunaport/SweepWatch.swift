import Arguments
import Client
import Glibc
import Model

/// The runs of a sweep, each with its values, in the order of the points.
struct Sweeping: Sendable {
  var points: [[String: Value]]
  var runs: [RunView]

  /// For programs.
  func document() throws -> Value {
    .array(
      zip(points, runs).map { point, run in
        [
          "run": .string(run.id), "name": .string(run.name), "state": .string(run.state.rawValue),
          "exit_code": run.exitCode.map { .int(Int64($0)) } ?? .null,
          "duration": run.duration.map(Value.double) ?? .null, "values": .object(point),
        ]
      })
  }
}

/// Follows the runs of a sweep to their ends: each end is told once, and a line moves on a terminal.
struct SweepWatch: Sendable {
  let client: APIClient
  let console: Console
  let queue: String
  let entity: String

  /// Throws `InterruptedSweep` when the person presses Ctrl-C, which leaves the runs running.
  func follow(_ sweep: Sweeping) async throws -> Sweeping {
    defer { console.show(nil) }
    return try await withThrowingTaskGroup(of: Sweeping?.self) { group in
      group.addTask { try await ends(of: sweep) }
      group.addTask {
        for await _ in Signals.stream([SIGINT, SIGTERM]) {
          throw InterruptedSweep(count: sweep.runs.count, queue: queue)
        }
        return nil
      }
      defer { group.cancelAll() }
      while let outcome = try await group.next() { if let outcome { return outcome } }
      throw CancellationError()
    }
  }

  private func ends(of sweep: Sweeping) async throws -> Sweeping {
    var sweep = sweep
    let places = Dictionary(
      sweep.runs.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    // A key that was used before may give runs that have ended already.
    var isOpen = Set(places.keys)
    for try await view in client.changes(ofRuns: Set(places.keys), queue: queue, entity: entity) {
      guard let place = places[view.id] else { continue }
      sweep.runs[place] = view
      if view.state.isEnd, isOpen.remove(view.id) != nil {
        let line = "\(view.id) " + console.errors.paint(printable(view.stateText), view.state.style)
        console.report(line + printable(": " + SweepText.values(sweep.points[place])))
      }
      if isOpen.isEmpty { return sweep }
      let running = sweep.runs.filter { $0.state == .running }.count
      console.show(
        Progress("\(counted(running, "run")) running", done: sweep.runs.count - isOpen.count, of: sweep.runs.count))
    }
    throw CancellationError()
  }
}

/// A person left the sweep that they watched.
struct InterruptedSweep: CommandFailure {
  let count: Int
  let queue: String

  /// As shells report an end by SIGINT.
  let exitCode = ExitCode(rawValue: 128 + SIGINT)

  func report(on terminal: Terminal) -> String {
    "the \(counted(count, "run")) go on without you.\n" + terminal.paint("help:", .bold, .cyan)
      + " to look at them: lunaport run list -q \(queue)"
  }
}

enum SweepText {
  /// `lr=0.1 optimizer.name=adam`
  static func values(_ point: [String: Value]) -> String {
    point.keys.sorted().map { "\($0)=\(text(point[$0] ?? .null))" }.joined(separator: " ")
  }

  private static func text(_ value: Value) -> String { value.stringValue ?? value.json() }

  static func table(_ points: [[String: Value]]) -> Table {
    let names = names(points)
    var table = Table(names.map { .init($0, .right) })
    for point in points { table.append(names.map { .init(text(point[$0] ?? .null)) }) }
    return table
  }

  static func table(_ sweep: Sweeping) -> Table {
    let names = names(sweep.points)
    var table = Table(
      [.init("RUN"), .init("NAME"), .init("STATE"), .init("EXIT", .right), .init("DURATION", .right)]
        + names.map { .init($0, .right) })
    for (point, run) in zip(sweep.points, sweep.runs) {
      table.append(
        [
          .init(run.id, .bold), .init(run.name), .init(run.state.rawValue, run.state.style),
          .init(run.exitCode.map(String.init) ?? ""), .init(length(run.duration)),
        ] + names.map { .init(text(point[$0] ?? .null)) })
    }
    return table
  }

  private static func names(_ points: [[String: Value]]) -> [String] {
    Set(points.flatMap(\.keys)).sorted()
  }
}
