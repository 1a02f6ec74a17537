import Glibc
import Synchronization
import Testing

@testable import Processes

/// A folder of its own for one test, removed with all that still runs in it.
final class Place: Sendable {
  let root: String
  let processes: Processes
  private let gate = Mutex<Int32>(-1)
  /// The folder that programs of the test work in, with a pipe `gate` that holds them until the test opens it.
  let work: String

  init(cgroups: Cgroups = .detect()) throws {
    root = "/tmp/lunaport-test-\(UInt64.random(in: 0...UInt64.max))"
    work = "\(root)/work"
    try Disk.makeFolder(work)
    mkfifo("\(work)/gate", 0o600)
    processes = try Processes(root: "\(root)/held", cgroups: cgroups)
  }

  /// Lets a program that waits at the gate go on. Open for reading too, so that it waits for nobody, and kept open, so
  /// that a program which has not come to the gate yet finds what was written.
  func openGate() {
    let file = open("\(work)/gate", O_RDWR)
    gate.withLock { $0 = file }
    write(file, "go\n", 3)
  }

  deinit {
    gate.withLock { if $0 >= 0 { _ = close($0) } }
    for token in processes.tokens() where processes.status(of: token).isRunning {
      processes.stop(token, grace: 0)
      ProcessTable.killStrays(of: processes.folder(of: token))
      processes.cgroups.remove(token)
    }
    try? Disk.remove(root)
  }

  /// Another agent's life on the same folder: knows nothing but what is on the disk.
  func again() throws -> Processes { try Processes(root: "\(root)/held", cgroups: processes.cgroups) }

  func shell(_ script: String, lease: Double? = nil, memory: Int64? = nil, cpus: Double? = nil) -> HeldSpec {
    HeldSpec(
      arguments: ["/bin/sh", "-c", script], environment: ["PATH": BaseEnvironment.defaultPath], folder: work,
      memory: memory, cpus: cpus, grace: 5, lease: lease)
  }

  func ending(_ token: String) async throws -> HeldEnding {
    let status = await processes.end(of: token)
    guard case .ended(let ending) = status else {
      Issue.record("\(token) is \(status), not ended")
      throw ProcessFailure(.system, "not ended")
    }
    return ending
  }

  /// Waits until the test's program has written `name` into its work folder, and gives its text.
  func text(of name: String) async throws -> String {
    let path = "\(work)/\(name)"
    while true {
      if let text = Disk.text(path), text.hasSuffix("\n") { return String(text.dropLast()) }
      try await Task.sleep(for: .milliseconds(2))
    }
  }
}

/// Whether a process is alive: a zombie is dead.
func isAlive(_ process: Int32) -> Bool {
  guard let text = Disk.text("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return false }
  return !text[text.index(after: end)...].hasPrefix(" Z")
}

/// Waits until a process is dead.
func death(of process: Int32) async throws {
  while isAlive(process) { try await Task.sleep(for: .milliseconds(2)) }
}
