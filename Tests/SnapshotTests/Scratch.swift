import Glibc

/// A folder for one test, which goes away with the value.
final class Scratch {
  let path: String

  init() {
    var template = Array("/tmp/lunaport-test-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
  }

  deinit { _ = run("/bin/rm", "-rf", path) }

  /// Writes a file, and the folders on the way to it.
  func write(_ name: String, _ text: String = "", executable: Bool = false) {
    folder(name.split(separator: "/").dropLast().joined(separator: "/"))
    let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, executable ? 0o755 : 0o644)
    let bytes = Array(text.utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
    close(descriptor)
  }

  func folder(_ name: String) {
    var place = path
    for part in name.split(separator: "/") {
      place += "/\(part)"
      mkdir(place, 0o755)
    }
  }

  func link(_ name: String, to target: String) {
    folder(name.split(separator: "/").dropLast().joined(separator: "/"))
    symlink(target, "\(path)/\(name)")
  }
}

/// Runs a program to its end with `input`, and gives what it printed; its exit code is not looked at.
func run(_ words: String..., input: String = "") -> String {
  // Through files, so that neither side ever waits for the other.
  var template = Array("/tmp/lunaport-run-XXXXXX".utf8CString)
  guard let base = mkdtemp(&template).map({ String(cString: $0) }) else { return "" }
  defer {
    unlink(base + "/in")
    unlink(base + "/out")
    rmdir(base)
  }
  let descriptor = open(base + "/in", O_WRONLY | O_CREAT, 0o600)
  let bytes = Array(input.utf8)
  _ = write(descriptor, bytes, bytes.count)
  close(descriptor)
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, base + "/in", O_RDONLY, 0)
  posix_spawn_file_actions_addopen(&actions, 1, base + "/out", O_WRONLY | O_CREAT, 0o600)
  var child: pid_t = 0
  var arguments = words.map { strdup($0) } + [nil]
  defer { for argument in arguments { free(argument) } }
  guard posix_spawnp(&child, words[0], &actions, nil, &arguments, environ) == 0 else { return "" }
  var status: Int32 = 0
  waitpid(child, &status, 0)
  return contents(base + "/out")
}

func contents(_ path: String) -> String {
  let descriptor = open(path, O_RDONLY)
  guard descriptor >= 0 else { return "" }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
    bytes += buffer[..<count]
  }
}

/// The same numbers for the same seed (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
