import CLinux
import Glibc
import Processes
import Synchronization

/// The agent's part of its data folder, held by one agent at a time.
final class DataFolder: Sendable {
  let root: String
  /// The lock on it lasts as long as this descriptor.
  private let lock: Int32
  private let isOpen = Mutex(true)

  var journal: String { "\(root)/journal" }
  /// Unpacked sources by digest, shared by all runs and changed by none.
  var sources: String { "\(root)/sources" }
  /// What one attempt works in.
  func work(_ token: String) -> String { "\(root)/work/\(token)" }
  var works: String { "\(root)/work" }

  /// Another agent holds the folder.
  struct Busy: Error {
    var path: String
    /// Process id of the other agent, where it can be told.
    var holder: String
  }

  enum Failure: Error {
    case busy(Busy)
    case disk(ProcessFailure)
  }

  init(_ data: String) throws(Failure) {
    root = "\(data)/agent"
    do throws(ProcessFailure) {
      for folder in [root, "\(root)/sources", "\(root)/work"] { try Disk.makeFolder(folder) }
    } catch { throw .disk(error) }
    let path = "\(root)/lock"
    lock = linux_open(path, O_RDWR | O_CREAT, 0o600)
    guard lock >= 0 else { throw .disk(ProcessFailure(errno: -lock, "open \(path)")) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      // `deinit` closes the file here too: a second close might be of what another thread has just opened.
      let holder = Disk.text(path, limit: 32) ?? ""
      throw .busy(Busy(path: root, holder: String(holder.prefix { $0.isNumber })))
    }
    // The lock itself is what counts; the number only helps people.
    try? Disk.write(path, Array("\(getpid())\n".utf8))
  }

  deinit { release() }

  /// Lets another agent have it.
  func release() {
    let wasOpen = isOpen.withLock { isOpen in
      defer { isOpen = false }
      return isOpen
    }
    if wasOpen, lock >= 0 { close(lock) }
  }
}
