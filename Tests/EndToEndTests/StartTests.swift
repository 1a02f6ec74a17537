import Glibc
import Model
import Processes
import Testing

@testable import Client
@testable import EndToEndTesting

/// How a server begins and ends.
struct StartTests {
  @Test func upPrintsOneLineKeepsItsKeyToItselfAndEndsWhenAsked() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let up = try await bench.up()
      var status = stat()
      #expect(stat(bench.path("data/admin.key"), &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      #expect(try await bench.request(.get, "/healthz").status == 200)
      try await bench.job("hello", "echo hello")
      let run = try await bench.launch("hello")
      #expect(try await bench.end(of: run.id).state == .finished)

      let second = try await bench.lunaport(
        "up", "--data", bench.path("data"), "--listen", "127.0.0.1:0", "--queues", bench.path("queues"), "--plugins",
        Bench.plugins)
      #expect(second.code == 2)
      #expect(second.output.isEmpty)
      #expect(second.errors.contains("error") && second.errors.contains("data"), "\(second.errors)")
      #expect(up.isRunning)
      #expect(try await bench.request(.get, "/healthz").status == 200)

      up.send(SIGTERM)
      let end = try await within(5, "up ends") { try await up.end() }
      #expect(end == Program.End(code: 0, signal: 0))
      #expect(up.output.lines.count == 1 && up.output.lines[0].hasPrefix("ready http://127.0.0.1:"))
    }
  }

  /// As people type it: everything where they are.
  @Test func relativePathsServe() async throws {
    try await scenario(60) { bench in
      try bench.queue("local")
      let up = try bench.start(
        "up", ["up", "--data", "data", "--listen", "127.0.0.1:0", "--queues", "queues", "--plugins", Bench.plugins])
      try await bench.ready(up)
      try bench.write(
        "train/train.py", "import os, sys; print(os.path.isfile('train.py'), sys.prefix != sys.base_prefix)")
      try bench.write("train/requirements.txt", "")
      let made = try await bench.lunaport("job", "create", "code", "train/train.py", "-p", "p", "-n", "train")
      #expect(made.code == 0, "\(made.errors)")
      let run = try await bench.end(of: try await bench.launch("train").id, within: 40)
      #expect(run.state == .finished, "\(run)")
      #expect(try await bench.log(run.id).hasSuffix("True True\n"))
    }
  }

  @Test func aServerThatManyWaitOnEndsAtOnce() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      let server = try await bench.serve()
      try await bench.job("wait", "echo one; read _ <\(gate)")
      _ = try await bench.agent("one", ["local"])
      let watch = try bench.start("launch", ["launch", "-j", "wait", "-q", "local", "-p", "p", "--watch"])
      try await within(10, "the first line is seen") { try await watch.output.line { $0 == "one" } }
      let follower = try await bench.client.stream(["events"], [], stall: nil)
      server.send(SIGTERM)
      #expect(try await within(5, "the server ends") { try await server.end() } == Program.End(code: 0, signal: 0))
      for try await _ in follower.body {}
      #expect(watch.isRunning)
    }
  }

  @Test func aPortThatIsTakenIsNamed() async throws {
    try await scenario { bench in
      try bench.queue("local")
      try await bench.serve()
      let address = try #require(bench.server.withLock { $0 }).url.dropFirst("http://".count)
      let second = try await bench.lunaport(
        "serve", "--data", bench.path("other"), "--listen", String(address), "--queues", bench.path("queues"),
        "--plugins", Bench.plugins)
      #expect(second.code == 2)
      #expect(second.output.isEmpty)
      #expect(second.errors.contains(address), "\(second.errors)")
    }
  }

  @Test func aServerDoesNotStartOnBrokenQueues() async throws {
    try await scenario { bench in
      try bench.queue("local", "concurency = 2,")
      let outcome = try await bench.lunaport(
        "up", "--data", bench.path("data"), "--listen", "127.0.0.1:0", "--queues", bench.path("queues"), "--plugins",
        Bench.plugins)
      #expect(outcome.code == 78)
      #expect(outcome.output.isEmpty)
      #expect(outcome.errors.contains("did you mean `concurrency`?"), "\(outcome.errors)")
    }
  }

  @Test func runsGoOnWhileUpIsAwayAndAreFoundAgain() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let gate = bench.gate("gate")
      let up = try await bench.up()
      try await bench.job("wait", "echo begin; echo x >>\(bench.path("starts")); read _ <\(gate); echo end")
      let run = try await bench.launch("wait")
      try await bench.run(run.id, is: .running)
      up.send(SIGTERM)
      #expect(try await within(5, "up ends") { try await up.end() } == Program.End(code: 0, signal: 0))
      #expect(!bench.runProcesses().isEmpty)
      bench.open("gate")
      try await bench.serve("up")
      let ended = try await bench.end(of: run.id)
      #expect(ended.state == .finished && ended.attempt == 1)
      #expect(try await bench.log(run.id) == "begin\nend\n")
      #expect(bench.read("starts") == "x\n")
    }
  }
}
