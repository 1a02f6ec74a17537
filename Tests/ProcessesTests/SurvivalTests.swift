import Glibc
import Testing

@testable import Processes

/// What happens when things die at the wrong moment.
@Suite(.timeLimit(.minutes(1))) struct SurvivalTests {
  let place: Place

  init() throws { place = try Place() }

  private func running(_ processes: Processes, _ token: String = "run-1") throws -> HeldStart {
    guard case .running(let start) = processes.status(of: token) else {
      Issue.record("\(token) does not run")
      throw ProcessFailure(.system, "not running")
    }
    return start
  }

  @Test func anotherLifeFindsTheProgramAndItsEnd() async throws {
    try await place.processes.start(place.shell("echo up > ready; read line < gate; exit 5"), token: "run-1")
    let again = try place.again()
    let start = try running(again)
    #expect(start == (try running(place.processes)))
    again.stop("run-1", grace: 5)
    guard case .ended(let ending) = await again.end(of: "run-1") else {
      Issue.record("not ended")
      return
    }
    #expect(ending.wasStopped)
    // And a third, after the end.
    #expect(try place.again().status(of: "run-1") == .ended(ending))
  }

  @Test func stopReachesTheWholeGroupAndWhatLeftIt() async throws {
    // A child, a grandchild in a session of its own, and a daemon that forked twice.
    try await place.processes.start(
      place.shell(
        """
        sleep 1000 & echo $! > child
        setsid sh -c 'sleep 1000 & echo $! > grandchild; wait' &
        (setsid sh -c 'echo $$ > daemon; exec sleep 1000' &)
        wait
        """), token: "run-1")
    var all: [Int32] = []
    for name in ["child", "grandchild", "daemon"] { all.append(try #require(Int32(try await place.text(of: name)))) }
    place.processes.stop("run-1", grace: 5)
    let ending = try await place.ending("run-1")
    #expect(ending.signal == Int(SIGTERM))
    #expect(ending.wasStopped)
    for process in all { #expect(!isAlive(process)) }
  }

  @Test func whatAnEndedProgramLeftBehindIsEnded() async throws {
    try await place.processes.start(
      place.shell("(setsid sh -c 'echo $$ > daemon; exec sleep 1000' &) ; while [ ! -s daemon ]; do :; done; exit 3"),
      token: "run-1")
    let daemon = try #require(Int32(try await place.text(of: "daemon")))
    #expect(try await place.ending("run-1").exitCode == 3)
    #expect(!isAlive(daemon))
  }

  @Test func aProgramThatIgnoresTheRequestIsKilledAfterItsGrace() async throws {
    try await place.processes.start(
      place.shell("trap '' TERM; echo up > ready; while :; do sleep 1000; done"), token: "run-1")
    _ = try await place.text(of: "ready")
    place.processes.stop("run-1", grace: 0.2)
    let ending = try await place.ending("run-1")
    #expect(ending.signal == Int(SIGKILL))
    #expect(ending.wasStopped)
  }

  @Test func aSecondOrderShortensTheGrace() async throws {
    try await place.processes.start(
      place.shell("trap '' TERM; echo up > ready; while :; do sleep 1000; done"), token: "run-1")
    _ = try await place.text(of: "ready")
    place.processes.stop("run-1", grace: 3_600)
    place.processes.stop("run-1", grace: 0)
    #expect(try await place.ending("run-1").signal == Int(SIGKILL))
  }

  @Test func aProgramMayEndWellWhenAsked() async throws {
    try await place.processes.start(
      place.shell("trap 'echo saved; exit 0' TERM; echo up > ready; read line < gate"), token: "run-1")
    _ = try await place.text(of: "ready")
    place.processes.stop("run-1", grace: 30)
    let ending = try await place.ending("run-1")
    #expect(ending.exitCode == 0 && ending.wasStopped)
    let text = place.processes.output("run-1", from: 0).map { String(decoding: $0.bytes, as: UTF8.self) }
    #expect(text?.hasSuffix("saved\n") == true)
  }

  @Test func signalsArePassedOn() async throws {
    try await place.processes.start(
      place.shell("trap 'exit 12' USR1; echo up > ready; while :; do sleep 0.01; done"), token: "run-1")
    _ = try await place.text(of: "ready")
    place.processes.signal("run-1", SIGUSR1)
    #expect(try await place.ending("run-1").exitCode == 12)
  }

  @Test func signalsMeantForTheAgentLeaveTheHolderAlone() async throws {
    try await place.processes.start(place.shell("echo up > ready; read line < gate; exit 6"), token: "run-1")
    let start = try running(place.processes)
    #expect(getsid(start.holder) == start.holder, "a session of its own")
    for signal in [SIGHUP, SIGINT, SIGPIPE, SIGUSR1] { kill(start.holder, signal) }
    place.openGate()
    #expect(try await place.ending("run-1").exitCode == 6)
  }

  @Test func aKilledHolderTakesItsProgramAlongAndCountsAsVanished() async throws {
    try await place.processes.start(
      place.shell("(setsid sh -c 'echo $$ > daemon; exec sleep 1000' &) ; sleep 1000"), token: "run-1")
    let daemon = try #require(Int32(try await place.text(of: "daemon")))
    let start = try running(place.processes)
    kill(start.holder, SIGKILL)
    #expect(await place.processes.end(of: "run-1") == .vanished)
    try await death(of: start.process)
    try await death(of: daemon)
    #expect(try place.again().status(of: "run-1") == .vanished)
    try place.processes.remove("run-1")
  }

  @Test func aRecycledProcessIdIsNeverSignalled() async throws {
    // What a restart of the machine leaves: notes that name an id which is now another program's.
    try await place.processes.start(place.shell("sleep 1000"), token: "innocent")
    let innocent = try running(place.processes, "innocent")
    for (token, holder) in [("run-1", innocent.process), ("run-2", getpid())] {
      try Disk.makeFolder(place.processes.folder(of: token))
      try Disk.write(
        "\(place.processes.folder(of: token))/state",
        Array("started shim=\(holder) child=\(holder) at=1700000000000\n".utf8))
    }
    let again = try place.again()
    for token in ["run-1", "run-2"] {
      again.stop(token, grace: 0)
      again.signal(token, SIGKILL)
      #expect(again.status(of: token) == .vanished)
    }
    #expect(isAlive(innocent.process))
    #expect(try running(place.processes, "innocent") == innocent)
    place.processes.stop("innocent", grace: 0)
    _ = try await place.ending("innocent")
  }

  /// Makes a program's notes unreadable, as they are where a process has no file descriptor left, and readable again.
  private func hideNotes(_ token: String, _ isHidden: Bool) {
    let path = "\(place.processes.folder(of: token))/state"
    if isHidden {
      #expect(rename(path, path + ".hidden") == 0 && symlink(path, path) == 0)
    } else {
      #expect(rename(path + ".hidden", path) == 0)
    }
  }

  @Test func aProgramWhoseNotesCannotBeReadIsNotTakenForOneThatNeverWas() async throws {
    try await place.processes.start(place.shell("echo up >> ready; read line < gate; exit 5"), token: "run-1")
    _ = try await place.text(of: "ready")
    let again = try place.again()
    hideNotes("run-1", true)
    guard case .unreadable = again.status(of: "run-1") else {
      Issue.record("it is \(again.status(of: "run-1"))")
      return
    }
    await #expect(throws: ProcessFailure.self, "not started beside itself") {
      try await again.start(place.shell("echo twice >> ready"), token: "run-1")
    }
    #expect(throws: ProcessFailure.self, "not cleared away") { try again.remove("run-1") }
    // It ends where even the one that watches it cannot read how.
    place.openGate()
    guard case .unreadable = await place.processes.end(of: "run-1") else {
      Issue.record("it is \(place.processes.status(of: "run-1"))")
      return
    }
    hideNotes("run-1", false)
    for processes in [again, place.processes] {
      guard case .ended(let ending) = processes.status(of: "run-1") else {
        Issue.record("it is \(processes.status(of: "run-1"))")
        return
      }
      #expect(ending.exitCode == 5)
    }
    #expect(try await place.text(of: "ready") == "up")
  }

  @Test func nothingIsStartedWhereItsStartCannotBeNoted() async throws {
    // What the shim does on a full disk, of which `/dev/full` is one.
    let own = try #require(Disk.link("/proc/self/exe"))
    let shim = "\(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])/\(Processes.shimName)"
    let result = try await Command(
      [
        "/bin/sh", "-c", "exec 3<>/dev/full 4>&1 && exec \(shim) --exec /bin/sh -- sh -c 'echo ran >\(place.work)/ran'",
      ]
    ).run()
    #expect(String(decoding: result.output, as: UTF8.self) == "note \(ENOSPC)\n")
    #expect(!Disk.exists("\(place.work)/ran"))
  }

  @Test func aStartThatWasCutOffIsStartedAgain() async throws {
    // The agent died between making the folder and starting the shim.
    let folder = place.processes.folder(of: "run-1")
    try Disk.makeFolder(folder)
    try Disk.write("\(folder)/state", [])
    #expect(place.processes.status(of: "run-1") == .absent)
    try await place.processes.start(place.shell("exit 9"), token: "run-1")
    #expect(try await place.ending("run-1").exitCode == 9)
  }

  @Test func anEndingThatWasCutOffDoesNotCount() throws {
    let folder = place.processes.folder(of: "run-1")
    try Disk.makeFolder(folder)
    try Disk.write(
      "\(folder)/state", Array("started shim=99999 child=99999 at=1\nended code=0 signal=0 oom=0 sto".utf8))
    #expect(place.processes.status(of: "run-1") == .vanished)
  }

  @Test func aLeaseThatIsNotRenewedEndsTheProgramByItself() async throws {
    try await place.processes.start(
      place.shell("trap '' TERM; sh -c 'trap \"\" TERM; sleep 1000'", lease: 0.3), token: "run-1")
    let ending = try await place.ending("run-1")
    #expect(ending.wasFenced)
    #expect(ending.signal == Int(SIGKILL))
    #expect(!ending.wasStopped)
  }

  @Test func aRenewedLeaseKeepsTheProgramAlive() async throws {
    // It outlives its first lease, which is long enough to be renewed on a very busy machine, and is renewed once.
    try await place.processes.start(place.shell("sleep 5.5; exit 2", lease: 5), token: "run-1")
    place.processes.renew("run-1", for: 3_600)
    let ending = try await place.ending("run-1")
    #expect(ending.exitCode == 2)
    #expect(!ending.wasFenced)
  }

  @Test func anUnreadableLeaseCountsAsRunOut() async throws {
    try await place.processes.start(place.shell("sleep 1000", lease: 0.3), token: "run-1")
    try Disk.write("\(place.processes.folder(of: "run-1"))/lease", Array("soon\n".utf8))
    #expect(try await place.ending("run-1").wasFenced)
  }
}
