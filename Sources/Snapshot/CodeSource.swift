import Glibc
import Model

extension Folder {
  private static let requirements = "requirements.txt"
  private static let project = "pyproject.toml"
  private static let runtimeFiles = ["runtime.txt", ".python-version"]
  /// Bytes of a file that are looked at. Projects carry the settings of many tools, and still are kilobytes.
  private static let fileBytesMax = 1 << 20

  /// Names of the files that say what a program needs.
  public static let told = [requirements, project] + runtimeFiles

  /// Where a job version's program comes from, once the folder's snapshot has `manifest` as its digest.
  /// - Parameter runtime: the Python version asked for on the command line.
  public func source(_ words: [String], runtime: String?, manifest: String?) throws(SnapshotError) -> Source {
    Source(
      kind: .code, manifest: manifest, entryPoint: try command(words), python: try python(runtime),
      requirements: try dependencies())
  }

  /// The dependency list that a builder reads: requirements.txt, or a pyproject.toml that names dependencies.
  private func dependencies() throws(SnapshotError) -> String? {
    if entry(Self.requirements) != nil { return Self.requirements }
    guard entry(Self.project) != nil else { return nil }
    guard let text = Self.start(of: path + "/" + Self.project) else {
      throw SnapshotError(.unreadable, "cannot read \(Self.project): \(String(cString: strerror(errno)))")
    }
    if Self.hasDependencies(project: text) { return Self.project }
    if text.contains("[tool.poetry.dependencies]") {
      throw SnapshotError(
        .dependencies, "pyproject.toml names its dependencies in the way of Poetry, which no installer here reads",
        hint: "list them under dependencies in [project], or write them with: poetry export -o requirements.txt")
    }
    return nil
  }

  /// Whether the `[project]` table of a pyproject.toml has dependencies. A file that only sets up tools needs no
  /// environment, and making one costs seconds.
  static func hasDependencies(project text: String) -> Bool {
    var table = ""
    for line in text.split(whereSeparator: \.isNewline) {
      let line = line.drop { $0 == " " || $0 == "\t" }
      if line.hasPrefix("[") { table = String(line.prefix { $0 != "#" }.filter { !$0.isWhitespace }) }
      let key = line.prefix { $0 != "=" }.filter { !$0.isWhitespace && $0 != "\"" }
      guard line.contains("=") else { continue }
      if table == "[project]", key == "dependencies" || key == "dynamic" && line.contains("\"dependencies\"") {
        return true
      }
      if table.isEmpty, key == "project.dependencies" { return true }
    }
    return false
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
    var buffer = [UInt8](repeating: 0, count: fileBytesMax)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
  }
}
