import Glibc
import Processes

/// Who owns what an agent starts on targets: a random id of its data folder, kept there. The same folder is the same
/// owner after any restart, and no two folders are one.
public enum Owner {
  private static let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
  private static let length = 8

  /// The id of a data folder; it is made where there is none.
  public static func id(of data: String) throws(ProcessFailure) -> String {
    let path = "\(data)/owner"
    if let known = read(path) { return known }
    try Disk.makeFolder(data)
    let made = String((0..<length).map { _ in letters[Int.random(in: letters.indices)] })
    // Two agents may come to one new folder at a time: the first to link its draft decides for both.
    let draft = "\(path).\(getpid())"
    try Disk.write(draft, Array("\(made)\n".utf8), durable: true)
    defer { unlink(draft) }
    guard link(draft, path) == 0 || errno == EEXIST else { throw ProcessFailure(.system, "cannot write \(path)") }
    guard let id = read(path) else {
      throw ProcessFailure(
        .invalid, "\(path) does not hold \(length) letters and digits",
        hint: "remove it: what was started under the id that it held is then left alone for ever")
    }
    return id
  }

  private static func read(_ path: String) -> String? {
    guard let text = Disk.text(path, limit: 64) else { return nil }
    let id = text.filter { $0 != "\n" }
    return id.count == length && id.allSatisfy(letters.contains) ? id : nil
  }
}
