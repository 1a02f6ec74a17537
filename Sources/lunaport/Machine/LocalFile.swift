import Arguments
import Glibc
import Model

/// Something on this machine that keeps a command from being carried out.
struct LocalFailure: CommandFailure, Equatable {
  var message: String
  var notes: [String] = []
  var hint: String?
  var exitCode: ExitCode = .couldNotRun

  init(_ message: String, notes: [String] = [], hint: String? = nil, exitCode: ExitCode = .couldNotRun) {
    self.message = message
    self.notes = notes
    self.hint = hint
    self.exitCode = exitCode
  }

  func report(on terminal: Terminal) -> String {
    FailureText(message: message, notes: notes, help: hint.map { [$0] } ?? []).rendered(on: terminal)
  }
}

/// Small files, read and written whole.
enum LocalFile {
  /// Bytes of a file that a command reads whole; configs and keys are kilobytes.
  static let bytesMax = 16 << 20

  static func read(_ path: String) throws(LocalFailure) -> [UInt8] {
    guard let bytes = try read(path, ifMissing: nil) else {
      throw LocalFailure("cannot read \(path): \(String(cString: strerror(ENOENT)))")
    }
    return bytes
  }

  /// - Returns: `ifMissing` where there is no such file.
  static func read(_ path: String, ifMissing: [UInt8]?) throws(LocalFailure) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return ifMissing }
      throw failure("cannot read \(path)")
    }
    defer { close(descriptor) }
    return try read(descriptor, named: path)
  }

  /// Everything up to the end, such as of standard input.
  static func read(_ descriptor: Int32, named name: String) throws(LocalFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure("cannot read \(name)") }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
      guard bytes.count <= bytesMax else {
        throw LocalFailure("\(name) is longer than \(Quantity.text(bytes: Int64(bytesMax)))")
      }
    }
  }

  /// Writes beside the file and then renames, so that readers see the old content or the new one, whole.
  static func write(
    _ bytes: [UInt8], to path: String, mode: mode_t = 0o644, folderMode: mode_t = 0o755
  ) throws(LocalFailure) {
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    if !folder.isEmpty { try makeFolder(folder, mode: folderMode) }
    let draft = "\(path).\(getpid()).new"
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
    guard descriptor >= 0 else { throw failure("cannot write \(path)") }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        let failure = failure("cannot write \(path)")
        close(descriptor)
        unlink(draft)
        throw failure
      }
      rest = rest.dropFirst(count)
    }
    // The mode above holds only for a new file, and less what umask takes away.
    fchmod(descriptor, mode)
    close(descriptor)
    guard rename(draft, path) == 0 else {
      let failure = failure("cannot write \(path)")
      unlink(draft)
      throw failure
    }
  }

  /// Makes a folder and those above it. One that is there already is no error.
  static func makeFolder(_ path: String, mode: mode_t = 0o755) throws(LocalFailure) {
    if exists(path) || mkdir(path, mode) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
      throw failure("cannot make the folder \(path)")
    }
    try makeFolder(String(path[..<slash]), mode: mode)
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw failure("cannot make the folder \(path)") }
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  static func failure(_ fact: String) -> LocalFailure {
    LocalFailure("\(fact): \(String(cString: strerror(errno)))")
  }
}
