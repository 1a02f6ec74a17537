import CLinux
import Glibc

extension Disk {
  /// Removes a file, a link, or a folder with all that is in it. What is not there counts as removed.
  public static func remove(_ path: String) throws(ProcessFailure) {
    if unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR { return }
    let problem = errno
    let folder = linux_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
    if folder == -EACCES, chmod(path, 0o700) == 0 { return try remove(path) }
    guard folder >= 0 else { throw ProcessFailure(errno: problem, "remove \(path)") }
    try empty(folder, path)
    guard rmdir(path) == 0 || errno == ENOENT else { throw ProcessFailure(errno: errno, "remove \(path)") }
  }

  /// Removes what is in an open folder, which it closes. Names are taken as bytes: a program may write files whose names
  /// are no text, and they are to go like all others. Nothing is followed: a folder that becomes a link meanwhile is not
  /// entered.
  /// - Parameter path: of the folder, for errors.
  private static func empty(_ folder: Int32, _ path: String) throws(ProcessFailure) {
    // A program may leave folders without write permission; they are ours to clear.
    if faccessat(folder, ".", W_OK | X_OK, 0) != 0 { fchmod(folder, 0o700) }
    guard let stream = fdopendir(folder) else {
      let problem = errno
      close(folder)
      throw ProcessFailure(errno: problem, "read \(path)")
    }
    defer { closedir(stream) }
    for name in byteNames(stream) {
      if unlinkat(folder, name, 0) == 0 || errno == ENOENT { continue }
      let problem = errno
      let shown = "\(path)/\(String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self))"
      var inner = linux_open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      if inner == -EACCES, fchmodat(folder, name, 0o700, 0) == 0 {
        inner = linux_open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      }
      guard inner >= 0 else { throw ProcessFailure(errno: inner == -ENOTDIR ? problem : -inner, "remove \(shown)") }
      try empty(inner, shown)
      guard unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
        throw ProcessFailure(errno: errno, "remove \(shown)")
      }
    }
  }

  /// Names in a folder, each with the zero byte that ends it; without `.` and `..`.
  private static func byteNames(_ stream: OpaquePointer) -> [[CChar]] {
    var names: [[CChar]] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
      }
      if name != [46, 0], name != [46, 46, 0] { names.append(name) }
    }
    return names
  }
}
