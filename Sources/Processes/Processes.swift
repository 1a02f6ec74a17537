import CLinux
import Glibc
import Synchronization

/// The programs that this agent holds on its own machine. Each lives in a process group and session of its own under a
/// small program (the shim), so that it outlives the agent; each has a folder `root/TOKEN` by which it is found again.
///
/// Thread-safe. Every function may be called for any token at any time; what has ended stays known until `remove`.
public final class Processes: Sendable {
  /// Marks a program and all it starts with the program's folder, so that strays are found when what held them was
  /// killed. The folder, for it is one of a kind on the machine, which a token need not be.
  public static let folderVariable = "LUNAPORT_HELD"

  /// Marks commands of an agent that are to end with it (builds) by the root of its programs, so that they are found
  /// where it was killed.
  public static let commandVariable = "LUNAPORT_COMMAND"

  /// File name of the shim, which lies beside the running program.
  public static let shimName = "lunaport-shim"

  public let root: String
  public let cgroups: Cgroups
  private let shim: String
  private let turns = TokenTurns()
  private let entries = Mutex<[String: Entry]>([:])
  private let endingsStream: AsyncStream<String>
  private let endingsInput: AsyncStream<String>.Continuation

  private struct Entry {
    var status: HeldStatus
    /// -1 once it has ended.
    var pidfd: Int32
    var waiters: [CheckedContinuation<HeldStatus, Never>] = []
    /// The last sample: ticks, and seconds of the boot clock.
    var sample: (ticks: UInt64, at: Double)?
  }

  /// - Parameters:
  ///   - root: folder that holds the programs' folders; made where it is not there. One `Processes` a root.
  ///   - shim: path of the shim; by default the file beside the running program.
  public init(root: String, shim: String? = nil, cgroups: Cgroups = .detect()) throws(ProcessFailure) {
    try Disk.makeFolder(root)
    // By this path programs are told apart from those of every other agent of the machine.
    self.root = Disk.resolved(root)
    self.cgroups = cgroups
    if let shim { self.shim = shim } else { self.shim = try Processes.besideUs() }
    guard access(self.shim, X_OK) == 0 else {
      throw ProcessFailure(
        .notFound, "the program that holds runs is missing: \(self.shim)",
        hint: "keep `\(Processes.shimName)` in the same folder as `lunaport`")
    }
    (endingsStream, endingsInput) = AsyncStream<String>.makeStream()
    // Each program that is held takes one while it runs, and a thousand may be found again at once.
    linux_raise_file_limit()
  }

  deinit {
    endingsInput.finish()
  }

  private static func besideUs() throws(ProcessFailure) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let size = readlink("/proc/self/exe", &buffer, buffer.count)
    guard size > 0 else { throw ProcessFailure(errno: errno, "read /proc/self/exe") }
    let own = String(decoding: buffer[0..<size].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return "\(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])/\(shimName)"
  }

  /// Tokens of programs whose end was noticed, each once a life of this object, as they end. For one reader.
  public var endings: AsyncStream<String> { endingsStream }

  /// Tokens of everything that has a folder here, running or not.
  public func tokens() -> [String] { Disk.names(in: root) }

  public func folder(of token: String) -> String { "\(root)/\(token)" }
  private func stateFile(_ token: String) -> String { "\(root)/\(token)/state" }
  private func leaseFile(_ token: String) -> String { "\(root)/\(token)/lease" }
  private func outputFile(_ token: String) -> String { "\(root)/\(token)/output.log" }

  // MARK: Start

  /// Starts a program. Idempotent on `token`: where one was started with it before, running or ended, nothing happens.
  ///
  /// When it returns, the program runs (or has ended already); when it throws, nothing runs and nothing is left.
  public func start(_ spec: HeldSpec, token: String) async throws(ProcessFailure) {
    try Processes.check(token)
    guard let name = spec.arguments.first else { throw ProcessFailure(.invalid, "the command is empty") }
    await turns.take(token)
    defer { turns.give(token) }
    if try await hasEffect(token) { return }
    if let folder = spec.folder, !Disk.isFolder(folder) {
      throw ProcessFailure(.notFound, "there is no folder `\(folder)`")
    }
    let path = spec.environment["PATH"] ?? BaseEnvironment.defaultPath
    let program = try Launch.find(name, path: path, folder: spec.folder)
    let group = try cgroups.make(token, memory: spec.memory, cpus: spec.cpus)
    do throws(ProcessFailure) {
      try await launch(spec, program, group, token)
    } catch {
      cgroups.remove(token)
      try? Disk.remove(folder(of: token))
      throw error
    }
  }

  /// Whether a start with this token took effect; clears what a start that did not has left.
  private func hasEffect(_ token: String) async throws(ProcessFailure) -> Bool {
    guard Disk.exists(folder(of: token)) else { return false }
    // A shim that was started a moment ago by an agent that then died: it notes its start, or ends, within moments.
    for _ in 0..<Processes.startPatience {
      guard let file = try StateFile(stateFile(token)), file.isHeld, file.start == nil else { break }
      try? await Task.sleep(for: .milliseconds(5))
    }
    switch status(of: token) {
    case .absent: break
    case .unreadable(let failure): throw failure
    case .running, .ended, .vanished: return true
    }
    if let file = try StateFile(stateFile(token)), file.isHeld {
      throw ProcessFailure(.busy, "an earlier start of \(token) has not come to an end yet")
    }
    try Disk.remove(folder(of: token))
    return false
  }

  /// Looks, of 5 ms each, that a start under way is given: two seconds, for a machine that is very busy.
  private static let startPatience = 400

  private func launch(
    _ spec: HeldSpec, _ program: String, _ group: Cgroups.Group, _ token: String
  ) async throws(ProcessFailure) {
    let folder = folder(of: token)
    guard mkdir(folder, 0o700) == 0 else { throw ProcessFailure(errno: errno, "make folder \(folder)") }
    var open: [Int32] = []
    defer { for file in open { close(file) } }

    let made = linux_open(stateFile(token), O_RDWR | O_CREAT | O_EXCL, 0o600)
    guard made >= 0 else { throw ProcessFailure(errno: -made, "make \(stateFile(token))") }
    let state = try Command.raised(made)
    open.append(state)
    guard flock(state, LOCK_EX | LOCK_NB) == 0 else { throw ProcessFailure(errno: errno, "lock \(stateFile(token))") }
    if let lease = spec.lease { try writeLease(token, lease) }

    let (ready, writeEnd) = try Command.newPipe()
    open.append(ready)
    let readyEnd = try Command.raised(writeEnd)
    open.append(readyEnd)

    var arguments = [Processes.shimName, "--exec", program, "--grace", "\(milliseconds(spec.grace))"]
    if let folder = spec.folder { arguments += ["--folder", folder] }
    if spec.lease != nil { arguments += ["--lease", leaseFile(token)] }
    for folder in group.folders { arguments += ["--cgroup", folder] }
    if let file = group.outOfMemory { arguments += ["--oom", file] }
    var environment = spec.environment
    environment[Processes.folderVariable] = folder
    let holder = try Launch.spawn(
      shim, arguments: arguments + ["--"] + spec.arguments, environment: environment, folder: "/",
      files: [(state, 3), (readyEnd, 4)], output: outputFile(token))
    let pidfd = pidfd_open(holder, 0)
    guard pidfd >= 0 else {
      let problem = errno
      // Its end could not be noticed. It takes the program along; what that has started in this moment goes by its mark.
      kill(holder, SIGKILL)
      reap(holder)
      ProcessTable.killStrays(of: folder)
      throw ProcessFailure(errno: problem, "watch the process that holds \(program)")
    }
    for file in [state, readyEnd] { close(file) }
    open = [ready]

    await Reactor.shared.waitRegardless(for: ready)
    var line = [UInt8](repeating: 0, count: 128)
    let size = read(ready, &line, line.count)
    if size > 0 {
      reap(holder)
      close(pidfd)
      throw failure(String(decoding: line[0..<size], as: UTF8.self), program, spec)
    }
    // It runs: what cannot be read of it now is read by who asks next.
    _ = try? adopt(token, pidfd)
  }

  /// What the shim's line `STAGE ERRNO` means.
  private func failure(_ line: String, _ program: String, _ spec: HeldSpec) -> ProcessFailure {
    let words = line.split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard words.count == 2, let number = Int32(words[1]) else {
      return ProcessFailure(.system, "the process that was to hold \(program) said `\(line)`")
    }
    switch words[0] {
    case "exec" where number == ENOENT:
      return ProcessFailure(
        .notFound, "cannot run \(program): the interpreter that it names in its first line is not there",
        hint: "look at the first line of \(program)")
    case "exec": return ProcessFailure(errno: number, "run \(program)")
    case "folder": return ProcessFailure(errno: number, "enter folder \(spec.folder ?? "")")
    case "cgroup": return ProcessFailure(errno: number, "put \(program) into its control group")
    case "note": return ProcessFailure(errno: number, "note the start of \(program) in \(root)")
    default: return ProcessFailure(errno: number, "start \(program)")
    }
  }

  private func reap(_ process: pid_t) {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
  }

  // MARK: Status

  /// Where a program stands. Costs next to nothing once it is known here.
  public func status(of token: String) -> HeldStatus {
    if let known = entries.withLock({ $0[token]?.status }) { return known }
    do throws(ProcessFailure) { return try statusOnDisk(token) } catch { return .unreadable(error) }
  }

  private func statusOnDisk(_ token: String) throws(ProcessFailure) -> HeldStatus {
    guard let file = try StateFile(stateFile(token)) else { return .absent }
    switch file.status {
    case .running(let start):
      let pidfd = pidfd_open(start.holder, 0)
      // If the lock is held after the descriptor was opened, the shim lived when it was opened, so the descriptor is the
      // shim's; else the id may be another's by now, and the notes are read again.
      if pidfd >= 0, let again = try? StateFile(stateFile(token)), again.isHeld, again.ending == nil {
        return try adopt(token, pidfd)
      }
      if pidfd >= 0 { close(pidfd) }
      guard let again = try StateFile(stateFile(token)), !again.isHeld else { return .running(start) }
      return settle(token, again.status)
    case .ended, .vanished: return settle(token, file.status)
    case .absent, .unreadable: return file.status
    }
  }

  /// Waits until a program is no longer running. Returns early where the waiting task is cancelled.
  public func end(of token: String) async -> HeldStatus {
    let status = status(of: token)
    guard status.isRunning else { return status }
    return await withCheckedContinuation { continuation in
      let settled = entries.withLock { entries -> HeldStatus? in
        guard var entry = entries[token], entry.status.isRunning else { return entries[token]?.status ?? .absent }
        entry.waiters.append(continuation)
        entries[token] = entry
        return nil
      }
      if let settled { continuation.resume(returning: settled) }
    }
  }

  /// Takes a running shim's descriptor into the table and watches it. Where its notes cannot be read now, it is taken in
  /// when they can be.
  @discardableResult
  private func adopt(_ token: String, _ pidfd: Int32) throws(ProcessFailure) -> HeldStatus {
    let start: HeldStart
    do throws(ProcessFailure) {
      guard let noted = try StateFile(stateFile(token))?.start else {
        close(pidfd)
        return .absent
      }
      start = noted
    } catch {
      close(pidfd)
      throw error
    }
    let known = entries.withLock { entries -> HeldStatus? in
      if let other = entries[token] { return other.status }
      entries[token] = Entry(status: .running(start), pidfd: pidfd)
      return nil
    }
    if let known {
      close(pidfd)
      return known
    }
    Reactor.shared.watch(pidfd) { [weak self] hasEnded in
      guard let self else {
        close(pidfd)
        return
      }
      // Ours to wait for unless an earlier life of the agent started it.
      var code: Int32 = 0
      var signal: Int32 = 0
      _ = linux_status(pidfd, 0, &code, &signal)
      do throws(ProcessFailure) {
        guard hasEnded else { throw ProcessFailure(.resources, "the end of \(token) cannot be waited for") }
        let file = try StateFile(self.stateFile(token))
        self.settle(token, file?.ending.map { .ended($0) } ?? (file == nil ? .absent : .vanished))
      } catch {
        // How it ended is on the disk, and read by who asks when it can be.
        self.forget(token, .unreadable(error))
      }
    }
    return .running(start)
  }

  /// Takes a program out of the table, to be looked for on the disk by who asks next.
  private func forget(_ token: String, _ status: HeldStatus) {
    let entry = entries.withLock { $0.removeValue(forKey: token) }
    if let entry, entry.pidfd >= 0 { close(entry.pidfd) }
    for waiter in entry?.waiters ?? [] { waiter.resume(returning: status) }
    endingsInput.yield(token)
  }

  /// Notes the end of a program, once, and tells everyone who waits.
  @discardableResult
  private func settle(_ token: String, _ status: HeldStatus) -> HeldStatus {
    if status == .vanished { ProcessTable.killStrays(of: folder(of: token)) }
    let waiters = entries.withLock { entries in
      let entry = entries[token]
      if let entry, entry.pidfd >= 0 { close(entry.pidfd) }
      entries[token] = Entry(status: status, pidfd: -1)
      return entry?.waiters ?? []
    }
    for waiter in waiters { waiter.resume(returning: status) }
    endingsInput.yield(token)
    return status
  }

  // MARK: Orders

  /// Asks a program's group to end: TERM now, KILL after `grace` seconds (0: at once). Returns without waiting for the
  /// end. Stopping what is not running is success.
  public func stop(_ token: String, grace: Double) { send(token, 40, milliseconds(grace)) }

  /// Sends `signal` to a program's group. What is not running gets nothing.
  public func signal(_ token: String, _ signal: Int32) { send(token, 41, signal) }

  private func send(_ token: String, _ signal: Int32, _ value: Int32) {
    _ = status(of: token)
    // Inside the lock, so that the descriptor cannot be closed meanwhile.
    entries.withLock { entries in
      if let entry = entries[token], entry.pidfd >= 0 { _ = linux_send(entry.pidfd, signal, value) }
    }
  }

  /// Puts the moment at which a program with a lease is killed `seconds` from now. Others are left alone.
  public func renew(_ token: String, for seconds: Double) {
    guard Disk.exists(leaseFile(token)) else { return }
    // A lease that cannot be written runs out: the safe side.
    try? writeLease(token, seconds)
  }

  private func writeLease(_ token: String, _ seconds: Double) throws(ProcessFailure) {
    let end = Processes.bootSeconds() + max(0, seconds)
    try Disk.replace(leaseFile(token), with: Array("\(Int64(end * 1e9))\n".utf8))
  }

  /// Removes all that is left of a program that has ended. Throws `busy` where it runs.
  public func remove(_ token: String) throws(ProcessFailure) {
    try Processes.check(token)
    switch status(of: token) {
    case .running: throw ProcessFailure(.busy, "\(token) is still running", hint: "stop it first")
    case .unreadable(let failure): throw failure
    case .absent, .ended, .vanished: break
    }
    cgroups.remove(token)
    try Disk.remove(folder(of: token))
    entries.withLock { _ = $0.removeValue(forKey: token) }
  }

  /// Kills the marked commands that an earlier life of this agent was running when it died: what they did is done again,
  /// and two must not do it at once. Gives their number.
  @discardableResult
  public func killCommands() -> Int { ProcessTable.killAll(with: Processes.commandVariable, root) }

  // MARK: Output and use

  /// Output (both streams, in order) from byte `offset` on; nil where there is none of this token.
  /// - Returns: at most `limit` bytes, and whether nothing will follow them.
  public func output(
    _ token: String, from offset: Int64, limit: Int = 1 << 20
  ) -> (bytes: [UInt8], isEnd: Bool)? {
    // Asked before reading: what ended before has written all that is now read.
    let mayRun = status(of: token).mayRun
    guard let bytes = Disk.read(outputFile(token), from: max(0, offset), limit: limit) else { return nil }
    return (bytes, !mayRun && bytes.count < limit)
  }

  /// What running programs use, by token; programs that do not run are left out.
  public func usage(of tokens: [String]) -> [String: HeldUsage] {
    let running = tokens.compactMap { token -> (String, HeldStart)? in
      if case .running(let start) = status(of: token) { (token, start) } else { nil }
    }
    if running.isEmpty { return [:] }
    let table = ProcessTable()
    let now = Processes.bootSeconds()
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let wall = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    var found: [String: HeldUsage] = [:]
    for (token, start) in running {
      let use = table.use(below: start.holder)
      let last = entries.withLock { entries in
        let last = entries[token]?.sample
        entries[token]?.sample = (use.ticks, now)
        return last
      }
      let seconds = last.map { now - $0.at } ?? (wall - start.at)
      let ticks = use.ticks >= (last?.ticks ?? 0) ? use.ticks - (last?.ticks ?? 0) : 0
      found[token] = HeldUsage(
        cpu: seconds > 0.001 ? Double(ticks) / ProcessTable.ticksPerSecond / seconds : 0,
        memory: cgroups.memoryInUse(token) ?? use.memory, processes: use.processes)
    }
    return found
  }

  // MARK: -

  /// Seconds of the clock that goes on while the machine sleeps.
  static func bootSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private func milliseconds(_ seconds: Double) -> Int32 {
    // A day: longer than anyone waits for a program to end.
    Int32(min(max(0, seconds), 86_400) * 1_000)
  }

  private static func check(_ token: String) throws(ProcessFailure) {
    guard isToken(token) else {
      throw ProcessFailure(.invalid, "`\(token)` is no token: letters, digits, `-`, `_` and `.` make one")
    }
  }

  /// A token names a folder, so it must not lead anywhere else.
  public static func isToken(_ token: String) -> Bool {
    let isPlain = token.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
      default: false
      }
    }
    return isPlain && !token.isEmpty && token.utf8.count <= 200 && !token.hasPrefix(".")
  }
}
