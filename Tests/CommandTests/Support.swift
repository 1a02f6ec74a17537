import Arguments
import Glibc
import Synchronization
import Testing

@testable import lunaport

/// Keeps what a command wrote.
final class Transcript: Sendable {
  private let streams = Mutex<[Console.Stream: [UInt8]]>([:])

  var output: String { text(.output) }
  var errors: String { text(.errors) }

  func console(output: Terminal = .plain, errors: Terminal = .plain) -> Console {
    Console(output: output, errors: errors) { [self] stream, bytes in
      streams.withLock { $0[stream, default: []] += bytes }
    }
  }

  private func text(_ stream: Console.Stream) -> String {
    streams.withLock { String(decoding: $0[stream] ?? [], as: UTF8.self) }
  }
}

/// 2026-07-01 12:00:00 UTC, when all the views of these tests are looked at.
let testTime = 1_782_907_200.0

/// Runs a command within this process, without a home and without a server.
func ran(
  _ words: String..., environment: [String: String] = [:]
) async -> (code: ExitCode, output: String, errors: String) {
  let transcript = Transcript()
  let lunaport = Lunaport(environment: Environment(environment), now: { testTime })
  let code = await lunaport.program.run(
    words, environment: Environment(environment), console: transcript.console())
  return (code, transcript.output, transcript.errors)
}

/// A folder for one test, which goes away with the value.
final class TestFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/lunaport-test-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
  }

  deinit { _ = try? Child.run(["/bin/rm", "-rf", path]) }

  @discardableResult
  func write(_ name: String, _ text: String, executable: Bool = false) throws -> String {
    try LocalFile.write(Array(text.utf8), to: "\(path)/\(name)", mode: executable ? 0o755 : 0o644)
    return "\(path)/\(name)"
  }
}

/// Golden files: what people read, as it is to be read.
enum Golden {
  /// Compares with the file; writes it where UPDATE_GOLDEN is set.
  static func check(
    _ text: String, _ name: String, file: String = #filePath, location: SourceLocation = #_sourceLocation
  ) throws {
    let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    let path = "\(folder)/Golden/\(name).txt"
    if Environment.process["UPDATE_GOLDEN"] != nil {
      try LocalFile.write(Array(text.utf8), to: path)
      return
    }
    let expected = try LocalFile.read(path, ifMissing: nil).map { String(decoding: $0, as: UTF8.self) }
    #expect(text == expected, "Golden/\(name).txt says otherwise", sourceLocation: location)
  }
}
