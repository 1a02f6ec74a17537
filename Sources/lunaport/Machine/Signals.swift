import Dispatch
import Glibc
import Synchronization

/// Signals to this process as values.
///
/// They are caught by handlers, not ignored or blocked, because a child inherits both of these and would then be deaf
/// to them; handlers go away with exec.
enum Signals {
  /// The end of the pipe that the handlers write to.
  private static let writer = Atomic<Int32>(-1)
  private static let shared = Mutex<[Int: (numbers: Set<Int32>, continuation: AsyncStream<Int32>.Continuation)]>([:])
  private static let nextID = Atomic<Int>(0)

  /// Each of these signals as it comes, from now on. While anybody reads, they do not end the process.
  static func stream(_ numbers: Set<Int32>) -> AsyncStream<Int32> {
    AsyncStream { continuation in
      guard install(numbers) else { return continuation.finish() }
      let id = nextID.add(1, ordering: .relaxed).newValue
      shared.withLock { $0[id] = (numbers, continuation) }
      continuation.onTermination = { _ in
        shared.withLock { readers in
          readers[id] = nil
          let stillRead = readers.values.reduce(into: Set<Int32>()) { $0.formUnion($1.numbers) }
          for number in numbers.subtracting(stillRead) { signal(number, SIG_DFL) }
        }
      }
    }
  }

  private static func install(_ numbers: Set<Int32>) -> Bool {
    guard startReader else { return false }
    var action = sigaction()
    action.sa_flags = SA_RESTART
    action.__sigaction_handler.sa_handler = { number in
      // Nothing here may allocate or lock; the pipe is there before the first handler is.
      let before = errno
      var byte = UInt8(truncatingIfNeeded: number)
      _ = Glibc.write(Signals.writer.load(ordering: .relaxed), &byte, 1)
      errno = before
    }
    for number in numbers { sigaction(number, &action, nil) }
    return true
  }

  /// Starts the thread that reads the pipe, once for the whole process.
  private static let startReader: Bool = {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { return false }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let reader = ends[0]
    writer.store(ends[1], ordering: .relaxed)
    let flags = fcntl(ends[1], F_GETFL)
    _ = fcntl(ends[1], F_SETFL, flags | O_NONBLOCK)
    DispatchQueue(label: "signals").async {
      var byte: UInt8 = 0
      while true {
        let count = Glibc.read(reader, &byte, 1)
        if count < 0, errno == EINTR { continue }
        guard count == 1 else { return }
        let number = Int32(byte)
        let continuations = shared.withLock { readers in
          readers.values.filter { $0.numbers.contains(number) }.map(\.continuation)
        }
        for continuation in continuations { continuation.yield(number) }
      }
    }
    return true
  }()
}
