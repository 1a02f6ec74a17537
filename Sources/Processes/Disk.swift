import CLinux
import Glibc
import Synchronization

/// Files as the agent needs them: small, whole, and never half written.
public enum Disk {
  /// Bytes of the file at `path`, or nil where there is none or it cannot be read.
  /// - Parameter limit: reads at most this many bytes.
  public static func read(_ path: String, from offset: Int64 = 0, limit: Int = 1 << 26) -> [UInt8]? {
    let file = linux_open(path, O_RDONLY, 0)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return read(file, from: offset, limit: limit)
  }

  /// Bytes of the file at `path`, or nil where there is none. What is there and cannot be read is an error, for whom the
  /// two must not be the same.
  public static func contents(_ path: String) throws(ProcessFailure) -> [UInt8]? {
    let file = linux_open(path, O_RDONLY, 0)
    if file == -ENOENT || file == -ENOTDIR { return nil }
    guard file >= 0 else { throw ProcessFailure(errno: -file, "read \(path)") }
    defer { close(file) }
    guard let bytes = read(file, from: 0, limit: .max) else { throw ProcessFailure(errno: errno, "read \(path)") }
    return bytes
  }

  static func read(_ file: Int32, from offset: Int64, limit: Int) -> [UInt8]? {
    var status = stat()
    guard fstat(file, &status) == 0 else { return nil }
    // Files of /proc claim to be empty.
    let known = status.st_size > 0 ? Int(max(0, min(Int64(limit), Int64(status.st_size) - offset))) : limit
    var bytes: [UInt8] = []
    while bytes.count < known {
      let room = status.st_size > 0 ? known - bytes.count : min(known - bytes.count, 16_384)
      var got = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        repeat {
          got = pread(file, buffer.baseAddress, room, off_t(offset) + off_t(bytes.count))
        } while got < 0 && errno == EINTR
        count = max(0, got)
      }
      if got < 0 { return nil }
      if got == 0 { break }
      if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
    }
    return bytes
  }

  private static let drafts = Atomic<UInt64>(0)

  public static func text(_ path: String, limit: Int = 1 << 20) -> String? {
    read(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Size of the file at `path` in bytes, or nil where there is none.
  public static func size(_ path: String) -> Int64? {
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : nil
  }

  /// Size of the file at `path`, or nil where there is none or it is no plain file: a pipe, say, would be waited for.
  public static func fileSize(_ path: String) -> Int64? {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
  }

  public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  public static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  public static func isLink(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  /// What a link leads to; nil where there is no link.
  public static func link(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let size = readlink(path, &buffer, buffer.count)
    return size < 0 ? nil : String(decoding: buffer[..<size].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The absolute path of a file that is there, without links; `path` itself where there is none.
  public static func resolved(_ path: String) -> String {
    guard let found = realpath(path, nil) else { return path }
    defer { free(found) }
    return String(cString: found)
  }

  /// Puts `bytes` at `path`, whole or not at all: readers see the old file or the new one. It survives the death of
  /// this process; it and its name are synced to the disk only where `durable` is set.
  public static func replace(
    _ path: String, with bytes: [UInt8], mode: UInt32 = 0o600, durable: Bool = false
  ) throws(ProcessFailure) {
    // A name of its own: of two writers at one time the later wins, and neither takes the other's draft away.
    let draft = "\(path).\(getpid())-\(drafts.add(1, ordering: .relaxed).newValue).new"
    do throws(ProcessFailure) {
      try write(draft, bytes, mode: mode, durable: durable)
      guard rename(draft, path) == 0 else { throw ProcessFailure(errno: errno, "write \(path)") }
    } catch {
      unlink(draft)
      throw error
    }
    if durable { try syncFolder(of: path) }
  }

  /// Puts the names in the folder of `path` on the disk. Until then a power cut may bring an old file back under a name,
  /// and with it lose all that was written to the new one since.
  private static func syncFolder(of path: String) throws(ProcessFailure) {
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let file = linux_open(folder, O_RDONLY | O_DIRECTORY, 0)
    guard file >= 0 else { throw ProcessFailure(errno: -file, "open \(folder)") }
    defer { close(file) }
    guard fsync(file) == 0 else { throw ProcessFailure(errno: errno, "sync \(folder)") }
  }

  /// Writes `bytes` to `path`, from its beginning.
  public static func write(
    _ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600, durable: Bool = false
  ) throws(ProcessFailure) {
    let file = linux_open(path, O_WRONLY | O_CREAT | O_TRUNC, mode_t(mode))
    guard file >= 0 else { throw ProcessFailure(errno: -file, "write \(path)") }
    defer { close(file) }
    try write(file, bytes, path)
    if durable, fdatasync(file) != 0 { throw ProcessFailure(errno: errno, "write \(path)") }
  }

  /// Adds `bytes` to the end of the file at `path`, which is made where there is none.
  public static func append(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600) throws(ProcessFailure) {
    let file = linux_open(path, O_WRONLY | O_CREAT | O_APPEND, mode_t(mode))
    guard file >= 0 else { throw ProcessFailure(errno: -file, "write \(path)") }
    defer { close(file) }
    try write(file, bytes, path)
  }

  /// Writes `bytes` where the open `file` stands; `path` is for the error.
  public static func append(_ file: Int32, _ bytes: [UInt8], _ path: String) throws(ProcessFailure) {
    try write(file, bytes, path)
  }

  static func write(_ file: Int32, _ bytes: [UInt8], _ path: String) throws(ProcessFailure) {
    var done = 0
    while done < bytes.count {
      let put = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + done }, bytes.count - done) }
      if put < 0 && errno == EINTR { continue }
      guard put > 0 else { throw ProcessFailure(errno: errno, "write \(path)") }
      done += put
    }
  }

  /// Makes a copy that shares nothing with the original that a writer of either could change.
  public static func copy(_ path: String, to copy: String, mode: UInt32) throws(ProcessFailure) {
    let source = linux_open(path, O_RDONLY, 0)
    guard source >= 0 else { throw ProcessFailure(errno: -source, "read \(path)") }
    defer { close(source) }
    let target = linux_open(copy, O_WRONLY | O_CREAT | O_EXCL, mode_t(mode))
    guard target >= 0 else { throw ProcessFailure(errno: -target, "write \(copy)") }
    defer { close(target) }
    let result = linux_copy(source, target)
    guard result == 0 else { throw ProcessFailure(errno: -result, "copy \(path) to \(copy)") }
  }

  /// Makes the folder and those above it. A folder that is there already is left as it is.
  public static func makeFolder(_ path: String, mode: UInt32 = 0o700) throws(ProcessFailure) {
    if mkdir(path, mode_t(mode)) == 0 || (errno == EEXIST && isFolder(path)) { return }
    let problem = errno
    guard problem == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
      throw ProcessFailure(errno: problem, "make folder \(path)")
    }
    try makeFolder(String(path[..<slash]), mode: mode)
    guard mkdir(path, mode_t(mode)) == 0 || errno == EEXIST else {
      throw ProcessFailure(errno: errno, "make folder \(path)")
    }
  }

  /// Names in a folder, sorted; none where there is no such folder.
  public static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
