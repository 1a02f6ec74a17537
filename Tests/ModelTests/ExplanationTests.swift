import Testing

@testable import Model

/// What `explain` says in each situation a waiting run can be in, and that it names what would move it.
struct ExplanationTests {
  let needs = [Need(.driver(target: "process"), why: "the queue's target")]

  func agent(
    _ name: String, heartbeat: Double = 100, health: Probe.Health = .healthy, maxJobs: Int = 2, draining: Bool = false
  ) -> Agent {
    let offer = Offer(drivers: [
      .init(target: "process", version: "1.0.0", provides: [], probe: Probe(health, detail: "no shim"))
    ])
    var agent = Agent(
      id: "id-\(name)", hello: AgentHello(name: name, host: "h", queues: ["q"], maxJobs: maxJobs, offer: offer),
      entity: "e", account: "a", refusal: nil, now: heartbeat)
    agent.draining = draining
    return agent
  }

  func explain(
    _ agents: [Agent], gate: QueueGate = .open, queue: Bool = true, concurrency: Int? = nil, live: Int = 0,
    jobs: [String: Int] = [:], ahead: Int = 3, change: (inout Run) -> Void = { _ in }
  ) -> Explanation {
    var run = RunAdvanceTests.run()
    run.queuedAt = 90
    change(&run)
    let definition = Queue(
      name: "q", entity: "e", target: "process", resource: .table([:], Origin(.queue("q"))), needs: needs,
      concurrency: concurrency, place: Place(file: "queues.d/q.lua", line: 1))
    return Explanation(
      .init(
        run: run, queue: queue ? definition : nil, gate: gate, ahead: ahead, live: live, agents: agents, jobs: jobs,
        now: 100))
  }

  @Test func aWaitingRunSaysWhatItWaitsFor() {
    #expect(explain([]).summary == "run abcd1234 has waited 10s in queue q: no active agent polls the queue")
    #expect(explain([]).help == ["start one: lunaport agent -q e/q"])
    #expect(explain([agent("a", heartbeat: 0)]).facts == ["agent a was last heard from 1m40s ago"])
    #expect(explain([agent("a")], gate: .paused).summary.contains("the queue is paused"))
    #expect(explain([agent("a")], queue: false).summary.contains("no longer in the configuration"))
    #expect(
      explain([agent("a", health: .unhealthy)]).facts == [
        "agent a lacks driver process (needed because the queue's target): driver `process` is installed, but its probe says: no shim"
      ])
    #expect(explain([agent("a", draining: true)]).summary.contains("draining"))
    #expect(explain([agent("a")], concurrency: 4, live: 4).summary.contains("the queue's 4 places are all taken"))
    #expect(
      explain([agent("a")], jobs: ["id-a": 2]).facts == ["agent a works on 2 of 2", "3 runs are ahead of it"])
    let alone = explain([agent("a")], concurrency: 1, live: 1, ahead: 0)
    #expect(alone.summary.hasSuffix("the queue's only place is taken"))
    #expect(alone.facts == ["no other is ahead of it"])
    #expect(explain([agent("a")], ahead: 1).facts == ["1 run is ahead of it"])
    #expect(explain([agent("a")]).summary.contains("is next for agent a"))
    #expect(explain([agent("a")]) { $0.notBefore = 130 }.summary.contains("due in 30s"))
  }

  @Test func aRunSaysThatItWaitsForTheBuilderThatItsQueueNames() {
    var other = agent("a")
    other.offer.builders = [
      .init(name: "docker-build", sources: [.code], targets: ["process"], probe: Probe(.healthy))
    ]
    let source = Source(kind: .code, entryPoint: ["t.py"], requirements: "requirements.txt")
    let explained = explain([other]) { run in
      run.spec.needs = [Need.needs(of: source, target: "process", targetTakes: [.codeSource], builder: "kaniko")[1]]
    }
    #expect(explained.summary.hasSuffix("no active agent that polls the queue can run it"))
    #expect(
      explained.facts == [
        "agent a lacks builder kaniko of code for process (needed because the job declares dependencies "
          + "(requirements.txt), and the queue names its builder): no builder `kaniko` is installed; installed: docker-build"
      ])
  }

  @Test func aRunMadeForAnotherTargetThanItsQueueHasNowIsToldSo() {
    let left = explain([agent("a")]) { $0.spec.target = "slurm" }
    #expect(left.summary.hasSuffix("queue q, which runs on process by now; the run was made for slurm"))
    #expect(left.help == ["stop it and launch its job again: lunaport run stop abcd1234"])
  }

  @Test func aRunThatItsTargetLetsWaitSaysWhyAndHowToWaitNoLonger() {
    let pending = explain([agent("a")]) { run in
      run.state = .starting
      run.agent = "id-a"
      run.message = "no node has room for it"
    }
    #expect(pending.summary == "run abcd1234 is pending: agent a has it, and its target has not started it yet")
    #expect(pending.facts == ["no node has room for it"])
    #expect(pending.help == ["to wait no longer: lunaport run stop abcd1234"])
  }

  @Test func anEndedRunSaysHowItEndedAndHowToRunItAgain() {
    func ended(_ ending: Ending) -> Explanation {
      explain([]) { run in
        run.state = ending.state
        run.reason = ending.reason
        run.exitCode = ending.exitCode
        run.signal = ending.signal
      }
    }
    #expect(ended(.exited(3)).summary == "run abcd1234 failed: its program exited with code 3")
    #expect(ended(.signalled(9)).summary.contains("crashed: its program was ended by signal 9"))
    #expect(ended(Ending(.lost, .lost)).summary.contains("the work may still be alive"))
    let known = explain([]) { run in
      run.state = .lost
      run.reason = .lost
      run.message = "the program is gone"
    }
    #expect(known.summary.hasSuffix("contact with it was lost"), "what is known to be gone is not alive")
    #expect(ended(.exited(3)).help.contains("to run it again: lunaport run retry abcd1234"))
    #expect(ended(.exited(0)).summary == "run abcd1234 finished: its program exited with code 0")
  }

  @Test func aLiveRunNamesItsAgent() {
    let live = explain([agent("a")]) { run in
      run.state = .running
      run.agent = "id-a"
      run.startedAt = 70
    }
    #expect(live.summary == "run abcd1234 is running on agent a")
    #expect(live.facts == ["it started 30s ago"])
  }
}
