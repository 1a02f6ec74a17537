import Model
import Testing

/// Runs that tell what became of them: each notes its start and its end in a file, so that a second start cannot hide,
/// and prints lines that tell a lost byte from a doubled one.
enum Work {
  static let lines = 200
  static let count = 20
  static let short = 6
  static let places = 8

  /// Prints, waits at the gate where its argument says so, prints again.
  static func script(_ bench: Bench, _ gate: String = "/dev/null") -> String {
    """
    echo $LUNAPORT_RUN_ID >>\(bench.path("starts"))
    i=0; while [ $i -lt \(lines) ]; do echo "$LUNAPORT_RUN_ID line $i"; i=$((i+1)); done
    [ "$1" = wait ] && read _ <\(gate)
    echo "$LUNAPORT_RUN_ID last"
    echo $LUNAPORT_RUN_ID >>\(bench.path("ends"))
    """
  }

  /// Twenty runs: the first few end at once, the others wait at the gate.
  static func submissions() -> [Submission] {
    (0..<count).map { index in
      Submission(
        job: "work", queue: "local", project: "p", overrides: Overrides(args: index < short ? [] : ["wait"]))
    }
  }

  /// Waits until some runs have ended, some run and some wait.
  static func halfway(_ bench: Bench) async throws {
    try await bench.counts([.finished: short, .running: places])
  }

  /// These are all runs of their queues. Each has ended well, was started once, and its log is whole.
  /// - Parameter attempts: most attempts that a run may have had; one that was leased and never started is no start.
  static func verify(
    _ bench: Bench, _ ids: [String], on queues: [String] = ["local"], within seconds: Double = 40, attempts: Int = 1
  ) async throws {
    var found: [RunView] = []
    for queue in queues {
      let all = try await bench.runs(on: queue).map(\.id)
      found += try await bench.ends(of: all, on: queue, within: seconds)
    }
    #expect(found.map(\.id).sorted() == ids.sorted())
    for run in found {
      #expect(run.state == .finished && run.attempt <= attempts && run.retries == 0, "\(run)")
      let wanted = (0..<lines).map { "\(run.id) line \($0)\n" }.joined() + "\(run.id) last\n"
      let log = try await bench.log(run.id)
      let isWhole = log == wanted
      #expect(isWhole, "the log of \(run.id) has \(log.utf8.count) bytes of \(wanted.utf8.count)")
    }
    for file in ["starts", "ends"] {
      let noted = (bench.read(file) ?? "").split(separator: "\n").map(String.init)
      let isOnce = noted.sorted() == ids.sorted()
      #expect(isOnce, "\(file): \(noted.count) of \(ids.count)")
    }
    #expect(bench.runProcesses().isEmpty)
    try await bench.isTidy()
  }
}
