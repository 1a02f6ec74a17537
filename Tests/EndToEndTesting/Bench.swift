import Client
import Glibc
import Processes
import Synchronization
import Testing

/// Lets so many go on at once; the others wait for their turn.
actor Turns {
  /// Of scenarios: more at once than the machine has processors would only make all of them slow.
  static let shared = Turns(3)

  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { free = count }

  func take() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  func give() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}

/// Plays one scenario on a bench of its own. Where it fails, what the programs wrote is told too.
/// - Parameter seconds: it is given up after this time, counted from its turn.
func scenario(
  _ seconds: Double = 45, _ location: SourceLocation = #_sourceLocation,
  _ body: @escaping @Sendable (Bench) async throws -> Void
) async throws {
  await Turns.shared.take()
  let bench = try Bench()
  do {
    try await within(seconds, "the scenario") { try await body(bench) }
  } catch {
    Issue.record("\(error)\n\(bench.told)", sourceLocation: location)
  }
  await bench.close()
  await Turns.shared.give()
}

/// A folder with queues, a server, agents, and the command line, all of them programs of their own.
final class Bench: Sendable {
  let root: String
  private let programs = Mutex<[Program]>([])
  let http = HTTPClient()
  let server = Mutex<ServerPlace?>(nil)
  /// Key of the service account that agents use.
  let agentKey = Mutex<String?>(nil)
  /// Gates that were opened.
  let opened = Mutex<[Int32]>([])

  /// The folder of built programs: that of the test bundle itself, or the one that LUNAPORT_BUILT names, to try others
  /// such as a release build.
  static let built: String = {
    if let other = BaseEnvironment.variable("LUNAPORT_BUILT") { return other }
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let size = readlink("/proc/self/exe", &buffer, buffer.count)
    let own = String(decoding: buffer[..<max(0, size)].map(UInt8.init(bitPattern:)), as: UTF8.self)
    // The test runner may be a program of the toolchain; then the bundle is named on its command line.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? own
    return bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
  }()

  /// The repository's root.
  static let repository = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    .joined(separator: "/")

  init() throws {
    root = "/tmp/lunaport-e2e-\(UInt64.random(in: 0...UInt64.max))"
    for folder in ["queues", "home"] { try Disk.makeFolder("\(root)/\(folder)") }
  }

  // MARK: Files

  func path(_ name: String) -> String { "\(root)/\(name)" }

  /// Writes a file of the bench, and gives its path.
  @discardableResult
  func write(_ name: String, _ text: String, executable: Bool = false) throws -> String {
    let path = path(name)
    try Disk.makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    try Disk.replace(path, with: Array(text.utf8), mode: executable ? 0o755 : 0o644)
    return path
  }

  func read(_ name: String) -> String? { Disk.text(path(name)) }

  /// Declares a queue of local processes. `settings` are lines of its table.
  func queue(_ name: String, _ settings: String = "") throws {
    try write("queues/\(name).lua", "queue \"\(name)\" {\n  target = \"process\",\n  \(settings)\n}\n")
  }

  // MARK: Programs

  /// Variables of every program: nothing of the tester's own but where programs and packages are found.
  func environment(_ more: [String: String] = [:]) -> [String: String] {
    var variables = ["HOME": path("home"), "LANG": "C.UTF-8", "PATH": BaseEnvironment.defaultPath]
    for (name, value) in BaseEnvironment.current() where name == "PATH" || name.hasPrefix("PIP_") {
      variables[name] = value
    }
    server.withLock { server in
      variables["LUNAPORT_URL"] = server?.url
      variables["LUNAPORT_API_KEY"] = server?.key
    }
    return variables.merging(more) { $1 }
  }

  func start(_ name: String, _ words: [String], _ variables: [String: String] = [:]) throws -> Program {
    let program = try Program(
      name, ["\(Bench.built)/lunaport"] + words, environment: environment(variables), folder: root)
    programs.withLock { $0.append(program) }
    return program
  }

  /// Runs a command of the command line to its end.
  func lunaport(_ words: String...) async throws -> Outcome { try await lunaport(words) }

  func lunaport(_ words: [String], _ variables: [String: String] = [:]) async throws -> Outcome {
    let result = try await Command(
      ["\(Bench.built)/lunaport"] + words, environment: environment(variables), folder: root, timeout: 30
    ).run()
    return Outcome(
      code: result.exitCode ?? 128 + (result.signal ?? 0), output: String(decoding: result.output, as: UTF8.self),
      errors: String(decoding: result.error, as: UTF8.self))
  }

  /// The end of what each program wrote, for people who look for why a scenario failed.
  var told: String {
    programs.withLock { $0 }.map { program in
      let text = String((program.output.text + program.errors.text).suffix(4_000))
      return "---- \(program.name) (\(program.isRunning ? "runs" : "has ended"))\n\(text)"
    }.joined(separator: "\n")
  }

  // MARK: The end

  /// Kills everything that was started, and removes the folder.
  func close() async {
    for program in programs.withLock({ $0 }) { try? await program.crash() }
    killRuns()
    for file in opened.withLock({ $0 }) { Glibc.close(file) }
    for folder in ["data", "one"] { umount2(path(folder), Int32(MNT_DETACH)) }
    try? Disk.remove(root)
  }

  /// Processes of this machine that belong to runs of this bench, with the run's folder: shims, and what they hold.
  func runProcesses() -> [(process: pid_t, folder: String)] {
    let mark = "\(Processes.folderVariable)=\(root)/"
    return Disk.names(in: "/proc").compactMap { name in
      guard let process = pid_t(name), let text = Disk.text("/proc/\(name)/environ", limit: 1 << 22) else { return nil }
      guard let variable = text.split(separator: "\0").first(where: { $0.hasPrefix(mark) }) else { return nil }
      return (process, String(variable.dropFirst(Processes.folderVariable.count + 1)))
    }
  }

  /// Waits until agents have cleared away what their runs, which have all ended, left on their disks.
  func isTidy() async throws {
    let agents = Disk.names(in: root).flatMap { ["\($0)", "\($0)/agent"] }
    try await within(10, "nothing is left of runs that have ended") {
      while true {
        let left = agents.flatMap { Disk.names(in: self.path("\($0)/runs")) + Disk.names(in: self.path("\($0)/work")) }
        if left.isEmpty { return }
        try await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  private func killRuns() {
    var tokens: Set<String> = []
    // Again, for one that was just being started may have been missed.
    for _ in 0..<20 {
      let left = runProcesses()
      if left.isEmpty { break }
      for run in left {
        kill(run.process, SIGKILL)
        if let token = run.folder.split(separator: "/").last { tokens.insert(String(token)) }
      }
    }
    let cgroups = Cgroups.detect()
    for token in tokens { cgroups.remove(token) }
  }
}

/// Whether a process is there and not just waiting for its parent to take its status.
func isAlive(_ process: pid_t) -> Bool {
  guard let text = Disk.text("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return false }
  return !text[text.index(after: end)...].hasPrefix(" Z")
}
