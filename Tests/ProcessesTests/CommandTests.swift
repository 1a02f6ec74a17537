import Glibc
import Synchronization
import Testing

@testable import Processes

@Suite(.timeLimit(.minutes(1))) struct CommandTests {
  @Test func outputErrorAndCodeComeBack() async throws {
    let result = try await Command(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]).run()
    #expect(result.output == Array("out\n".utf8))
    #expect(result.error == Array("err\n".utf8))
    #expect(result.exitCode == 3)
    #expect(!result.succeeded)
  }

  @Test func inputOfAnySizeIsRead() async throws {
    let input = [UInt8](repeating: 65, count: 3_000_000)
    let result = try await Command(["wc", "-c"], input: input).run()
    #expect(String(decoding: result.output, as: UTF8.self) == "3000000\n")
    // A command that does not read its input is no trouble either.
    #expect(try await Command(["true"], input: input).run().succeeded)
  }

  @Test func moreOutputThanTheLimitIsCutOffAndSaid() async throws {
    var command = Command(["/bin/sh", "-c", "head -c 5000000 /dev/zero; exit 1"])
    command.outputLimit = 1_000
    let result = try await command.run()
    #expect(result.output.count == 1_000)
    #expect(result.isTruncated)
    #expect(result.exitCode == 1)
  }

  @Test func outputIsHandedOverAsItComes() async throws {
    let seen = Mutex<[UInt8]>([])
    let result = try await Command(["/bin/sh", "-c", "echo a; echo b >&2; echo c"]).run { stream, bytes in
      if stream == .output { seen.withLock { $0 += bytes } }
    }
    #expect(seen.withLock { $0 } == Array("a\nc\n".utf8))
    #expect(result.output == Array("a\nc\n".utf8))
  }

  @Test func aTimeOutKillsTheWholeGroup() async throws {
    let file = "/tmp/lunaport-test-\(UInt64.random(in: 0...UInt64.max))"
    defer { unlink(file) }
    let result = try await Command(
      // Time enough for it to get so far on a very busy machine.
      ["/bin/sh", "-c", "sleep 1000 & echo $! > \(file); trap '' TERM; wait"], timeout: 3
    ).run()
    #expect(result.timedOut)
    #expect(result.signal == Int(SIGKILL))
    let child = try #require(Disk.text(file).flatMap { Int32($0.dropLast()) })
    try await death(of: child)
  }

  @Test func cancellingKillsTheWholeGroup() async throws {
    let file = "/tmp/lunaport-test-\(UInt64.random(in: 0...UInt64.max))"
    defer { unlink(file) }
    let task = Task { try await Command(["/bin/sh", "-c", "sleep 1000 & echo $! > \(file); wait"]).run() }
    while Disk.text(file)?.hasSuffix("\n") != true { try await Task.sleep(for: .milliseconds(2)) }
    task.cancel()
    let outcome = await task.result
    #expect(throws: ProcessFailure(.cancelled, "the command was cancelled")) { try outcome.get() }
    let child = try #require(Disk.text(file).flatMap { Int32($0.dropLast()) })
    try await death(of: child)
  }

  @Test func aProcessThatKeepsThePipesOpenDoesNotHoldTheCommand() async throws {
    let result = try await Command(["/bin/sh", "-c", "setsid sleep 30 & echo done"]).run()
    #expect(result.output == Array("done\n".utf8))
    #expect(result.succeeded)
  }

  @Test func aProcessThatPrintsWithoutEndDoesNotHoldTheCommand() async throws {
    let result = try await Command(["/bin/sh", "-c", "setsid yes & echo done"], outputLimit: 5).run { _, _ in
      // Slower than it prints, cancelled or not, so that there always is something to read.
      await Task.detached { try? await Task.sleep(for: .milliseconds(5)) }.value
    }
    #expect(result.succeeded && result.isTruncated)
  }

  @Test func whatIsNotThereIsSaid() async {
    await #expect(throws: ProcessFailure.self) { try await Command(["no-such-program-here"]).run() }
    await #expect(throws: ProcessFailure.self) { try await Command(["true"], folder: "/no/such").run() }
    await #expect(throws: ProcessFailure.self) { try await Command([]).run() }
  }

  @Test func nothingOfOurEnvironmentIsInherited() async throws {
    setenv("LUNAPORT_TEST_SECRET", "credential", 1)
    let result = try await Command(["env"]).run()
    #expect(!String(decoding: result.output, as: UTF8.self).contains("credential"))
  }

  @Test func manyAtOnceAllComeBack() async throws {
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<100 {
        group.addTask {
          let result = try await Command(["/bin/sh", "-c", "echo \(number)"]).run()
          return Int(String(decoding: result.output.dropLast(), as: UTF8.self)) ?? -1_000
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 4_950)
  }
}
