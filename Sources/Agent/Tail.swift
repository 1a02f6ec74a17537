import Synchronization

/// The last lines of what a build printed, for the message of its failure.
final class Tail: Sendable {
  private static let lines = 10
  private static let bytesMax = 4_096
  private let bytes = Mutex<[UInt8]>([])

  func add(_ more: [UInt8]) {
    bytes.withLock { bytes in
      bytes += more
      if bytes.count > 2 * Tail.bytesMax { bytes.removeFirst(bytes.count - Tail.bytesMax) }
    }
  }

  var text: String {
    let bytes = bytes.withLock { $0.suffix(Tail.bytesMax) }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: true)
    return lines.suffix(Tail.lines).joined(separator: "\n")
  }
}
