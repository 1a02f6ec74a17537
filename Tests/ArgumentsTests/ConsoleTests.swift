import Glibc
import Testing

@testable import Arguments

private let redrawing = Terminal(isTerminal: true, columns: 80)

@Suite struct ConsoleTests {
  @Test func progressMakesRoomForLinesAndComesBack() throws {
    let transcript = Transcript()
    let console = transcript.console(errors: redrawing)
    console.show(Progress("building"))
    console.report("a warning")
    console.show(nil)
    console.report("done")
    #expect(transcript.errors == "| building\r\u{1B}[Ka warning\n| building\r\u{1B}[Kdone\n")
  }

  @Test func progressWaitsForTheEndOfALineOfOutput() throws {
    let transcript = Transcript()
    let console = transcript.console(output: redrawing, errors: redrawing)
    console.show(Progress("building"))
    try console.write(Array("half".utf8))
    console.show(Progress("building"))
    #expect(transcript.errors == "| building\r\u{1B}[K")
    try console.write(Array(" a line\n".utf8))
    #expect(transcript.errors == "| building\r\u{1B}[K/ building")
    #expect(transcript.output == "half a line\n")
  }

  @Test func withoutATerminalProgressWritesNothing() throws {
    let transcript = Transcript()
    let console = transcript.console()
    console.show(Progress("building", done: 1, of: 2))
    try console.print("result")
    console.show(nil)
    #expect(transcript.errors == "")
    #expect(transcript.output == "result\n")
  }

  @Test func aReaderThatHasGoneEndsTheProgramQuietly() async {
    let console = Console(output: .plain, errors: .plain) { _, _ throws(OutputError) in throw .closed }
    #expect(await sample.run(["check"], environment: Environment(), console: console) == .ok)
    #expect(await sample.run(["--help"], environment: Environment(), console: console) == .ok)
  }

  @Test func outputThatCannotBeWrittenIsAnError() async {
    let transcript = Transcript()
    let fallback = transcript.console()
    let console = Console(output: .plain, errors: .plain) { stream, bytes throws(OutputError) in
      guard stream == .errors else { throw .failed(ENOSPC) }
      fallback.report(String(decoding: bytes.dropLast(), as: UTF8.self))
    }
    #expect(await sample.run(["check"], environment: Environment(), console: console) == .couldNotRun)
    #expect(transcript.errors == "error: The output cannot be written: No space left on device.\n")
  }

  @Test func aClosedPipeIsAnErrorOfTheWriteAndNotASignal() throws {
    _ = Console.standard()
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    close(ends[0])
    defer { close(ends[1]) }
    #expect(throws: OutputError.closed) { try writeAll([1], to: ends[1]) }
  }

  @Test func aFullDeviceIsAnErrorOfTheWrite() throws {
    let full = open("/dev/full", O_WRONLY)
    try #require(full >= 0)
    defer { close(full) }
    #expect(throws: OutputError.failed(ENOSPC)) { try writeAll([1], to: full) }
  }

  @Test func allIsWrittenThroughAPipeThatDoesNotBlock() throws {
    let folder = try TemporaryFolder()
    let reader = try #require(popen("cat > \(folder.path)/received", "w"))
    try #require(fcntl(fileno(reader), F_SETFL, O_NONBLOCK) == 0)
    // More than a pipe holds, so that the writer has to wait for the reader.
    let sent = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
    try writeAll(sent, to: fileno(reader))
    #expect(pclose(reader) == 0)
    #expect(folder.read("received") == sent)
  }
}
