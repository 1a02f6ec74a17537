import CLinux
import Glibc
import Synchronization

/// A short command, run to its end: a tool of a driver or a builder.
public struct Command: Sendable {
  public enum Stream: Sendable, Hashable { case output, error }

  /// Program and arguments. The program is looked up in the PATH of `environment`.
  public var arguments: [String]
  /// The whole environment; nothing else is inherited.
  public var environment: [String: String]
  public var folder: String?
  public var input: [UInt8]
  /// Seconds after which the command and all it started are killed; nil means no limit.
  public var timeout: Double?
  /// Bytes of each stream that are kept; what follows is read and dropped.
  public var outputLimit: Int

  public init(
    _ arguments: [String], environment: [String: String] = BaseEnvironment.current(), folder: String? = nil,
    input: [UInt8] = [], timeout: Double? = nil, outputLimit: Int = 1 << 20
  ) {
    self.arguments = arguments
    self.environment = environment
    self.folder = folder
    self.input = input
    self.timeout = timeout
    self.outputLimit = outputLimit
  }

  public struct Result: Sendable, Hashable {
    /// nil where a signal ended it.
    public var exitCode: Int?
    public var signal: Int?
    public var output: [UInt8]
    public var error: [UInt8]
    /// More was written than `outputLimit`.
    public var isTruncated: Bool
    /// It was killed because its time was over.
    public var timedOut: Bool

    public var succeeded: Bool { exitCode == 0 && !timedOut }
  }

  /// Seconds to go on reading after the command ended, for what a process that left its group may still hold open.
  private static let drainSeconds = 1.0

  /// Runs the command and waits for its end. What it started in its own session ends with it.
  ///
  /// Throws `notFound` and `permission` where it cannot be started, and `cancelled` where the calling task was
  /// cancelled; the command and all it started are dead by then.
  /// - Parameter onOutput: is given the output as it comes, in order within a stream; reading waits for it.
  public func run(
    _ onOutput: (@Sendable (Stream, [UInt8]) async -> Void)? = nil
  ) async throws(ProcessFailure) -> Result {
    guard let name = arguments.first else { throw ProcessFailure(.invalid, "the command is empty") }
    let path = environment["PATH"] ?? BaseEnvironment.defaultPath
    let program = try Launch.find(name, path: path, folder: folder)
    if let folder, !Disk.isFolder(folder) { throw ProcessFailure(.notFound, "there is no folder `\(folder)`") }

    var open: [Int32] = []
    defer { for file in open { close(file) } }
    let outputPipe = try Command.pipe(&open)
    let errorPipe = try Command.pipe(&open)
    let inputFile = try Command.memoryFile(input, &open)
    let pid = try Launch.spawn(
      program, arguments: arguments, environment: environment, folder: folder,
      files: [(inputFile, 0), (outputPipe.write, 1), (errorPipe.write, 2)])
    let child = try Child(pid)
    for file in [inputFile, outputPipe.write, errorPipe.write] {
      close(file)
      open.removeAll { $0 == file }
    }

    let limit = outputLimit
    let timeout = timeout
    return try await withTaskCancellationHandler {
      await withTaskGroup(of: Part.self) { group in
        group.addTask { await Command.drain(outputPipe.read, limit) { await onOutput?(.output, $0) }.part(.output) }
        group.addTask { await Command.drain(errorPipe.read, limit) { await onOutput?(.error, $0) }.part(.error) }
        if let timeout {
          group.addTask {
            if (try? await Task.sleep(for: .seconds(timeout))) != nil { child.expire() }
            return .timer
          }
        }
        let (code, signal) = await child.end()
        group.addTask {
          try? await Task.sleep(for: .seconds(Command.drainSeconds))
          return .timer
        }
        var result = Result(
          exitCode: signal == 0 ? code : nil, signal: signal == 0 ? nil : signal, output: [], error: [],
          isTruncated: false, timedOut: child.isExpired)
        var streams = 2
        while streams > 0, let part = await group.next() {
          switch part {
          case .stream(let stream, let bytes, let isTruncated):
            streams -= 1
            if stream == .output { result.output = bytes } else { result.error = bytes }
            result.isTruncated = result.isTruncated || isTruncated
          case .timer:
            // Either the time limit, which has killed the command, or the end of patience with its pipes.
            group.cancelAll()
          }
        }
        group.cancelAll()
        return result
      }
    } onCancel: {
      child.kill()
    }.unlessCancelled()
  }

  private enum Part: Sendable {
    case stream(Stream, [UInt8], isTruncated: Bool)
    case timer
  }

  private struct Drained: Sendable {
    var bytes: [UInt8]
    var isTruncated: Bool
    func part(_ stream: Stream) -> Part { .stream(stream, bytes, isTruncated: isTruncated) }
  }

  /// Reads `file` to its end, or until the task is cancelled.
  private static func drain(
    _ file: Int32, _ limit: Int, _ give: @Sendable ([UInt8]) async -> Void
  ) async -> Drained {
    var drained = Drained(bytes: [], isTruncated: false)
    // What a pipe holds at most.
    var buffer = [UInt8](repeating: 0, count: 65_536)
    // Asked each time: what left the command's group may print without end, so that there never is anything to wait for.
    while !Task.isCancelled {
      let got = Glibc.read(file, &buffer, buffer.count)
      if got > 0 {
        let room = max(0, limit - drained.bytes.count)
        drained.bytes += buffer[0..<min(got, room)]
        drained.isTruncated = drained.isTruncated || got > room
        await give(Array(buffer[0..<got]))
      } else if got == 0 {
        return drained
      } else if errno == EAGAIN {
        guard await Reactor.shared.wait(for: file) else { return drained }
      } else if errno != EINTR {
        return drained
      }
    }
    return drained
  }

  private static func pipe(_ open: inout [Int32]) throws(ProcessFailure) -> (read: Int32, write: Int32) {
    let ends = try newPipe()
    open.append(ends.read)
    _ = fcntl(ends.read, F_SETFL, O_NONBLOCK)
    let write = try raised(ends.write)
    open.append(write)
    return (ends.read, write)
  }

  /// Input goes through a file in memory: a pipe would need a writer that waits for a command which may never read.
  private static func memoryFile(_ bytes: [UInt8], _ open: inout [Int32]) throws(ProcessFailure) -> Int32 {
    let made = linux_memory_file("input")
    guard made >= 0 else { throw ProcessFailure(errno: -made, "make a memory file") }
    let file = try raised(made)
    open.append(file)
    try Disk.write(file, bytes, "a memory file")
    lseek(file, 0, SEEK_SET)
    return file
  }

  package static func newPipe() throws(ProcessFailure) -> (read: Int32, write: Int32) {
    var ends: (read: Int32, write: Int32) = (-1, -1)
    let result = linux_pipe(&ends.read, &ends.write)
    guard result == 0 else { throw ProcessFailure(errno: -result, "make a pipe") }
    return ends
  }

  /// `file`, or a copy in its stead that is at least `Launch.leastDescriptor`.
  package static func raised(_ file: Int32) throws(ProcessFailure) -> Int32 {
    if file >= Launch.leastDescriptor { return file }
    let copy = linux_duplicate(file, Launch.leastDescriptor)
    close(file)
    guard copy >= 0 else { throw ProcessFailure(errno: -copy, "duplicate a file descriptor") }
    return copy
  }
}

extension Command.Result {
  fileprivate func unlessCancelled() throws(ProcessFailure) -> Command.Result {
    if Task.isCancelled { throw ProcessFailure(.cancelled, "the command was cancelled") }
    return self
  }
}

/// A child of ours whose status only this takes, so that its process id stays its own until `end` has returned.
private final class Child: Sendable {
  private struct State {
    var isReaped = false
    var isExpired = false
  }
  private let pid: pid_t
  private let pidfd: Int32
  private let state = Mutex(State())

  init(_ pid: pid_t) throws(ProcessFailure) {
    self.pid = pid
    pidfd = pidfd_open(pid, 0)
    guard pidfd >= 0 else {
      let problem = errno
      Glibc.kill(-pid, SIGKILL)
      var status: Int32 = 0
      waitpid(pid, &status, 0)
      throw ProcessFailure(errno: problem, "watch a process")
    }
  }

  deinit { close(pidfd) }

  var isExpired: Bool { state.withLock { $0.isExpired } }

  func kill() { state.withLock { if !$0.isReaped { Glibc.kill(-pid, SIGKILL) } } }

  func expire() {
    state.withLock {
      if $0.isReaped { return }
      $0.isExpired = true
      Glibc.kill(-pid, SIGKILL)
    }
  }

  /// Waits for the end, ends the rest of its group, and takes its status.
  func end() async -> (code: Int, signal: Int) {
    await Reactor.shared.waitRegardless(for: pidfd)
    return state.withLock { state in
      Glibc.kill(-pid, SIGKILL)
      var code: Int32 = 0
      var signal: Int32 = 0
      _ = linux_status(pidfd, 0, &code, &signal)
      state.isReaped = true
      return (Int(code), Int(signal))
    }
  }
}
