import Arguments
import Client
import Model

extension Lunaport {
  var sweepCommand: Command {
    Command(
      "sweep", "Fill a queue with runs of a job, each with other values of its inputs.",
      discussion: """
        Every combination of the --grid is run. What --random names is drawn: from a range (0:1), a range of magnitudes \
        (log:1e-5:1e-1), whole numbers (int:1:8) or a list; --count times for each combination. The same --seed draws the \
        same values. An input within a table is named by its path, as optimizer.lr.

          lunaport sweep -j train -q gpu --grid lr=0.1,0.01 --grid layers=1,2 --watch
          lunaport sweep -j train -q gpu --random lr=log:1e-5:1e-1 --count 20 --seed 7

        All runs are queued at once, or none; the queue's own concurrency bounds how many run at one time. The config file \
        is that of launch, and --file may hold the sweep: {"grid": {"layers": [1, 2]}, "random": {"lr": {"log": [1e-5, \
        0.1]}}, "count": 20, "seed": 7}.

        With --watch the exit code is 0 if all runs finished, else 1. Ctrl-C leaves the runs running.
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let options = SubmissionOptions(&declare)
      let space = SweepOptions(&declare)
      let name = declare.option(
        "name", short: "n", .string, help: "Names the runs NAME-1, NAME-2 and so on; two words and a number otherwise.")
      let key = declare.option(
        "key", .string, help: "Queues nothing twice: a second try with the same key gives the first one's runs.")
      let plan = declare.flag("plan", help: "Show the values, and queue nothing.")
      let watch = declare.flag("watch", short: "w", help: "Follow the runs until all have ended.")
      let json = declare.json()
      return { values, console in
        var submission = try options.submission(values)
        let client = try server.client(values)
        guard let reference = JobReference(submission.job) else {
          throw LocalFailure("\(submission.job) names no job", hint: "such as train, train:v3 or demo/train:latest")
        }
        let job = try await client.job(reference, entity: submission.entity, project: submission.project)
        // One version for all, whatever becomes of the alias meanwhile.
        submission.job = job.reference
        submission.project = submission.project ?? job.project
        let points = try space.points(values, for: job, submission.overrides?.runConfig ?? [:])
        if values[plan] {
          if values[json] {
            try console.print(Value.array(points.map { .object($0) }).json(pretty: true))
          } else {
            try console.print(SweepText.table(points).rendered(on: console.output))
          }
          return .ok
        }
        try await options.fill(&submission, values, from: client)
        let queue = try await client.queue(named: submission.queue, entity: submission.entity)
        let batch = Self.batch(submission, points, name: values[name], key: values[key] ?? SubmitKey.new())
        let submitted = try await submit(batch, to: client)
        console.report(warnings: submitted.warnings)
        let bound = queue.settings["concurrency"]?.intValue.map { "; at most \($0) run at one time" } ?? ""
        console.report(printable("\(counted(points.count, "run")) of \(job.reference) in \(queue.name)\(bound)"))
        var outcome = Sweeping(points: points, runs: submitted.runs)
        if values[watch] {
          outcome = try await SweepWatch(client: client, console: console, queue: queue.name, entity: queue.entity)
            .follow(outcome)
        }
        if values[json] {
          try console.print(try outcome.document().json(pretty: true))
        } else {
          try console.print(SweepText.table(outcome).rendered(on: console.output))
        }
        return values[watch] && !outcome.runs.allSatisfy { $0.state == .finished } ? .findings : .ok
      }
    }
  }

  /// One submission for each point.
  static func batch(_ submission: Submission, _ points: [[String: Value]], name: String?, key: String) -> [Submission] {
    points.enumerated().map { index, point in
      var overrides = submission.overrides ?? Overrides()
      overrides.runConfig = Sweep.config(point, over: overrides.runConfig ?? [:])
      var one = submission
      one.overrides = overrides
      one.name = name.map { "\($0)-\(index + 1)" }
      one.submitKey = "\(key)-\(index + 1)"
      return one
    }
  }

  /// Submits through short faults: the submit keys keep a second try from making anything twice.
  private func submit(
    _ batch: [Submission], to client: APIClient
  ) async throws -> (runs: [RunView], warnings: [String]) {
    var retries = Retries()
    while true {
      do {
        return try await client.submit(batch)
      } catch {
        try await retries.wait(after: error)
      }
    }
  }
}

/// What a sweep varies, as the command line or a file says it.
private struct SweepOptions: Sendable {
  private let grid: Key<[KeyValue]>
  private let random: Key<[KeyValue]>
  private let count: Key<Int?>
  private let seed: Key<Int?>
  private let most: Key<Int>
  private let file: Key<String?>

  init(_ declare: inout Declaration) {
    grid = declare.options(
      "grid", .keyValue, placeholder: "input=a,b", help: "Values of an input, all of which are run; may be given again."
    )
    random = declare.options(
      "random", .keyValue, placeholder: "input=draw",
      help: "What values of an input are drawn from; may be given again.")
    count = declare.option("count", .integer(1...Limits.bulkRunsMax), help: "Draws for each combination of the grid.")
    seed = declare.option("seed", .integer(0...Int.max), help: "The same seed draws the same values; 0 otherwise.")
    most = declare.option(
      "max", .integer(1...Limits.bulkRunsMax), default: Sweep.pointsDefault, help: "Runs at most; more is an error.")
    file = declare.option("file", short: "f", .file, help: "A JSON file with the sweep; the command line wins over it.")
  }

  /// The points, held against the job's inputs; every problem once, though all points may have it.
  func points(
    _ values: Values, for job: JobVersion, _ config: [String: Value]
  ) throws -> [[String: Value]] {
    var sweep = try values[file].map { try Sweep(document: try Document.read($0)) } ?? Sweep()
    for pair in values[grid] {
      sweep.random[pair.key] = nil
      sweep.grid[pair.key] = Sweep.values(pair.value, for: job.input(pair.key))
    }
    for pair in values[random] {
      sweep.grid[pair.key] = nil
      sweep.random[pair.key] = try Sweep.Draw(pair.value, for: job.input(pair.key))
    }
    sweep.count = values[count] ?? sweep.count
    sweep.seed = values[seed].map(UInt64.init) ?? sweep.seed
    if values[count] != nil, sweep.random.isEmpty {
      throw UsageError("--count is for what is drawn: give --random too.")
    }
    let problems = sweep.problems(most: values[most])
    if let first = problems.first {
      throw LocalFailure(
        first.message, notes: problems.dropFirst().map(\.message), hint: first.hint, exitCode: .usage)
    }
    let points = sweep.points
    if let inputs = job.inputs {
      var told: [Diagnostic] = []
      for point in points {
        for problem in inputs.problems(in: inputs.completed(Sweep.config(point, over: config)))
        where !told.contains(problem) {
          told.append(problem)
        }
      }
      if let first = told.first {
        throw LocalFailure(
          first.message, notes: told.dropFirst().prefix(10).map(\.message), hint: first.help, exitCode: .usage)
      }
    }
    return points
  }
}

extension JobVersion {
  /// What is known of the input with this name or path.
  fileprivate func input(_ path: String) -> Input? {
    inputs?.input(at: path.split(separator: ".").map(String.init))
  }
}
