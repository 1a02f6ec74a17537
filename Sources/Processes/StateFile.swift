import CLinux
import Glibc

/// The state file of one held program: whether the shim that holds it lives, and what it noted.
///
/// The shim inherits a locked descriptor and keeps it to its end, so the lock says that it is alive. A process id alone
/// could not: ids are given out again, and a dead process that nobody waits for still has one.
struct StateFile {
  var isHeld: Bool
  var start: HeldStart?
  var ending: HeldEnding?

  static let size = 512

  /// Reads the file at `path`; nil where there is none. What is there and cannot be read is no sign that nothing was
  /// started: it is an error.
  init?(_ path: String) throws(ProcessFailure) {
    let file = linux_open(path, O_RDONLY, 0)
    if file == -ENOENT || file == -ENOTDIR { return nil }
    guard file >= 0 else { throw ProcessFailure(errno: -file, "read \(path)") }
    defer { close(file) }
    // The lock is asked for before the notes are read: an ending is noted before the lock is let go.
    isHeld = flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    guard let bytes = Disk.read(file, from: 0, limit: StateFile.size) else {
      throw ProcessFailure(errno: errno, "read \(path)")
    }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      var fields: [Substring: Int64] = [:]
      for word in words.dropFirst() {
        let parts = word.split(separator: "=", maxSplits: 1)
        if parts.count == 2 { fields[parts[0]] = Int64(parts[1]) }
      }
      if words.first == "started", let shim = fields["shim"], let child = fields["child"], let at = fields["at"] {
        start = HeldStart(
          process: Int32(truncatingIfNeeded: child), holder: Int32(truncatingIfNeeded: shim), at: Double(at) / 1_000)
      }
      // The full stop is written last: without it the line is not whole.
      if words.first == "ended", words.last == ".", let code = fields["code"], let signal = fields["signal"] {
        ending = HeldEnding(
          exitCode: signal == 0 ? Int(code) : nil, signal: signal == 0 ? nil : Int(signal),
          outOfMemory: fields["oom", default: 0] > 0, wasStopped: fields["stopped"] == 1,
          wasFenced: fields["fenced"] == 1, startedAt: start?.at ?? 0, endedAt: Double(fields["at"] ?? 0) / 1_000,
          cpuSeconds: Double((fields["user"] ?? 0) + (fields["system"] ?? 0)) / 1_000_000,
          memoryPeak: (fields["memory"] ?? 0) * 1_024)
      }
    }
  }

  var status: HeldStatus {
    if let ending { return .ended(ending) }
    guard let start else { return .absent }
    return isHeld ? .running(start) : .vanished
  }
}
