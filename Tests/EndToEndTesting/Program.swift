import CLinux
import Glibc
import Processes

/// A program in a process and session of its own.
final class Program: Sendable {
  /// How it ended.
  struct End: Sendable, Equatable {
    var code: Int
    /// 0 where no signal ended it.
    var signal: Int
  }

  let name: String
  let process: pid_t
  let output: Transcript
  let errors: Transcript
  private let pidfd: Int32
  private let ending = Watched<End?>(nil)

  init(
    _ name: String, _ words: [String], environment: [String: String], folder: String
  ) throws {
    self.name = name
    var parts: [(read: Int32, write: Int32)] = []
    for _ in 0..<2 {
      let ends = try Command.newPipe()
      _ = fcntl(ends.read, F_SETFL, O_NONBLOCK)
      parts.append((ends.read, try Command.raised(ends.write)))
    }
    process = try Launch.spawn(
      words[0], arguments: words, environment: environment, folder: folder,
      files: [(parts[0].write, 1), (parts[1].write, 2)])
    for part in parts { close(part.write) }
    pidfd = pidfd_open(process, 0)
    output = Transcript(parts[0].read)
    errors = Transcript(parts[1].read)
    // Lives until the process has ended, whoever else has let go of it.
    Task.detached {
      await Reactor.shared.waitRegardless(for: self.pidfd)
      var code: Int32 = 0
      var signal: Int32 = 0
      _ = linux_status(self.pidfd, 0, &code, &signal)
      self.ending.change { $0 = End(code: Int(code), signal: Int(signal)) }
    }
  }

  deinit { close(pidfd) }

  var isRunning: Bool { ending.value == nil }

  /// Does nothing where it has ended.
  func send(_ signal: Int32) { _ = linux_send(pidfd, signal, 0) }

  /// Waits for its end, and until all that it wrote is read.
  func end() async throws -> End {
    let end = try await ending.first { $0 }
    _ = try await output.whole()
    _ = try await errors.whole()
    return end
  }

  /// Kills it, as a crash does: nothing is tidied up.
  func crash() async throws {
    send(SIGKILL)
    _ = try await ending.first { $0 }
  }
}

/// What a command of the command line gave.
struct Outcome: Sendable {
  var code: Int
  var output: String
  var errors: String

  var lines: [Substring] { output.split(separator: "\n") }
}
