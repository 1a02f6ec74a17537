import Dispatch
import Glibc
import Model
import Processes
import Testing

@testable import Agent

@Suite struct JournalTests {
  private let root = "/tmp/lunaport-test-\(UInt64.random(in: 0...UInt64.max))"
  private var path: String { "\(root)/journal" }

  init() throws { try Disk.makeFolder(root) }

  private func held(_ run: String, args: [String] = []) -> Held {
    var spec = RunSpec.code("", ["true"])
    spec.overrides.args = args
    let run = Run(
      id: run, name: run, entity: "team", project: "p", queue: QueueID(entity: "team", name: "q"), spec: spec,
      author: "ada", createdAt: 1)
    return Held(lease: Lease(run, now: 1))
  }

  /// Output is noted by one task of an attempt, its steps by another.
  @Test func whatTwoTasksNoteIsBothKept() throws {
    defer { try? Disk.remove(root) }
    let journal = try Journal(path) { _ in }
    let one = held("aaaaaaaa")
    try journal.put([one])
    // On threads of their own: tasks might take turns where other tests are busy.
    DispatchQueue.concurrentPerform(iterations: 2) { which in
      for _ in 0..<5_000 {
        try? journal.change(one.token) {
          if which == 0 { $0.sent += 1 } else { $0.startedAt = ($0.startedAt ?? 0) + 1 }
        }
      }
    }
    for progress in [journal[one.token]?.progress, try Journal(path) { _ in }[one.token]?.progress] {
      #expect(progress?.sent == 5_000 && progress?.startedAt == 5_000)
    }
  }

  @Test func oneThatCannotBeReadIsNotTakenForEmpty() throws {
    defer { try? Disk.remove(root) }
    #expect(symlink(path, path) == 0)
    #expect(throws: ProcessFailure.self) { try Journal(path) { _ in } }
    #expect(Disk.isLink(path), "it is left as it is")
  }

  @Test func attemptsThatAreLargeAreNotWrittenAnewAtEachStep() throws {
    defer { try? Disk.remove(root) }
    let journal = try Journal(path, compactFrom: 10_000) { _ in }
    let all = (0..<5).map { held("aaaaaaa\($0)", args: [String(repeating: "x", count: 20_000)]) }
    try journal.put(all)
    var anew = 0
    var last = try file()
    for step in 0..<500 {
      try journal.change(all[step % 5].token) { $0.sent = Int64(step) }
      let now = try file()
      if now != last { anew += 1 }
      last = now
    }
    #expect(anew <= 1)
    #expect(try Journal(path) { _ in }[all[4].token]?.progress.sent == 499)
  }

  private func file() throws -> UInt64 {
    var status = stat()
    try #require(stat(path, &status) == 0)
    return UInt64(status.st_ino)
  }
}
