import Glibc
import Model
import Processes
import Testing

@testable import EndToEndTesting

/// A server whose disk is full.
struct DiskTests {
  /// Whether this process may mount: then a small disk of memory can be made.
  static let canMount: Bool = {
    let folder = "/tmp/lunaport-mount-\(UInt64.random(in: 0...UInt64.max))"
    guard mkdir(folder, 0o700) == 0 else { return false }
    defer { rmdir(folder) }
    guard mount("tmpfs", folder, "tmpfs", 0, "size=1m") == 0 else { return false }
    return umount2(folder, 0) == 0
  }()

  /// Writes until nothing more fits.
  static func fill(_ path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(file) }
    for size in [1 << 16, 512, 1] {
      let bytes = [UInt8](repeating: 1, count: size)
      while write(file, bytes, bytes.count) > 0 {}
    }
  }

  /// A disk of this many MiB at a folder of the bench; gone with the bench.
  static func disk(_ bench: Bench, _ folder: String, _ size: Int) throws {
    try Disk.makeFolder(bench.path(folder))
    try #require(mount("tmpfs", bench.path(folder), "tmpfs", 0, "size=\(size)m") == 0)
  }

  @Test(.enabled(if: DiskTests.canMount, "only who may mount can make a small disk"))
  func aServersFullDiskLosesNothingThatWasAnswered() async throws {
    try await scenario(60) { bench in
      try bench.queue("local")
      try DiskTests.disk(bench, "data", 16)
      let server = try await bench.serve()
      let gate = bench.gate("gate")
      try await bench.job("talk", "read _ <\(gate); head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
      _ = try await bench.agent("one", ["local"], maxJobs: 2)
      var known: [String] = []
      for _ in 0..<4 { known.append(try await bench.launch("talk").id) }
      try await bench.counts([.running: 2, .queued: 2])
      DiskTests.fill(bench.path("data/filler"))

      // Submit until the disk is felt: room in pages that are there already may take a few.
      var refusal: (status: Int, text: String)?
      for _ in 0..<200 where refusal == nil {
        let answer = try await bench.request(
          .post, "/api/v1/runs", ["job": "talk", "queue": "local", "project": "p"])
        if answer.status == 201 {
          known.append(try #require(try Value(json: answer.text)["id"]?.stringValue))
        } else {
          refusal = (answer.status, answer.text)
        }
      }
      #expect(refusal?.status == 503, "\(refusal?.text ?? "nothing was refused")")
      #expect(refusal?.text.contains("cannot write to its disk") == true, "\(refusal?.text ?? "")")
      #expect(try await bench.request(.get, "/healthz").status == 200)
      #expect(try await bench.runs(on: "local").count == known.count)
      try await within(10, "the operator is told") { try await server.errors.line { $0.contains("no space is left") } }
      // Programs end, and their agent cannot say so.
      bench.open("gate")
      try await within(10, "the programs have ended") {
        while !bench.runProcesses().isEmpty { try await Task.sleep(for: .milliseconds(10)) }
      }
      #expect(server.isRunning)

      unlink(bench.path("data/filler"))
      #expect(try await bench.ends(of: known, within: 40).allSatisfy { $0.state == .finished && $0.attempt == 1 })
      for id in known {
        let log = try await bench.log(id)
        #expect(log.utf8.count == 100_005 && log.hasSuffix("x\nend\n"), "\(log.utf8.count) bytes")
      }
      #expect(try await bench.end(of: try await bench.launch("talk").id).state == .finished)
    }
  }

  @Test(.enabled(if: DiskTests.canMount, "only who may mount can make a small disk"))
  func anAgentsFullDiskEndsNoRunThatGoesOn() async throws {
    try await scenario(60) { bench in
      try bench.queue("local")
      try DiskTests.disk(bench, "one", 8)
      _ = try await bench.up("--no-agent")
      let gate = bench.gate("gate")
      try await bench.job("wait", "echo one; read _ <\(gate); echo two; exit 4")
      try await bench.job("new", "true")
      let agent = try await bench.agent("one", ["local"])
      let going = try await bench.launch("wait").id
      try await bench.printed(going, bytes: 4)
      DiskTests.fill(bench.path("one/filler"))
      // What cannot be started says why, and does not hang.
      let refused = try await bench.end(of: try await bench.launch("new").id)
      #expect(refused.state == .failed && refused.reason == .start, "\(refused)")
      #expect(refused.message?.contains("No space left") == true, "\(refused.message ?? "")")
      bench.open("gate")
      let ended = try await bench.end(of: going)
      #expect(ended.state == .failed && ended.exitCode == 4, "\(ended)")
      #expect(agent.isRunning)
      unlink(bench.path("one/filler"))
      #expect(try await bench.end(of: try await bench.launch("new").id).state == .finished)
      #expect(bench.runProcesses().isEmpty)
    }
  }
}
