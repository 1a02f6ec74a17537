import Client
import Glibc
import Model
import Processes
import Testing

@testable import EndToEndTesting

/// What a program gets and gives: byte for byte, and nothing of other runs.
struct ProgramTests {
  @Test func noRunSeesWhatAnotherWrote() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up("--max-jobs", "8")
      // Each spoils whatever it can reach by its own names, after it has looked at it.
      try await bench.job(
        "spoil",
        """
        cat "$LUNAPORT_CONFIG" data.txt; ls
        echo spoilt >"$LUNAPORT_CONFIG"; echo spoilt >data.txt; echo spoilt >new.txt
        """)
      try bench.write("spoil/data.txt", "clean\n")
      let made = try await bench.lunaport("job", "create", "code", bench.path("spoil/run.sh"), "-p", "p", "-n", "spoil")
      #expect(made.code == 0, "\(made.errors)")
      let ids = try await bench.launch(
        Array(repeating: Submission(job: "spoil", queue: "local", project: "p"), count: 24))
      for run in try await bench.ends(of: ids) {
        #expect(run.state == .finished, "\(run)")
        #expect(try await bench.log(run.id) == "{}\nclean\ndata.txt\nrun.sh\n")
      }
    }
  }

  @Test func argumentsConfigAndEnvironmentArriveAsTheyAre() async throws {
    try await scenario { bench in
      try bench.queue(
        "local", "resource = { env = { PLACE = \"${queue_name} of ${entity_name}\", DOLLAR = \"$${HOME}\" } },")
      _ = try await bench.up()
      try bench.write(
        "show/show.py",
        """
        import json, os, sys
        seen = {name: os.environ.get(name) for name in [
          "PLACE", "DOLLAR", "LUNAPORT_CONFIG_TEXT", "LUNAPORT_CONFIG_A_B", "LUNAPORT_API_KEY", "LUNAPORT_ATTEMPT",
          "LUNAPORT_JOB"]}
        config = json.load(open(os.environ["LUNAPORT_CONFIG"]))
        print(json.dumps([sys.argv[1:], config, seen, sys.stdin.read()], sort_keys=True))
        """)
      let made = try await bench.lunaport("job", "create", "code", bench.path("show/show.py"), "-p", "p", "-n", "show")
      #expect(made.code == 0, "\(made.errors)")
      let words = ["", "a b", "größe", "'\"$HOME`x`\\", "line\nbreak", "--flag", "*"]
      let config: [String: Value] = ["text": "größe \"x\"\n", "a-b": 2.5, "deep": ["list": [1, .null, true]]]
      let run = try await bench.launch("show") { $0.overrides = Overrides(args: words, runConfig: config) }.id
      #expect(try await bench.end(of: run).state == .finished)
      let seen: Value = [
        "PLACE": "local of default", "DOLLAR": "${HOME}", "LUNAPORT_CONFIG_TEXT": "größe \"x\"\n",
        "LUNAPORT_CONFIG_A_B": "2.5", "LUNAPORT_API_KEY": .null, "LUNAPORT_ATTEMPT": "1",
        "LUNAPORT_JOB": "default/p/show:v0",
      ]
      let told = try Value(json: try await bench.log(run))
      #expect(told == [.array(words.map(Value.string)), .object(config), seen, ""], "\(told)")
    }
  }

  @Test func outputIsKeptByteForByte() async throws {
    try await scenario { bench in
      try bench.queue("local")
      _ = try await bench.up()
      let copy = bench.path("copy")
      // Neither text nor lines, and no line end at its end; both streams.
      try await bench.job(
        "noise", "head -c 700000 /dev/urandom | tee \(copy); head -c 300001 /dev/urandom | tee -a \(copy) >&2")
      let run = try await bench.launch("noise").id
      #expect(try await bench.end(of: run).state == .finished)
      let wanted = try #require(Disk.read(copy))
      #expect(wanted.count == 1_000_001)
      var told: [UInt8] = []
      while true {
        let before = told.count
        for try await piece in try await bench.client.log(of: run, offset: Int64(before), follow: false).body {
          told += piece
        }
        if told.count == before { break }
      }
      let isSame = told == wanted
      #expect(isSame, "\(told.count) bytes")
      let printed = try await Command(
        ["sh", "-c", "\"$0\" run logs \(run) | cmp - \(copy)", "\(Bench.built)/lunaport"],
        environment: bench.environment(), timeout: 20
      ).run()
      #expect(printed.exitCode == 0, "\(String(decoding: printed.output + printed.error, as: UTF8.self))")
    }
  }

  @Test func aQueueMadeThroughTheServerOutlivesIt() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let server = try await bench.serve()
      try await bench.job("quick", "true")
      let made = try await bench.lunaport("queue", "create", "night", "--target", "process", "--concurrency", "1")
      #expect(made.code == 0, "\(made)")
      let run = try await bench.launch("quick", on: "night").id
      try await server.crash()
      try await bench.serve(again: true)
      #expect(try await bench.lunaport("queue", "pause", "night").code == 0)
      _ = try await bench.agent("one", ["night"])
      try await bench.polls("one", "night")
      #expect(try await bench.client.run(run).state == .queued)
      #expect(try await bench.lunaport("queue", "resume", "night").code == 0)
      #expect(try await bench.end(of: run).state == .finished)
    }
  }
}
