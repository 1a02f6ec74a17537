import CLinux
import Glibc

/// Starting a program: posix_spawn, never fork, for a forked copy of a threaded program is unusable.
package enum Launch {
  /// Descriptors of ours handed to a new program start here, so that putting them in place at 0 to 4 cannot overwrite
  /// one that is still to be placed.
  static let leastDescriptor: Int32 = 10

  /// Starts `program` in a session of its own, with nothing of ours but what is placed.
  /// - Parameters:
  ///   - program: path; looked up by nobody.
  ///   - files: descriptors of ours (at least `leastDescriptor`) by the number the program shall see.
  ///   - output: a file to which descriptors 1 and 2 append.
  package static func spawn(
    _ program: String, arguments: [String], environment: [String: String], folder: String? = nil,
    files: [(own: Int32, place: Int32)], output: String? = nil
  ) throws(ProcessFailure) -> pid_t {
    for text in arguments where text.utf8.contains(0) {
      throw ProcessFailure(.invalid, "an argument of \(program) contains a zero byte")
    }
    for (name, text) in environment where text.utf8.contains(0) || name.utf8.contains(0) || name.contains("=") {
      throw ProcessFailure(.invalid, "environment variable `\(name)` contains a zero byte or `=` in its name")
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let output {
      posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
      posix_spawn_file_actions_adddup2(&actions, 1, 2)
    }
    for file in files { posix_spawn_file_actions_adddup2(&actions, file.own, file.place) }
    if !files.contains(where: { $0.place == 0 }) {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    // What we inherited ourselves and is not marked close-on-exec must not go on to a program either.
    posix_spawn_file_actions_addclosefrom_np(&actions, 1 + (files.map(\.place).max() ?? 2))
    if let folder { posix_spawn_file_actions_addchdir_np(&actions, folder) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    sigfillset(&all)
    var none = sigset_t()
    sigemptyset(&none)
    // A program must not inherit that we ignore SIGPIPE or hold signals back.
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(0x80 /* POSIX_SPAWN_SETSID */))

    var pid: pid_t = 0
    let result = withTexts(arguments) { argv in
      withTexts(environment.map { "\($0.key)=\($0.value)" }) { envp in
        posix_spawn(&pid, program, &actions, &attributes, argv, envp)
      }
    }
    guard result == 0 else { throw ProcessFailure(errno: result, "run \(program)") }
    return pid
  }

  /// `texts` as the kernel takes them: an array of C strings with a null at its end.
  private static func withTexts<Result>(
    _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let count = texts.reduce(0) { $0 + $1.utf8.count + 1 }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: max(1, count)) { bytes in
      withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<CChar>?.self, capacity: texts.count + 1) { pointers in
        var at = 0
        for (index, text) in texts.enumerated() {
          pointers[index] = bytes.baseAddress.map { $0 + at }
          for byte in text.utf8 {
            bytes[at] = CChar(bitPattern: byte)
            at += 1
          }
          bytes[at] = 0
          at += 1
        }
        pointers[texts.count] = nil
        // The allocation holds at least the null, so it has an address.
        return body(pointers.baseAddress.unsafelyUnwrapped)
      }
    }
  }

  /// The file that `name` means: itself where it has a slash (seen from `folder`), else the first of that name in
  /// `path` that may be executed.
  static func find(_ name: String, path: String, folder: String?) throws(ProcessFailure) -> String {
    guard !name.isEmpty else { throw ProcessFailure(.invalid, "the command is empty") }
    if name.contains("/") {
      let file = name.hasPrefix("/") ? name : "\(folder ?? ".")/\(name)"
      guard Disk.exists(file) else { throw ProcessFailure(.notFound, "there is no file `\(name)`") }
      guard !Disk.isFolder(file) else { throw ProcessFailure(.permission, "`\(name)` is a folder, not a program") }
      guard access(file, X_OK) == 0 else {
        throw ProcessFailure(
          .permission, "`\(name)` may not be executed", hint: "set its executable bit: chmod +x \(name)")
      }
      return file
    }
    for part in path.split(separator: ":", omittingEmptySubsequences: false) {
      let file = part.isEmpty ? "\(folder ?? ".")/\(name)" : "\(part)/\(name)"
      if access(file, X_OK) == 0 && !Disk.isFolder(file) { return file }
    }
    throw ProcessFailure(
      .notFound, "no program `\(name)` in PATH (\(path))",
      hint: "install it on the agent's machine, or name it by a path in the job's folder, such as ./\(name)")
  }
}
