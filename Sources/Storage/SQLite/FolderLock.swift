import Glibc

/// Holds a data folder for this process. The kernel lets go of it when the process ends, however it ends.
final class FolderLock: Sendable {
  private let descriptor: Int32

  init(folder: String) throws(StoreError) {
    let path = "\(folder)/lock"
    // Close-on-exec: a run's child must not keep the folder locked after its server died.
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw StoreError(errno: errno, "create `\(path)`") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      // `deinit` closes the file here too: a second close might be of what another thread has just opened.
      let code = errno
      var bytes = [UInt8](repeating: 0, count: 32)
      let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
      guard code == EWOULDBLOCK else { throw StoreError(errno: code, "lock `\(path)`") }
      let holder = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").first.map { "process \($0)" }
      throw StoreError(
        .locked, "\(holder ?? "another process") has the data folder `\(folder)` open",
        hint: "stop it first, or name another data folder")
    }
    let text = Array("\(getpid())\n".utf8)
    ftruncate(descriptor, 0)
    pwrite(descriptor, text, text.count, 0)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
