import Glibc

/// The few calls on files that more than one part of the store makes.
enum Files {
  /// Makes a folder and those above it; those that are there are left as they are. Their names are on disk afterwards: what
  /// is put into a folder that a power cut takes away goes with it.
  static func makeFolder(_ path: String) throws(StoreError) {
    if mkdir(path, 0o700) == 0 { return try syncName(of: path) }
    if errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw StoreError(errno: errno, "create `\(path)`")
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw StoreError(errno: errno, "create `\(path)`") }
    try syncName(of: path)
  }

  /// Puts the name of a new folder on disk. One whose own folder may be written and not read is as good as it can be.
  private static func syncName(of path: String) throws(StoreError) {
    do throws(StoreError) { try sync(folder(of: path)) } catch { if error.code != .readOnly { throw error } }
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Removes a file. One that is not there is no error.
  static func remove(_ path: String) throws(StoreError) -> Removal {
    let size = try size(path)
    guard unlink(path) == 0 || errno == ENOENT else { throw StoreError(errno: errno, "remove `\(path)`") }
    return size.map { Removal(count: 1, bytes: $0) } ?? Removal()
  }

  /// Puts a file, or the names in a folder, on disk.
  static func sync(_ path: String) throws(StoreError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StoreError(errno: errno, "open `\(path)`") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw StoreError(errno: errno, "put `\(path)` on disk") }
  }

  /// Names a file, in place of what had that name; the name is on disk afterwards.
  static func rename(_ path: String, to new: String) throws(StoreError) {
    guard Glibc.rename(path, new) == 0 else { throw StoreError(errno: errno, "name `\(new)`") }
    try sync(folder(of: new))
  }

  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Names in a folder, without `.` and `..`.
  static func names(in folder: String) throws(StoreError) -> [String] {
    guard let stream = opendir(folder) else { throw StoreError(errno: errno, "list `\(folder)`") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
        String(decoding: raw.prefix(while: { $0 != 0 }), as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Bytes of a file; nil where there is none.
  static func size(_ path: String) throws(StoreError) -> Int64? {
    var status = stat()
    if stat(path, &status) == 0 { return Int64(status.st_size) }
    guard errno == ENOENT else { throw StoreError(errno: errno, "read the size of `\(path)`") }
    return nil
  }

  /// At most `count` bytes from `offset`; nil where there is no such file.
  static func read(_ path: String, from offset: Int64, count: Int) throws(StoreError) -> [UInt8]? {
    // So far behind any file's end that the sum would not fit.
    if offset > Int64.max - Int64(max(count, 0)) { return exists(path) ? [] : nil }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw StoreError(errno: errno, "open `\(path)`")
    }
    defer { close(descriptor) }
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: max(count, 0)) { buffer, filled in
      filled = 0
      while filled < count {
        let got = pread(descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(offset) + filled)
        if got > 0 {
          filled += got
        } else if got == 0 {
          break
        } else if errno != EINTR {
          failure = errno
          break
        }
      }
    }
    guard failure == 0 else { throw StoreError(errno: failure, "read `\(path)`") }
    return bytes
  }

  /// Writes all of `bytes` at `offset`. Where it fails, a part of them may be there.
  static func write(
    _ bytes: ArraySlice<UInt8>, to descriptor: Int32, at offset: Int64, _ path: String
  ) throws(StoreError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { raw in
        pwrite(descriptor, raw.baseAddress.map { $0 + written }, raw.count - written, off_t(offset) + written)
      }
      if count >= 0 { written += count } else if errno != EINTR { throw StoreError(errno: errno, "write `\(path)`") }
    }
  }

  /// Makes a new file of `bytes`.
  static func write(_ bytes: [UInt8], to path: String) throws(StoreError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw StoreError(errno: errno, "create `\(path)`") }
    defer { close(descriptor) }
    try write(bytes[...], to: descriptor, at: 0, path)
  }

  /// The text of a symbolic link; nil where there is none.
  static func link(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 256)
    let capacity = buffer.count
    let count = buffer.withUnsafeMutableBytes { raw in
      raw.baseAddress.map { readlink(path, $0.assumingMemoryBound(to: CChar.self), capacity) } ?? 0
    }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  /// Makes a symbolic link with this text, in place of one that is there.
  static func makeLink(_ path: String, to text: String) throws(StoreError) {
    if symlink(text, path) == 0 { return }
    guard errno == EEXIST else { throw StoreError(errno: errno, "create `\(path)`") }
    unlink(path)
    guard symlink(text, path) == 0 || errno == EEXIST else { throw StoreError(errno: errno, "create `\(path)`") }
  }
}
