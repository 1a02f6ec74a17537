import Glibc
import Model
import Processes
import Testing

@testable import EndToEndTesting

/// The ways in which a run comes to its end.
struct EndingTests {
  @Test func aFailingScriptFailsWithItsCode() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try await bench.job("bad", "echo trying; exit 3")
      let watched = try await bench.lunaport("launch", "-j", "bad", "-q", "local", "-p", "p", "--watch")
      #expect(watched.code == 3)
      #expect(watched.output == "trying\n")
      let run = try #require(try await bench.runs(on: "local").first)
      #expect(run.state == .failed && run.exitCode == 3 && run.reason == .exit && run.signal == nil)
      let explained = try await bench.lunaport("explain", run.id)
      #expect(explained.output.contains("3"), "\(explained.output)")
    }
  }

  @Test func aStoppedRunIsKilledWithEverythingItStarted() async throws {
    try await scenario { bench in
      try bench.queue("local", "grace = \"1s\",")
      _ = try await bench.up("--max-jobs", "3")
      // One child in its group, one that left it for a session of its own, and nobody waits for that one.
      try await bench.job(
        "family",
        """
        sleep 1000 & echo $! >>\(bench.path("family.pids"))
        (setsid sh -c 'echo $$ >>\(bench.path("family.pids")); exec sleep 1000' &)
        sleep 1000
        """)
      try await bench.job(
        "polite",
        "trap 'echo bye; exit 0' TERM; echo $$ >>\(bench.path("polite.pids")); echo up; sleep 1000 & wait")
      try await bench.job(
        "stubborn", "trap '' TERM; echo $$ >>\(bench.path("stubborn.pids")); while :; do sleep 1000; done")
      let family = try await bench.launch("family").id
      let polite = try await bench.launch("polite").id
      let stubborn = try await bench.launch("stubborn").id
      var pids = try await bench.file("family.pids") { $0.count == 2 }
      pids += try await bench.file("polite.pids")
      pids += try await bench.file("stubborn.pids")
      let stop = try await bench.lunaport("run", "stop", family, polite, stubborn)
      #expect(stop.code == 0, "\(stop)")
      for id in [family, polite, stubborn] {
        let run = try await bench.end(of: id)
        #expect(run.state == .killed && run.reason == .stopped, "\(run)")
      }
      #expect(try await bench.log(polite) == "up\nbye\n")
      for pid in pids { #expect(!isAlive(try #require(pid_t(pid))), "process \(pid) is still there") }
      #expect(bench.runProcesses().isEmpty)
    }
  }

  @Test func aProgramThatASignalEndsCrashes() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try await bench.job("suicide", "echo one; kill -9 $$")
      let watched = try await bench.lunaport("launch", "-j", "suicide", "-q", "local", "-p", "p", "--watch")
      #expect(watched.code == 1)
      let run = try #require(try await bench.runs(on: "local").first)
      #expect(run.state == .crashed && run.signal == 9 && run.reason == .signal)
      #expect(try await bench.log(run.id) == "one\n")
    }
  }

  @Test func aProgramThatVanishesWithWhatHeldItCrashes() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try await bench.job("gone", "echo here; sleep 1000")
      let run = try await bench.launch("gone")
      try await bench.run(run.id, is: .running)
      try await bench.printed(run.id)
      let all = bench.runProcesses()
      #expect(all.count >= 2)
      for held in all { kill(held.process, SIGKILL) }
      let ended = try await bench.end(of: run.id)
      #expect(ended.state == .crashed && ended.exitCode == nil, "\(ended)")
      #expect(ended.reason == .lost)
      #expect(try await bench.log(run.id) == "here\n")
    }
  }

  @Test func whatHoldsAProgramTakesItAlongWhenItIsKilled() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try await bench.job(
        "family",
        """
        (setsid sh -c 'echo $$ >>\(bench.path("pids")); exec sleep 1000' &)
        echo $$ >>\(bench.path("pids")); sleep 1000
        """)
      let run = try await bench.launch("family").id
      let pids = try await bench.file("pids") { $0.count == 2 }.compactMap { pid_t($0) }
      let holders = bench.runProcesses().map(\.process).filter { Disk.text("/proc/\($0)/comm") == "lunaport-shim\n" }
      #expect(holders.count == 1)
      for holder in holders { kill(holder, SIGKILL) }
      let ended = try await bench.end(of: run)
      #expect(ended.state == .crashed && ended.reason == .lost, "\(ended)")
      try await within(5, "all of it is dead") {
        while pids.contains(where: isAlive) { try await Task.sleep(for: .milliseconds(5)) }
      }
    }
  }

  @Test(.enabled(if: Cgroups.detect().limitsMemory, "this machine lets nobody make memory control groups"))
  func aProgramThatTakesTooMuchMemoryCrashes() async throws {
    try await scenario { bench in
      try bench.queue("local", "resource = { memory = \"64Mi\" },")
      _ = try await bench.up()
      try bench.write("hungry/hungry.py", "print('hungry')\nfood = bytearray(500 << 20)\nprint(len(food))\n")
      let made = try await bench.lunaport(
        "job", "create", "code", bench.path("hungry/hungry.py"), "-p", "p", "-n", "hungry")
      #expect(made.code == 0, "\(made.errors)")
      let run = try await bench.end(of: try await bench.launch("hungry").id)
      #expect(run.state == .crashed && run.reason == .outOfMemory, "\(run)")
      #expect(try await bench.log(run.id) == "hungry\n")
      try await bench.isTidy()
      let groups = try await Command(
        ["find", "/sys/fs/cgroup", "-maxdepth", "6", "-name", "lunaport-\(run.id)*"], timeout: 10
      ).run()
      #expect(groups.output.isEmpty, "\(String(decoding: groups.output, as: UTF8.self))")
    }
  }

  @Test func aRunThatTakesTooLongFails() async throws {
    try await scenario { bench in
      try bench.queue("local", "timeout = \"1s\",")
      _ = try await bench.up()
      try await bench.job("slow", "echo slow; sleep 1000")
      let run = try await bench.end(of: try await bench.launch("slow").id)
      #expect(run.state == .failed && run.reason == .timeout, "\(run)")
      #expect(try await bench.log(run.id) == "slow\n")
      #expect(bench.runProcesses().isEmpty)
    }
  }

  @Test func aProgramThatCannotStartFailsWithoutACode() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try bench.write("j/run.sh", "#!/no/such/interpreter\n", executable: true)
      let made = try await bench.lunaport("job", "create", "code", bench.path("j/run.sh"), "-p", "p", "-n", "j")
      #expect(made.code == 0, "\(made.errors)")
      let run = try await bench.end(of: try await bench.launch("j").id)
      #expect(run.state == .failed && run.reason == .start && run.exitCode == nil, "\(run)")
      #expect(run.message?.isEmpty == false)
    }
  }

  @Test func aRunThatEndedBadlyIsRunAgainWhereAPersonAsks() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      try await bench.job("second", "echo attempt $LUNAPORT_ATTEMPT; [ $LUNAPORT_ATTEMPT = 2 ]")
      let id = try await bench.launch("second").id
      #expect(try await bench.end(of: id).state == .failed)
      let again = try await bench.lunaport("run", "retry", id)
      #expect(again.code == 0, "\(again)")
      let ended = try await bench.run(id, "has ended again") { $0.attempt == 2 && $0.state.isOver }
      #expect(ended.state == .finished)
      #expect(try await bench.log(id, attempt: 1) == "attempt 1\n")
      #expect(try await bench.log(id) == "attempt 2\n")
      // What ended well is not run again.
      #expect(try await bench.lunaport("run", "retry", id).code == 2)
    }
  }
}
