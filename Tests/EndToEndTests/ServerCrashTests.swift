import Glibc
import Model
import Processes
import Testing

@testable import EndToEndTesting

/// Servers that are killed in the middle of work.
struct ServerCrashTests {
  @Test func aServerKilledInTheMiddleLosesNothing() async throws {
    try await scenario(75) { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      let server = try await bench.serve()
      try await bench.job("work", Work.script(bench, gate))
      let agent = try await bench.agent("one", ["local"], maxJobs: Work.places)
      var ids = try await bench.launch(Work.submissions())
      try await Work.halfway(bench)
      // One after the other, until the server dies: what was answered has to be there afterwards.
      let answered = Task {
        var known: [String] = []
        while let run = try? await bench.launch("work") { known.append(run.id) }
        return known
      }
      try await bench.follow(queue: "local") {
        let queued = try await bench.client.queue(entity: "default", name: "local").counts["Queued"] ?? 0
        return queued >= Work.count - Work.short - Work.places + 10
      }
      try await server.crash()
      let known = await answered.value
      #expect(known.count >= 5)
      ids += known
      // Runs end while there is no server.
      bench.open("gate")
      try await bench.file("ends") { $0.count >= Work.short + Work.places }
      #expect(agent.isRunning)
      try await bench.serve(again: true)
      // One more may have been taken that nobody was told of.
      let all = try await bench.runs(on: "local").map(\.id)
      #expect(Set(ids).isSubset(of: all))
      #expect(all.count <= ids.count + 1)
      try await Work.verify(bench, all)
      #expect(agent.isRunning)
    }
  }

  @Test func aServerAndItsAgentKilledTogetherLoseNothing() async throws {
    try await scenario(75) { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      let server = try await bench.serve()
      try await bench.job("work", Work.script(bench, gate))
      let agent = try await bench.agent("one", ["local"], maxJobs: Work.places)
      let ids = try await bench.launch(Work.submissions())
      try await Work.halfway(bench)
      server.send(SIGKILL)
      try await agent.crash()
      try await server.crash()
      bench.open("gate")
      try await bench.file("ends") { $0.count >= Work.short + Work.places }
      // The agent comes back first, and waits for its server.
      _ = try await bench.agent("one", ["local"], maxJobs: Work.places)
      try await bench.serve(again: true)
      try await Work.verify(bench, ids)
    }
  }

  @Test func upKilledInTheMiddleLosesNothing() async throws {
    try await scenario(75) { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      let up = try await bench.up("--max-jobs", String(Work.places))
      try await bench.job("work", Work.script(bench, gate))
      let ids = try await bench.launch(Work.submissions())
      try await Work.halfway(bench)
      try await up.crash()
      bench.open("gate")
      try await bench.serve("up", ["--max-jobs", String(Work.places)], again: true)
      try await Work.verify(bench, ids)
    }
  }

  /// Everything dies at once, as when the power fails: server, agent, what holds the programs, and the programs.
  @Test func aMachineThatRestartsTellsWhatItLostAtOnce() async throws {
    try await scenario { bench in
      try bench.queue("local")
      try bench.queue("again", "retry = { max = 1, on = { \"lost\" } },")
      let up = try await bench.up()
      try await bench.job("wait", "echo attempt $LUNAPORT_ATTEMPT; [ $LUNAPORT_ATTEMPT = 2 ] || sleep 1000")
      let lost = try await bench.launch("wait").id
      let again = try await bench.launch("wait", on: "again").id
      for id in [lost, again] {
        try await bench.run(id, is: .running)
        try await bench.printed(id)
      }
      up.send(SIGKILL)
      for held in bench.runProcesses() { kill(held.process, SIGKILL) }
      try await up.crash()
      try await bench.serve("up", again: true)
      let crashed = try await bench.end(of: lost)
      #expect(crashed.state == .crashed && crashed.reason == .lost, "\(crashed)")
      let second = try await bench.run(again, is: .finished)
      #expect(second.attempt == 2 && second.retries == 1, "\(second)")
      #expect(try await bench.log(again) == "attempt 2\n")
      #expect(try await bench.log(again, attempt: 1) == "attempt 1\n")
    }
  }

  /// A program that prints all the time, while its agent and its server are killed again and again.
  @Test func noByteOfALogIsLostOrDoubled() async throws {
    try await scenario(75) { bench in
      try bench.queue("local")
      var server = try await bench.serve()
      // Lines of 1,000 bytes, 3 MB of them, over some seconds.
      try await bench.job(
        "print",
        """
        tail=$(head -c 993 /dev/zero | tr '\\0' x)
        i=100000; while [ $i -lt 103000 ]; do echo "$i$tail"; i=$((i+1)); [ $((i%20)) = 0 ] && sleep 0.03; done
        """)
      var agent = try await bench.agent("one", ["local"])
      let run = try await bench.launch("print").id
      for round in 1...6 {
        try await bench.printed(run, bytes: round * 300_000)
        switch round % 3 {
        case 0:
          try await agent.crash()
          agent = try await bench.agent("one", ["local"])
        case 1:
          try await server.crash()
          server = try await bench.serve(again: true)
        default:
          server.send(SIGKILL)
          try await agent.crash()
          try await server.crash()
          agent = try await bench.agent("one", ["local"])
          server = try await bench.serve(again: true)
        }
      }
      let ended = try await bench.end(of: run, within: 40)
      #expect(ended.state == .finished && ended.attempt == 1 && ended.logSize == 3_000_000, "\(ended)")
      let tail = String(repeating: "x", count: 993)
      let log = try await bench.log(run)
      // Not in the expectation itself: nobody wants to read 3 MB twice.
      let isWhole = log == (100_000..<103_000).map { "\($0)\(tail)\n" }.joined()
      #expect(isWhole, "\(log.utf8.count) bytes")
    }
  }

  @Test func aWatchGoesOnAfterTheServerWasAway() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      let server = try await bench.serve()
      try await bench.job("wait", "echo one; read _ <\(gate); echo two")
      _ = try await bench.agent("one", ["local"])
      let watch = try bench.start("launch", ["launch", "-j", "wait", "-q", "local", "-p", "p", "--watch"])
      try await within(10, "the first line is seen") { try await watch.output.line { $0 == "one" } }
      try await server.crash()
      bench.open("gate")
      try await bench.serve(again: true)
      let end = try await within(20, "the watch ends") { try await watch.end() }
      #expect(end == Program.End(code: 0, signal: 0), "\(watch.errors.text)")
      #expect(watch.output.text == "one\ntwo\n")
    }
  }

  @Test func aLaunchThatTheServerDiesOnMakesOneRun() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let server = try await bench.serve()
      try await bench.job("quick", "true")
      // It takes the connection and never answers.
      server.send(SIGSTOP)
      let launch = try bench.start("launch", ["launch", "-j", "quick", "-q", "local", "-p", "p", "--json"])
      try await within(10, "the server is asked") { try await bench.isAsked(server) }
      server.send(SIGCONT)
      server.send(SIGKILL)
      try await server.crash()
      try await bench.serve(again: true)
      #expect(try await within(20, "the launch ends") { try await launch.end() }.code == 0, "\(launch.errors.text)")
      let id = try Value(json: launch.output.text)["id"]?.stringValue
      #expect(try await bench.runs(on: "local").map(\.id) == [id])
    }
  }
}

extension Bench {
  /// Waits until a connection to the server has bytes that it has not read.
  func isAsked(_ server: Program) async throws {
    let url = try #require(self.server.withLock { $0 }).url
    let port = try #require(url.split(separator: ":").last.flatMap { UInt16($0) })
    let wanted = ":" + String(port, radix: 16, uppercase: true)
    while true {
      // Columns of /proc/net/tcp: number, own address, other address, state, queues as SENT:UNREAD, ...
      let lines = Disk.text("/proc/net/tcp", limit: 1 << 22)?.split(separator: "\n") ?? []
      for line in lines {
        let parts = line.split(separator: " ")
        guard parts.count > 4, parts[1].hasSuffix(wanted), parts[3] == "01" else { continue }
        if parts[4].split(separator: ":").last.map({ $0 != "00000000" }) ?? false { return }
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }
}
