import Glibc
import Model
import Testing

@testable import EndToEndTesting

/// Agents that are not heard from for longer than a lease holds.
struct FenceTests {
  /// One agent is killed for good, on a queue that lets lost runs be started again; another sleeps through the end of
  /// its lease, on a queue that does not. Both in one, for a lease takes half a minute to end.
  @Test func aLostRunIsStartedElsewhereOnlyWhenItsFirstAttemptHasEnded() async throws {
    try await scenario(90) { bench in
      try bench.queue("local", "retry = { max = 1, on = { \"lost\" } },")
      try bench.queue("kept")
      let gate = bench.gate("gate")
      _ = try await bench.up("--no-agent")
      // Stamps in nanoseconds for as long as it lives; a stray child would go on stamping.
      try await bench.job(
        "stamp",
        """
        (while :; do date +%s%N >>\(bench.path("stamps")).$LUNAPORT_ATTEMPT; sleep 0.05; done) &
        read _ <\(gate); kill $!
        """)
      try await bench.job("wait", "echo x >>\(bench.path("starts")); echo one; read _ <\(gate); echo two")
      let sleeper = try await bench.agent("sleeper", ["kept"])
      let kept = try await bench.launch("wait", on: "kept").id
      try await bench.run(kept, is: .running)
      sleeper.send(SIGSTOP)

      let first = try await bench.agent("first", ["local"])
      let run = try await bench.launch("stamp").id
      try await bench.run(run, is: .running)
      try await bench.file("stamps.1")
      _ = try await bench.agent("second", ["local"])
      try await bench.polls("second", "local")
      let held = bench.runProcesses().filter { $0.folder.contains(run) }.map(\.process)
      #expect(held.count >= 2)
      try await first.crash()
      let again = try await bench.run(run, within: 60, "is started again") { $0.attempt == 2 && $0.state == .running }
      #expect(again.retries == 1)
      for process in held { #expect(!isAlive(process), "process \(process) of the first attempt is alive") }
      try await bench.file("stamps.2") { $0.count >= 3 }
      // Nobody may start the other one again. It is taken for lost, until its agent is heard from.
      let lost = try await bench.run(kept, is: .crashed, within: 40)
      #expect(lost.reason == .lost && lost.innerState == .lost)
      sleeper.send(SIGCONT)
      try await bench.run(kept, is: .running)
      bench.open("gate")
      let found = try await bench.run(kept, is: .finished)
      #expect(found.attempt == 1)
      #expect(try await bench.log(kept) == "one\ntwo\n")
      #expect(bench.read("starts") == "x\n")
      let ended = try await bench.end(of: run)
      #expect(ended.state == .finished && ended.attempt == 2)
      let last = try #require(bench.read("stamps.1")?.split(separator: "\n").last.flatMap { Int64($0) })
      let next = try #require(bench.read("stamps.2")?.split(separator: "\n").first.flatMap { Int64($0) })
      #expect(last < next, "the attempts overlap by \(Double(last - next) / 1e9) s")
    }
  }
}
