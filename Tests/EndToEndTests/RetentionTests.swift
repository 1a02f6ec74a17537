import Model
import Processes
import Testing

@testable import EndToEndTesting

/// `--keep` deletes what ended long enough ago, and nothing is deleted without it.
struct RetentionTests {
  @Test func aServerThatKeepsRunsForATimeDeletesThemAndGoesOn() async throws {
    try await scenario { bench in
      try bench.queue("local")
      let server = try await bench.serve()
      _ = try await bench.agent("one", ["local"])
      let gate = bench.gate("gate")
      try await bench.job("quick", "echo hello")
      try await bench.job("slow", "read _ <\(gate)")
      let old = try await bench.launch("quick").id
      #expect(try await bench.end(of: old).state == .finished)
      let living = try await bench.launch("slow").id
      try await bench.run(living, is: .running)
      try await server.crash()
      try await bench.serve("serve", ["--keep", "1ms"], again: true)
      try await bench.follow(queue: "local") { try await bench.runs(on: "local").map(\.id) == [living] }
      try await within(10, "the log of the run that was deleted is removed") {
        while try await bench.metric("lunaport_removed_total{kind=\"log\"}") != 1 {
          try await Task.sleep(for: .milliseconds(5))
        }
      }
      #expect(try await bench.request(.get, "/api/v1/runs/\(old)").status == 404)
      #expect(try await bench.lunaport("run", "show", old).code != 0)
      bench.open("gate")
      #expect(try await bench.end(of: living).state == .finished)
      // Its job is there, and makes new runs.
      #expect(try await bench.end(of: try await bench.launch("quick").id).state == .finished)
      let refused = try await bench.lunaport("serve", "--data", bench.path("other"), "--keep", "0")
      #expect(refused.code != 0 && refused.errors.contains("90d"), "\(refused.errors)")
    }
  }
}
