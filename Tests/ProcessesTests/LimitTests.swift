import Glibc
import Testing

@testable import Processes

@Suite(.timeLimit(.minutes(1))) struct LimitTests {
  @Test(.enabled(if: Cgroups.detect().limitsMemory, "no memory control group can be made here"))
  func runningOutOfMemoryIsToldFromASignal() async throws {
    let place = try Place()
    // `tail` keeps the last line of its input, and this one has no end.
    try await place.processes.start(place.shell("exec tail /dev/zero", memory: 32 << 20), token: "memory-\(getpid())")
    let ending = try await place.ending("memory-\(getpid())")
    #expect(ending.outOfMemory)
    #expect(ending.signal == Int(SIGKILL))
    for folder in place.processes.cgroups.folders("memory-\(getpid())") { #expect(!Disk.exists(folder)) }
  }

  @Test(.enabled(if: Cgroups.detect().limitsMemory, "no memory control group can be made here"))
  func aProgramWithinItsLimitIsLeftAlone() async throws {
    let place = try Place()
    try await place.processes.start(
      place.shell("echo up > ready; read line < gate; kill -KILL $$", memory: 64 << 20), token: "within-\(getpid())")
    _ = try await place.text(of: "ready")
    let use = try #require(place.processes.usage(of: ["within-\(getpid())"])["within-\(getpid())"])
    #expect(use.memory < 64 << 20)
    place.openGate()
    let ending = try await place.ending("within-\(getpid())")
    #expect(!ending.outOfMemory)
    #expect(ending.signal == Int(SIGKILL))
  }

  @Test(.enabled(if: Cgroups.detect().limitsCPU, "no cpu control group can be made here"))
  func aProcessorLimitIsSetOnTheProgram() async throws {
    let place = try Place()
    let token = "cpu-\(getpid())"
    try await place.processes.start(place.shell("cat /proc/self/cgroup", cpus: 0.5), token: token)
    #expect(try await place.ending(token).exitCode == 0)
    let text = place.processes.output(token, from: 0).map { String(decoding: $0.bytes, as: UTF8.self) }
    #expect(text?.contains("/lunaport-\(token)\n") == true)
  }

  @Test func aLimitThatCannotBeKeptIsRefused() async throws {
    let place = try Place(cgroups: .none)
    for spec in [place.shell("true", memory: 1 << 20), place.shell("true", cpus: 1)] {
      do {
        try await place.processes.start(spec, token: "run-1")
        Issue.record("it was started")
      } catch {
        #expect(error.code == .unsupported)
        #expect(error.hint?.contains("control group") == true)
      }
    }
    #expect(place.processes.tokens() == [])
  }

  @Test func controlGroupsAreFoundInBothVersions() {
    let v1 = Cgroups(
      mounts: """
        25 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
        30 25 0:26 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory
        31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
        """,
      own: "4:memory:/user/a\n2:cpu,cpuacct:/\n0::/\n"
    ) { folder, control in
      ["/sys/fs/cgroup/memory/user/a memory.limit_in_bytes", "/sys/fs/cgroup/cpu,cpuacct cpu.cfs_quota_us"]
        .contains("\(folder) \(control)")
    }
    #expect(v1.memory?.folder == "/sys/fs/cgroup/memory/user/a")
    #expect(v1.cpu?.folder == "/sys/fs/cgroup/cpu,cpuacct")
    let v2 = Cgroups(
      mounts: "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", own: "0::/system.slice/agent\n"
    ) { folder, control in folder == "/sys/fs/cgroup/system.slice/agent" && control.hasSuffix(".max") }
    #expect(v2.memory == Cgroups.Place(folder: "/sys/fs/cgroup/system.slice/agent", isVersion2: true))
    #expect(v2.cpu?.isVersion2 == true)
    #expect(!Cgroups(mounts: "", own: "") { _, _ in true }.limitsMemory)
  }

  @Test func aProcessNameMayHoldAnything() {
    let row = ProcessTable.row(
      "12 (a) b ) (c) S 7 12 12 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 1 0 555 9000000 321 18446744073709551615 1 2")
    #expect(row?.parent == 7)
    #expect(row?.ticks == 127)
    #expect(row?.residentPages == 321)
  }
}
