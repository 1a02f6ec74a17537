import Glibc
import Testing

/// A folder that is there while it is held.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/arguments-XXXXXX".utf8CString)
    path = String(cString: try #require(mkdtemp(&template)))
  }

  deinit {
    _ = try? output(of: "rm -rf '\(path)'")
  }

  func write(_ name: String, _ text: String, executable: Bool = false) throws {
    let file = try #require(fopen("\(path)/\(name)", "w"))
    fputs(text, file)
    fclose(file)
    if executable { chmod("\(path)/\(name)", 0o755) }
  }

  /// Nil when there is no such file.
  func read(_ name: String) -> [UInt8]? {
    guard let file = fopen("\(path)/\(name)", "r") else { return nil }
    defer { fclose(file) }
    return bytes(of: file)
  }
}

/// Standard output and standard error of a command of /bin/sh.
func output(of command: String) throws -> String {
  let pipe = try #require(popen("exec 2>&1; \(command)", "r"))
  let text = String(decoding: bytes(of: pipe), as: UTF8.self)
  pclose(pipe)
  return text
}

private func bytes(of file: UnsafeMutablePointer<FILE>) -> [UInt8] {
  var all: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 65_536)
  while case let count = fread(&piece, 1, piece.count, file), count > 0 { all += piece[..<count] }
  return all
}

/// Whether tests of this program are to run: they do where it is installed, and where they are demanded.
func isTested(_ shell: String) -> Bool {
  let found = try? output(of: "command -v \(shell)")
  let isDemanded = getenv("LUNAPORT_ENGINES").map { String(cString: $0) } == "1"
  return found?.isEmpty == false || isDemanded
}
