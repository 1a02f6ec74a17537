import Model
import Testing

/// Runs that share a machine and a job, and nothing else.
struct IsolationTests {
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
}
