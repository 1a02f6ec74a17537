import Glibc
import Processes

/// A folder that goes away when it is no longer used.
final class Scratch: Sendable {
  let path: String

  init() throws(LocalFailure) {
    var template = Array("\(BaseEnvironment.variable("TMPDIR") ?? "/tmp")/lunaport-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw LocalFile.failure("cannot make a folder for temporary files") }
    path = String(cString: made)
  }

  deinit { try? Disk.remove(path) }
}
