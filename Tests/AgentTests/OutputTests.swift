import Model
import Processes
import Testing

@testable import Agent

@Suite struct OutputTests {
  @Test func whatABuilderPrintsWithoutEndDoesNotFillTheDisk() throws {
    let root = "/tmp/lunaport-test-\(UInt64.random(in: 0...UInt64.max))"
    try Disk.makeFolder(root)
    defer { try? Disk.remove(root) }
    let run = Run(
      id: "aaaaaaaa", name: "r", entity: "team", project: "p", queue: QueueID(entity: "team", name: "q"),
      spec: .code("", ["true"]), author: "ada", createdAt: 1)
    let session = Session(clock: .system, log: { _ in }, address: "memory")
    let lease = Lease(run, now: 1)
    let output = Output(
      Charge(lease, leaseEnd: 1), preamble: "\(root)/output",
      AttemptSecrets(lease, from: FileSecrets(folder: root)), FakeServer(), session,
      try Journal("\(root)/journal") { _ in }, clock: .system, log: { _ in }, preambleMax: 10)
    for text in ["1234", "5678", "9abc", "def"] { output.print(Array(text.utf8)) }
    #expect(Disk.text("\(root)/output") == "123456789a\n[more was printed and is not kept]\n")
  }
}
