import Glibc
import Model
import Processes
import Synchronization
import Testing

@testable import EndToEndTesting

/// Everything is killed at any moment, for a while, under load. `LUNAPORT_CHAOS=200` kills that often.
struct ChaosTests {
  static let rounds = BaseEnvironment.variable("LUNAPORT_CHAOS").flatMap(Int.init) ?? 8
  static let agents = ["one", "two"]

  @Test func nothingIsLostRepeatedOrStuck() async throws {
    // Each round takes less than two seconds on a slow machine.
    try await scenario(60 + Double(ChaosTests.rounds) * 3) { bench in
      try bench.queue("local")
      // Its runs end by themselves when their agent is away for long.
      try bench.queue("fenced", "retry = { max = 1, on = { \"lost\" } },")
      var server = try await bench.serve()
      try await bench.job("work", Work.script(bench) + "\nsleep 0.$(($$ % 5))")
      var agents: [String: Program] = [:]
      for name in ChaosTests.agents { agents[name] = try await bench.agent(name, ["local", "fenced"], maxJobs: 4) }
      let isOver = Mutex(false)
      let submitter = Task {
        var known: [String] = []
        var number = 0
        while !isOver.withLock({ $0 }) {
          number += 1
          let key = "chaos-\(number)"
          // Until it is answered: the key makes one run of all tries.
          while true {
            let queue = number % 2 == 0 ? "local" : "fenced"
            if let run = try? await bench.launch("work", on: queue, { $0.submitKey = key }) {
              known.append(run.id)
              break
            }
            try await Task.sleep(for: .milliseconds(20))
          }
          try await Task.sleep(for: .milliseconds(40))
        }
        return known
      }
      for _ in 0..<ChaosTests.rounds {
        try await Task.sleep(for: .milliseconds(Int.random(in: 50...700)))
        let victims = [["server"], ["one"], ["two"], ["one", "two"], ["server", "one"], ["server", "one", "two"]]
        let chosen = victims.randomElement() ?? []
        for name in chosen { (agents[name] ?? server).send(SIGKILL) }
        for name in chosen { try await (agents[name] ?? server).crash() }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...300)))
        for name in chosen.shuffled() {
          if name == "server" {
            server = try await bench.serve(again: true)
          } else {
            agents[name] = try await bench.agent(name, ["local", "fenced"], maxJobs: 4)
          }
        }
      }
      isOver.withLock { $0 = true }
      let ids = try await submitter.value
      #expect(ids.count > ChaosTests.rounds)
      // Less than a lease's length: what was leased to an agent that died is not waited for.
      try await Work.verify(bench, ids, on: ["local", "fenced"], within: 25, attempts: 3)
    }
  }
}
