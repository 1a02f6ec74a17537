import Glibc
import Model
import Processes
import Testing

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

  @Test(.enabled(if: DiskTests.canMount, "only who may mount can make a small disk"))
  func aFullDiskLosesNothingThatWasAnswered() async throws {
    try await scenario(60) { bench in
      try bench.queue("local")
      try Disk.makeFolder(bench.path("data"))
      #expect(mount("tmpfs", bench.path("data"), "tmpfs", 0, "size=16m") == 0)
      let server = try await bench.serve()
      try await bench.job("talk", "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
      let before = try await bench.launch("talk").id
      _ = try await bench.serviceKey()
      DiskTests.fill(bench.path("data/filler"))

      // Submit until the disk is felt: room in pages that are there already may take a few.
      var known: [String] = [before]
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
      let said = try await bench.lunaport("launch", "-j", "talk", "-q", "local", "-p", "p", "-c", "/dev/null")
      #expect(said.code != 0 && said.errors.contains("error"), "\(said)")
      #expect(try await bench.request(.get, "/healthz").status == 200)
      #expect(try await bench.runs(on: "local").count == known.count)
      #expect(server.isRunning)

      // An agent that comes now waits, and all is well when there is room.
      _ = try await bench.agent("one", ["local"])
      unlink(bench.path("data/filler"))
      #expect(try await bench.ends(of: known, within: 40).allSatisfy { $0.state == .finished })
      for id in known {
        let log = try await bench.log(id)
        #expect(log.utf8.count == 100_005 && log.hasSuffix("x\nend\n"), "\(log.utf8.count) bytes")
      }
      #expect(try await bench.end(of: try await bench.launch("talk").id).state == .finished)
    }
  }
}
