import Glibc
import Model

extension Folder {
  /// Name of the dependency list that a builder reads.
  private static let requirements = "requirements.txt"
  private static let runtimeFiles = ["runtime.txt", ".python-version"]
  /// Characters of a runtime file that are looked at.
  private static let runtimeFileBytes = 4_096

  /// Where a job version's program comes from, once the folder's snapshot has `manifest` as its digest.
  /// - Parameter runtime: the Python version asked for on the command line.
  public func source(_ words: [String], runtime: String?, manifest: String?) throws(SnapshotError) -> Source {
    Source(
      kind: .code, manifest: manifest, entryPoint: try command(words), python: try python(runtime),
      requirements: entry(Self.requirements) == nil ? nil : Self.requirements)
  }

  /// The Python version that the job asks for: by `runtime`, else by `runtime.txt`, else by `.python-version`.
  private func python(_ runtime: String?) throws(SnapshotError) -> String? {
    if let runtime {
      guard let version = Self.python(in: runtime) else {
        throw SnapshotError(.runtime, "\(runtime) is no Python version", hint: "such as --runtime 3.11")
      }
      return version
    }
    for name in Self.runtimeFiles where entry(name) != nil {
      guard let text = Self.start(of: path + "/" + name) else {
        throw SnapshotError(.unreadable, "cannot read \(name): \(String(cString: strerror(errno)))")
      }
      guard let version = Self.python(in: text) else {
        throw SnapshotError(
          .runtime, "\(name) names no Python version that is understood",
          hint: "write python-3.11 into it, or say --runtime 3.11")
      }
      return version
    }
    return nil
  }

  /// The version in `python-3.11.4`, `python3.11`, `3.11` or the first line of several, as `3.11`: what an interpreter
  /// is found by. The patch is left to the machine.
  static func python(in text: String) -> String? {
    let lines = text.split(whereSeparator: \.isNewline)
    guard
      var word = lines.compactMap({ $0.split(whereSeparator: \.isWhitespace).first }).first(where: { $0.first != "#" })
    else { return nil }
    if word.hasPrefix("python") { word = word.dropFirst("python".count) }
    if word.hasPrefix("-") { word = word.dropFirst() }
    let parts = word.split(separator: ".", omittingEmptySubsequences: false)
    guard (2...3).contains(parts.count),
      parts.allSatisfy({ part in
        (1...3).contains(part.count) && part.allSatisfy { $0.isASCII && $0.isNumber }
      })
    else { return nil }
    return "\(parts[0]).\(parts[1])"
  }

  private static func start(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: runtimeFileBytes)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
  }
}
