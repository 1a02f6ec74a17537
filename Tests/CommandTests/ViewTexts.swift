import Arguments
import Model
import Scripting

@testable import lunaport

/// Views with fixed content, for texts that people read.
enum Views {
  static func run(
    _ id: String = "abc12345", _ state: RunState = .running, reason: Reason? = nil, exitCode: Int? = nil,
    signal: Int? = nil, message: String? = nil, served: Bool = true, attempt: Int = 1, retries: Int = 0
  ) -> RunView {
    let source = Source(kind: .code, manifest: "m", entryPoint: ["python3", "train.py"])
    let job = JobVersion(
      entity: "research", project: "demo", name: "job-train.py", version: 3, aliases: ["latest"], source: source,
      digest: "d", author: "alice", createdAt: testTime - 86_400)
    var run = Run(
      id: id, name: "resilient-snowball-7", entity: "research", project: "demo",
      queue: QueueID(entity: "research", name: "gpu"),
      spec: RunSpec(
        job: job, source: source,
        overrides: Overrides(args: ["--epochs", "3", "two words"], runConfig: ["lr": 0.1, "name": "x"]),
        target: "process", resource: ["memory": "4Gi", "shell": false], needs: [], timeout: nil, grace: 10,
        retriesLost: false, generation: 1),
      priority: .high, author: "alice", state: state, createdAt: testTime - 600)
    run.reason = reason
    run.exitCode = exitCode
    run.signal = signal
    run.message = message
    run.attempt = attempt
    run.retries = retries
    run.agent = attempt > 0 ? "box-1" : nil
    run.startedAt = state == .queued || state == .building ? nil : testTime - 185
    run.finishedAt = state.isSettled ? testTime - 60 : nil
    run.logSize = 12_345
    return RunView(run, served: served, now: testTime)
  }

  static let queue: QueueView = {
    let memory = Schema(.size(min: 16 << 20, max: nil), isRequired: true, doc: "memory of the run")
    let gpus = Schema(.int(min: 1, max: 8), defaultValue: 1)
    let queue = Queue(
      name: "gpu", entity: "research", target: "process", resource: .table([:], Origin(.queue("gpu"))),
      variables: ["memory": memory, "gpus": gpus], place: Place(file: "queues.d/gpu.lua", line: 3, column: 1))
    return QueueView(
      queue, gate: .open, counts: [.queued: 4, .running: 2, .failed: 1], agents: ["box-1"],
      refused: ["box-2 lacks driver slurm: no driver of target `slurm` is installed"],
      settings: ["target": "process", "concurrency": 4, "priorities": true])
  }()

  static let agent: AgentView = {
    let hello = AgentHello(
      name: "box-1", host: "box-1.example", queues: ["gpu", "cpu"], maxJobs: 4,
      offer: Offer(drivers: [.init(target: "process", version: "1.0.0", provides: [.stop], probe: Probe(.healthy))]))
    var agent = Agent(
      id: "ag1", hello: hello, entity: "research", account: "admin", refusal: nil, now: testTime - 3_600)
    agent.heartbeatAt = testTime - 4
    return AgentView(agent, jobs: 2, gaps: [], now: testTime)
  }()
}

/// A terminal of 100 columns with colours.
let colourTerminal = Terminal(isTerminal: true, columns: 100)
