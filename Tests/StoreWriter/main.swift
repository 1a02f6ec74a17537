import Glibc
import Model
import Storage

// Writes into the store of a folder from many tasks, and says what was acknowledged, a line each, until it is killed:
// `queued ID`, `leased ID EPOCH`, `ended ID`. A test kills it and looks whether all of that is there. With `prune` it
// deletes what has ended all the while.

let store = try SQLiteStore(folder: CommandLine.arguments[1])
let prunes = CommandLine.arguments.contains("prune")
let queue = QueueID(entity: "research", name: "cpu")

@Sendable func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  // One write of a short line into a pipe is never split.
  if write(1, bytes, bytes.count) != bytes.count { exit(1) }
}

@Sendable func work(_ agent: String) async throws {
  let hello = AgentHello(name: agent, host: "host", queues: ["cpu"], maxJobs: 1, offer: Offer())
  _ = try await store.register(hello, id: agent, entity: "research", account: "robot", refusal: nil, now: 1_000)
  let spec = RunSpec(
    job: nil, source: Source(kind: .code, entryPoint: ["train.py"]), overrides: Overrides(), target: "process",
    resource: ["size": 1], needs: [], timeout: nil, grace: 1, retriesLost: false, generation: 1)
  while true {
    let runs = (0..<2).map { _ in
      NewRun(
        Run(
          id: "", name: "", entity: "research", project: "p", queue: queue, spec: spec, author: "ann", createdAt: 1_000)
      )
    }
    for made in try await store.enqueue(runs, identity: .random, now: 1_000) { say("queued \(made.run.id)") }
    let leased = try await store.lease(
      to: agent, from: [LeaseQueue(queue, covers: { _ in true })], room: 1, now: 1_000)
    for run in leased {
      say("leased \(run.id) \(run.epoch)")
      let holding = Holding(run: run.id, attempt: run.attempt, epoch: run.epoch)
      let updates = [
        RunUpdate(holding, state: .building, at: 1_001), RunUpdate(holding, state: .starting, at: 1_001),
        RunUpdate(holding, ending: .exited(0), at: 1_002),
      ]
      let receipt = try await store.report(AgentReport(holding: [], updates: updates), from: agent, now: 1_002)
      if receipt.refusals == [nil, nil, nil] { say("ended \(run.id)") }
      if prunes { _ = try await store.prune(endedBefore: 2_000) }
    }
  }
}

try await withThrowingTaskGroup(of: Void.self) { group in
  for number in 0..<8 {
    group.addTask { try await work("agent-\(getpid())-\(number)") }
  }
  try await group.waitForAll()
}
