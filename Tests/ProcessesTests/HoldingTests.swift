import Glibc
import Testing

@testable import Processes

@Suite(.timeLimit(.minutes(1))) struct HoldingTests {
  let place: Place

  init() throws { place = try Place() }

  @Test func anExitCodeArrives() async throws {
    try await place.processes.start(place.shell("exit 7"), token: "run-1")
    let ending = try await place.ending("run-1")
    #expect(ending.exitCode == 7)
    #expect(ending.signal == nil)
    #expect(!ending.wasStopped && !ending.wasFenced && !ending.outOfMemory)
    #expect(ending.endedAt >= ending.startedAt && ending.startedAt > 1_700_000_000)
  }

  @Test func aSignalIsToldFromAnExitCode() async throws {
    try await place.processes.start(place.shell("kill -SEGV $$"), token: "run-1")
    let ending = try await place.ending("run-1")
    #expect(ending.exitCode == nil)
    #expect(ending.signal == Int(SIGSEGV))
  }

  @Test func bothStreamsArriveInOrderAndFromAnyOffset() async throws {
    try await place.processes.start(place.shell("echo one; echo two >&2; echo three"), token: "run-1")
    _ = try await place.ending("run-1")
    let all = try #require(place.processes.output("run-1", from: 0))
    #expect(String(decoding: all.bytes, as: UTF8.self) == "one\ntwo\nthree\n")
    #expect(all.isEnd)
    let rest = try #require(place.processes.output("run-1", from: 4, limit: 4))
    #expect(String(decoding: rest.bytes, as: UTF8.self) == "two\n")
    #expect(!rest.isEnd)
  }

  @Test func theProgramSeesItsOwnEnvironmentAndNothingOfOurs() async throws {
    setenv("LUNAPORT_TEST_LEAK", "credential", 1)
    var spec = place.shell("env; pwd; cat")
    spec.environment["TOKEN_OF_RUN"] = "a b\"c"
    try await place.processes.start(spec, token: "run-1")
    _ = try await place.ending("run-1")
    let text = try #require(place.processes.output("run-1", from: 0).map { String(decoding: $0.bytes, as: UTF8.self) })
    #expect(text.contains("TOKEN_OF_RUN=a b\"c\n"))
    #expect(text.contains("LUNAPORT_HELD=\(place.processes.folder(of: "run-1"))\n"))
    #expect(!text.contains("LEAK"))
    #expect(text.hasSuffix("\(place.work)\n"), "standard input is empty, so cat ends")
  }

  @Test func secretsReachNoFileAndNoCommandLine() async throws {
    var spec = place.shell("echo up > ready; sleep 1000")
    spec.environment["KEY"] = "s3cr3t-value"
    try await place.processes.start(spec, token: "run-1")
    _ = try await place.text(of: "ready")
    guard case .running(let start) = place.processes.status(of: "run-1") else {
      Issue.record("not running")
      return
    }
    for process in [start.holder, start.process] {
      let line = try #require(Disk.read("/proc/\(process)/cmdline"))
      #expect(!String(decoding: line, as: UTF8.self).contains("s3cr3t"))
    }
    for name in Disk.names(in: place.processes.folder(of: "run-1")) {
      let path = "\(place.processes.folder(of: "run-1"))/\(name)"
      #expect(Disk.text(path)?.contains("s3cr3t") == false)
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o077 == 0, "\(name) is readable by others")
    }
    place.processes.stop("run-1", grace: 0)
    _ = try await place.ending("run-1")
  }

  @Test func noDescriptorOfOursGoesOnToAProgram() async throws {
    // Inherited and not marked close-on-exec, as from a shell that started the agent.
    let leak = open("/dev/null", O_RDONLY)
    defer { close(leak) }
    try await place.processes.start(place.shell("ls /proc/self/fd"), token: "run-1")
    _ = try await place.ending("run-1")
    let held = place.processes.output("run-1", from: 0).map { String(decoding: $0.bytes, as: UTF8.self) }
    // 3 is the folder that ls itself has opened.
    #expect(held == "0\n1\n2\n3\n")
    let command = try await Command(["ls", "/proc/self/fd"]).run()
    #expect(String(decoding: command.output, as: UTF8.self) == "0\n1\n2\n3\n")
  }

  @Test func startingTwiceWithOneTokenStartsOnce() async throws {
    let processes = place.processes
    let spec = place.shell("echo x >> count; sleep 0.05")
    try await withThrowingTaskGroup(of: Void.self) { group in
      try await processes.start(spec, token: "run-1")
      for _ in 0..<5 { group.addTask { try await processes.start(spec, token: "run-1") } }
      try await group.waitForAll()
    }
    _ = try await place.ending("run-1")
    try await processes.start(spec, token: "run-1")
    try await place.again().start(spec, token: "run-1")
    #expect(Disk.text("\(place.work)/count") == "x\n")
  }

  @Test func startingAtOnceWithOneTokenStartsOnce() async throws {
    let processes = place.processes
    for number in 0..<20 {
      let spec = place.shell("echo x >> count-\(number)")
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<5 { group.addTask { try await processes.start(spec, token: "once-\(number)") } }
        try await group.waitForAll()
      }
      _ = try await place.ending("once-\(number)")
      #expect(Disk.text("\(place.work)/count-\(number)") == "x\n")
    }
  }

  @Test func whatCannotBeStartedSaysWhyAndLeavesNothing() async throws {
    func failure(_ arguments: [String], folder: String? = nil) async -> ProcessFailure? {
      do {
        try await place.processes.start(
          HeldSpec(
            arguments: arguments, environment: ["PATH": "/usr/bin:/bin"], folder: folder ?? place.work),
          token: "run-1")
        return nil
      } catch { return error }
    }
    #expect(await failure(["no-such-program"])?.code == .notFound)
    #expect(await failure(["./missing.sh"])?.code == .notFound)
    try Disk.write("\(place.work)/plain.sh", Array("echo hi\n".utf8), mode: 0o644)
    let plain = await failure(["./plain.sh"])
    #expect(plain?.code == .permission)
    #expect(plain?.hint?.contains("chmod +x") == true)
    try Disk.write("\(place.work)/bad.sh", Array("#!/no/such/interpreter\n".utf8), mode: 0o755)
    let bad = await failure(["./bad.sh"])
    #expect(bad?.code == .notFound)
    #expect(bad?.message.contains("interpreter") == true)
    #expect(await failure(["true"], folder: "/no/such/folder")?.code == .notFound)
    #expect(await failure([])?.code == .invalid)
    #expect(await failure(["echo", "a\0b"])?.code == .invalid)
    #expect(place.processes.tokens() == [])
    #expect(place.processes.status(of: "run-1") == .absent)
    // The token is free again.
    try await place.processes.start(place.shell("exit 0"), token: "run-1")
    #expect(try await place.ending("run-1").exitCode == 0)
  }

  @Test func aScriptWithoutAFirstLineIsReadByAShell() async throws {
    try Disk.write("\(place.work)/run.sh", Array("echo \"$1\" from $0; exit 4\n".utf8), mode: 0o755)
    try await place.processes.start(
      HeldSpec(
        arguments: ["./run.sh", "hello"], environment: ["PATH": "/usr/bin:/bin"], folder: place.work),
      token: "run-1")
    #expect(try await place.ending("run-1").exitCode == 4)
    let text = place.processes.output("run-1", from: 0).map { String(decoding: $0.bytes, as: UTF8.self) }
    #expect(text?.hasPrefix("hello from ") == true)
  }

  @Test func aTokenCannotLeadOutOfTheRoot() async throws {
    for token in ["../x", "a/b", "", ".hidden", "a b"] {
      await #expect(throws: ProcessFailure.self) {
        try await place.processes.start(place.shell("true"), token: token)
      }
    }
  }

  @Test func removeForgetsWhatEndedAndRefusesWhatRuns() async throws {
    try await place.processes.start(place.shell("sleep 1000"), token: "run-1")
    #expect(throws: ProcessFailure.self) { try place.processes.remove("run-1") }
    place.processes.stop("run-1", grace: 0)
    _ = try await place.ending("run-1")
    try place.processes.remove("run-1")
    try place.processes.remove("run-1")
    #expect(place.processes.status(of: "run-1") == .absent)
    #expect(place.processes.tokens() == [])
  }

  @Test func endingsAreAnnouncedAsTheyHappen() async throws {
    for number in 0..<20 { try await place.processes.start(place.shell("exit 0"), token: "run-\(number)") }
    var seen: Set<String> = []
    for await token in place.processes.endings {
      seen.insert(token)
      if seen.count == 20 { break }
    }
    #expect(seen.count == 20)
  }

  @Test func useOfTheWholeTreeIsSampled() async throws {
    try await place.processes.start(
      place.shell("(while :; do :; done) & (while :; do :; done) & echo up > ready; wait"), token: "run-1")
    _ = try await place.text(of: "ready")
    let first = try #require(place.processes.usage(of: ["run-1", "absent"])["run-1"])
    #expect(first.processes == 3)
    #expect(first.memory > 100_000)
    var cpu = 0.0
    // Two loops that spin use processor time as soon as they get any.
    while cpu == 0 {
      try await Task.sleep(for: .milliseconds(50))
      cpu = place.processes.usage(of: ["run-1"])["run-1"]?.cpu ?? -1
    }
    #expect(cpu > 0)
    place.processes.stop("run-1", grace: 0)
    _ = try await place.ending("run-1")
    #expect(place.processes.usage(of: ["run-1"]) == [:])
  }

  @Test func manyAtOnceAllEndWithTheirOwnCodes() async throws {
    let processes = place.processes
    let specs = (0..<100).map { place.shell("exit \($0)") }
    let codes = try await withThrowingTaskGroup(of: (Int, Int?).self) { group in
      for number in 0..<200 {
        group.addTask {
          try await processes.start(specs[number % 100], token: "run-\(number)")
          guard case .ended(let ending) = await processes.end(of: "run-\(number)") else { return (number, nil) }
          return (number, ending.exitCode)
        }
      }
      return try await group.reduce(into: [Int: Int]()) { $0[$1.0] = $1.1 }
    }
    #expect(codes.count == 200)
    #expect(codes.allSatisfy { $0.value == $0.key % 100 })
  }
}
