import Foundation
import Model
import Testing

@testable import Agent

/// What the journal keeps is written by hand; nothing of an attempt may be lost by that.
struct JournalLineTests {
  @Test func everyMemberIsKept() throws {
    var progress = Progress()
    progress.intent = true
    progress.handle = ["id": "x", "list": [1, 2.5]]
    progress.handleVersion = 2
    progress.wasRunning = true
    progress.startedAt = 1.5
    progress.cursor = ["offset": 7]
    progress.sent = 1 << 40
    progress.stop = .timeout
    progress.ending = Ending(.failed, .exit, exitCode: 3, message: "é\n")
    progress.endedAt = 2
    let line = JournalLine(token: "aaaaaaaa-1", lease: nil, progress: progress)
    let bytes = JSON.bytes(of: line)
    #expect(try JSON.decode(JournalLine.self, bytes) == line)
    // One that was added to the type and forgotten in its JSON would be forgotten by the next life of the agent.
    let written = try Value(json: bytes)["progress"]?.objectValue
    #expect(written?.count == Mirror(reflecting: progress).children.count)
    #expect(try JSONDecoder().decode(Progress.self, from: Data(JSON.bytes(of: progress))) == progress)
  }

  @Test func aLineWithoutProgressIsTheEnd() throws {
    let line = JournalLine(token: "aaaaaaaa-1", lease: nil, progress: nil)
    #expect(try JSON.decode(JournalLine.self, JSON.bytes(of: line)) == line)
  }
}
