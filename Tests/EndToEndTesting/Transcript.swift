import Glibc
import Processes

/// What a program writes to one of its streams, as it comes.
final class Transcript: Sendable {
  private struct Written: Sendable {
    var bytes: [UInt8] = []
    var isEnd = false
  }
  private let written = Watched(Written())

  /// Reads `file` to its end and closes it.
  init(_ file: Int32) {
    let written = written
    Task.detached {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while true {
        let got = read(file, &buffer, buffer.count)
        if got > 0 {
          written.change { $0.bytes += buffer[0..<got] }
        } else if got < 0, errno == EAGAIN {
          if await !Reactor.shared.wait(for: file) { break }
        } else if got == 0 || errno != EINTR {
          break
        }
      }
      close(file)
      written.change { $0.isEnd = true }
    }
  }

  var text: String { String(decoding: written.value.bytes, as: UTF8.self) }

  /// Lines that are complete.
  var lines: [Substring] { Transcript.lines(written.value.bytes) }

  private static func lines(_ bytes: [UInt8]) -> [Substring] {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.lastIndex(of: "\n") else { return [] }
    return text[..<end].split(separator: "\n", omittingEmptySubsequences: false)
  }

  struct Ended: Error, CustomStringConvertible {
    var text: String
    var description: String { "the program ended without writing what was waited for; it wrote: \(text)" }
  }

  /// The first line, from line `start` on, that `wanted` accepts.
  @discardableResult
  func line(from start: Int = 0, where wanted: (Substring) -> Bool) async throws -> String {
    try await written.first { written in
      if let line = Transcript.lines(written.bytes).dropFirst(start).first(where: wanted) { return String(line) }
      if written.isEnd { throw Ended(text: String(decoding: written.bytes, as: UTF8.self)) }
      return nil
    }
  }

  /// All of it, once the stream has ended.
  func whole() async throws -> String {
    try await written.first { $0.isEnd ? String(decoding: $0.bytes, as: UTF8.self) : nil }
  }
}
