import Glibc
import Model
import Storage
import Testing

/// One after the other: until a program that is being started has begun, it shares the locks of the tests' own stores.
@Suite(.serialized) struct CrashTests {
  /// What a killed writer had said was acknowledged.
  private struct Acknowledged {
    var queued: Set<String> = []
    var leased: [String: Int64] = [:]
    var ended: Set<String> = []

    mutating func hear(_ line: Substring) {
      let words = line.split(separator: " ").map(String.init)
      switch words.first {
      case "queued": queued.insert(words[1])
      case "leased": leased[words[1]] = Int64(words[2])
      case "ended": ended.insert(words[1])
      default: Issue.record("the writer said: \(line)")
      }
    }
  }

  /// Starts `store-writer` on a folder, kills it once it has said `lines` lines, and hears all that it said.
  private func write(
    _ folder: String, untilLines lines: Int, _ said: inout Acknowledged, _ mode: String = ""
  ) throws {
    var pipes: [Int32] = [0, 0]
    try #require(pipe(&pipes) == 0)
    for end in pipes { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
    var child: pid_t = 0
    let path = try writerPath()
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(path), strdup(folder), strdup(mode), nil]
    defer { for argument in arguments { free(argument) } }
    let code = posix_spawn(&child, path, &actions, nil, &arguments, environ)
    close(pipes[1])
    try #require(code == 0)

    var rest: [UInt8] = []
    var count = 0
    var killed = false
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      let got = read(pipes[0], &buffer, buffer.count)
      if got <= 0 { break }
      rest += buffer[..<got]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        said.hear(Substring(decoding: rest[..<end], as: UTF8.self))
        rest.removeFirst(end + 1)
        count += 1
      }
      if count >= lines, !killed {
        kill(child, SIGKILL)
        killed = true
      }
    }
    close(pipes[0])
    var status: Int32 = 0
    waitpid(child, &status, 0)
    #expect(status & 0x7F == SIGKILL, "the writer ended by itself")
  }

  /// Beside the program that runs the tests.
  private func writerPath() throws -> String {
    var buffer = [UInt8](repeating: 0, count: 4_096)
    let count = buffer.withUnsafeMutableBytes { raw in
      raw.baseAddress.map { readlink("/proc/self/exe", $0.assumingMemoryBound(to: CChar.self), raw.count) } ?? 0
    }
    let own = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    let folder = try #require(own.lastIndex(of: "/"))
    return own[..<folder] + "/store-writer"
  }

  @Test func everythingAcknowledgedIsThereAfterKillingTheProcessTwentyTimes() async throws {
    let folder = TemporaryFolder()
    var said = Acknowledged()
    for round in 0..<20 {
      try write(folder.path, untilLines: Int.random(in: 1...400), &said)
      // The lock of a dead process is nobody's.
      let store = try SQLiteStore(folder: folder.path)
      #expect(try await store.check() == [], "round \(round)")
      var epochs: Set<Int64> = []
      var runs: [String: Run] = [:]
      var cursor: Cursor?
      repeat {
        let page = try await store.runs(RunFilter(), after: cursor, limit: 1_000)
        for run in page.items {
          runs[run.id] = run
          if run.epoch > 0 { #expect(epochs.insert(run.epoch).inserted) }
        }
        cursor = page.next
      } while cursor != nil
      #expect(said.queued.isSubset(of: runs.keys))
      for (id, epoch) in said.leased { #expect(runs[id]?.epoch ?? 0 >= epoch) }
      for id in said.ended { #expect(runs[id]?.state == .succeeded) }
      await store.close()
    }
    #expect(said.ended.count > 100)
  }

  @Test func whatIsKilledWhileItDeletesLeavesWholeRunsAndNothingElse() async throws {
    let folder = TemporaryFolder()
    for round in 0..<10 {
      var said = Acknowledged()
      try write(folder.path, untilLines: Int.random(in: 50...400), &said, "prune")
      let store = try SQLiteStore(folder: folder.path)
      #expect(try await store.check() == [], "round \(round)")
      let known = try await store.known(runs: said.queued.sorted())
      #expect(said.queued.subtracting(said.ended).isSubset(of: known.union(said.leased.keys)))
      for id in known { #expect(try await !store.events(of: id).isEmpty) }
      while try await !store.prune(endedBefore: 2_000).isDone {}
      #expect(try await store.known(runs: said.ended.sorted()).isEmpty)
      await store.close()
    }
  }
}
