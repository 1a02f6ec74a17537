import Glibc

/// Programs that these tests run beside themselves.
enum Child {
  struct Ended {
    var code: Int32
    var output: String
    var errors: String
  }

  struct CannotStart: Error { var words: [String] }

  /// The folder of built programs: that of the test bundle itself.
  static var built: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let size = readlink("/proc/self/exe", &buffer, buffer.count)
    let own = String(decoding: buffer[..<max(0, size)].map(UInt8.init(bitPattern:)), as: UTF8.self)
    // The test runner may be a program of the toolchain; then the bundle is named on its command line.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? own
    return bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
  }

  static func start(
    _ words: [String], environment: [String: String] = [:], output: Int32, errors: Int32
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, errors, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // What the test runner ignores or blocks is not for its children.
    var all = sigset_t()
    sigfillset(&all)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var arguments = words.map { strdup($0) } + [nil]
    let base = ["PATH", "LANG"].compactMap { (name: String) -> String? in
      getenv(name).map { "\(name)=\(String(cString: $0))" }
    }
    var variables = (base + environment.map { "\($0.key)=\($0.value)" }).map { strdup($0) } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var child: pid_t = 0
    guard posix_spawnp(&child, words[0], &actions, &attributes, &arguments, &variables) == 0 else {
      throw CannotStart(words: words)
    }
    return child
  }

  /// Runs to the end. Output goes through files, so that nobody waits for anybody.
  static func run(_ words: [String], environment: [String: String] = [:]) throws -> Ended {
    let output = memoryFile()
    let errors = memoryFile()
    defer {
      close(output)
      close(errors)
    }
    let child = try start(words, environment: environment, output: output, errors: errors)
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return Ended(code: exitCode(status), output: text(output), errors: text(errors))
  }

  /// As shells tell it: 128 and the number of the signal where one ended it.
  static func exitCode(_ status: Int32) -> Int32 {
    status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }

  /// A file without a name.
  static func memoryFile() -> Int32 {
    var template = Array("/tmp/lunaport-out-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    unlink(template)
    return descriptor
  }

  static func text(_ descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = pread(descriptor, &buffer, buffer.count, off_t(bytes.count))
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}
