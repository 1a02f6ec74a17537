import Agent
import AgentTesting
import Glibc
import Model
import Processes
import Scripting
import Synchronization
import Testing

/// A place for one test: a folder, a server in memory, processes, and the lives of an agent.
final class Site: Sendable {
  let root: String
  let server: FakeServer
  let processes: Processes
  let clock: AgentClock
  let events = Mutex<[AgentEvent]>([])

  /// - Parameter speed: how many times faster than real the clock of agent and server goes.
  init(speed: Double = 1) throws {
    root = "/tmp/lunaport-test-\(UInt64.random(in: 0...UInt64.max))"
    try Disk.makeFolder(root)
    let real = AgentClock.system
    let begin = real.uptime()
    clock = AgentClock(
      now: { 1_700_000_000 + (real.uptime() - begin) * speed }, uptime: { begin + (real.uptime() - begin) * speed },
      sleep: { try await real.sleep($0 / speed) }, random: { 0.5 }, machineStart: "test")
    server = FakeServer(clock: clock)
    processes = try Processes(root: "\(root)/processes", cgroups: .none)
  }

  deinit {
    for token in processes.tokens() where processes.status(of: token).isRunning {
      processes.stop(token, grace: 0)
    }
    try? Disk.remove(root)
  }

  var data: String { "\(root)/data" }

  func agent(
    drivers: [any Driver]? = nil, builders: [any Builder] = [], maxJobs: Int = 16, macros: [String: String] = [:],
    processes: Processes? = nil
  ) -> RunningAgent {
    let processes = processes ?? self.processes
    return RunningAgent(
      AgentSettings(
        name: "tester", host: "here", queues: ["q"], maxJobs: maxJobs, data: data,
        drivers: drivers ?? [HeldDriver(processes)], builders: builders, macros: macros, local: processes),
      server, clock: clock
    ) { event in self.events.withLock { $0.append(event) } }
  }

  /// Processes as a new life of the agent sees them, which knows only what is on the disk.
  func reborn() throws -> Processes { try Processes(root: "\(root)/processes", cgroups: .none) }

  /// A life of an agent, ended with `body`.
  func living<T>(_ agent: RunningAgent, _ body: () async throws -> T) async throws -> T {
    let life = Task { await agent.run() }
    defer { life.cancel() }
    let result = try await withTaskCancellationHandler {
      try await body()
    } onCancel: {
      life.cancel()
    }
    life.cancel()
    guard case .stopped = await life.value else {
      Issue.record("the agent ended by itself")
      return result
    }
    return result
  }

  /// Runs a shell script as a run, to its end.
  func run(_ script: String, id: String = "aaaaaaaa", _ change: (inout RunSpec) -> Void = { _ in }) async throws -> Run
  {
    try await submit(script, id: id, change)
    return try await server.settled(id)
  }

  func submit(
    _ script: String, id: String = "aaaaaaaa", retry: RetryPolicy = .never, attempts: Int = 0,
    _ change: (inout RunSpec) -> Void = { _ in }
  ) async throws {
    var spec = RunSpec.code(try await server.source(["!run.sh": "#!/bin/sh\n" + script + "\n"]), ["./run.sh"])
    change(&spec)
    await server.submit(id, spec, retry: retry, attempts: attempts)
  }

  func events(_ name: String) -> [AgentEvent] { events.withLock { $0.filter { $0.name == name } } }

  /// Waits until the agent has cleared a run away.
  func cleared(_ token: String) async throws {
    while Disk.exists("\(data)/agent/work/\(token)") || processes.tokens().contains(token) {
      try await Task.sleep(for: .milliseconds(2))
    }
  }
}

extension RunSpec {
  static func code(_ manifest: String, _ entryPoint: [String], target: String = "process") -> RunSpec {
    RunSpec(
      job: nil, source: Source(kind: .code, manifest: manifest, entryPoint: entryPoint), overrides: Overrides(),
      target: target, resource: .object([:]), needs: [], timeout: nil, grace: 5, retriesLost: false, generation: 1)
  }
}
