import Glibc
import Processes

/// Pipes with names, at which programs of runs wait without using the processor.
extension Bench {
  /// Makes a gate. What a program writes to wait at it: `read _ <GATE`.
  func gate(_ name: String) -> String {
    let path = path(name)
    mkfifo(path, 0o600)
    return path
  }

  /// Lets every program that waits at the gate go on, and those that come to it later.
  func open(_ name: String) {
    // For reading too, so that it waits for nobody; never closed before the end, so that what was written stays.
    let file = Glibc.open(path(name), O_RDWR | O_CLOEXEC)
    opened.withLock { $0.append(file) }
    let lines = [UInt8](repeating: UInt8(ascii: "\n"), count: 4_000)
    Glibc.write(file, lines, lines.count)
  }
}
