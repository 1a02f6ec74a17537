import Dispatch
import Glibc
import HTTP

/// Takes the body of one request as it arrives.
enum HTTPBodyReceiver {
  case memory([UInt8], limit: Int)
  case file(HTTPFileReceiver)
  /// The request is refused; its body is dropped so that the client can read why.
  case drain(left: Int)
}

/// Writes a body to a file. Used by one thread at a time: libmicrohttpd's while the connection runs, the disk queue's
/// while it is suspended.
struct HTTPFileReceiver {
  /// Bytes gathered before they are written; large enough that the connection is rarely suspended.
  static let chunk = 256 << 10
  /// Writes block, so they have a thread of their own: a slow disk must not hold up the network or the tasks.
  static let disk = DispatchQueue(label: "lunaport.http.uploads")

  let file: HTTPPartialFile
  let limit: Int
  var size = 0
  var gathered: [UInt8] = []
}

/// A file that is still being received; removed unless it is completed.
final class HTTPPartialFile: Sendable {
  private let descriptor: Int32
  let path: String

  /// `nil` when the directory does not take a new file.
  init?(directory: String) {
    let path = "\(directory)/upload-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return nil }
    self.descriptor = descriptor
    self.path = path
  }

  /// Blocks. False when the disk takes no more.
  func write(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { buffer in
      var rest = buffer[...]
      while !rest.isEmpty {
        let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }
  }

  /// Makes a second name for what was received, so that it stays when this is let go of. `nil` when that failed.
  func complete(size: Int) -> HTTPUploadedFile? {
    let final = path + ".body"
    return rename(path, final) == 0 ? HTTPUploadedFile(path: final, size: size) : nil
  }

  deinit {
    close(descriptor)
    unlink(path)
  }
}
