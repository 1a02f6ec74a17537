/// A folder's snapshot: what is in it, by content. The manifest's own bytes are `Value.json()` of it, so the same
/// folder always gives the same digest.
public struct Manifest: Sendable, Hashable, Codable {
  public struct File: Sendable, Hashable, Codable {
    /// Relative path with `/`, never absolute, never with `..`.
    public var path: String
    public var sha256: String
    public var size: Int64
    /// The owner may execute it.
    public var executable: Bool
    /// What a symbolic link points to, inside the folder; such an entry has no content.
    public var link: String?

    public init(path: String, sha256: String, size: Int64, executable: Bool, link: String? = nil) {
      self.path = path
      self.sha256 = sha256
      self.size = size
      self.executable = executable
      self.link = link
    }
  }
  /// Sorted by path.
  public var files: [File]

  public init(files: [File]) { self.files = files.sorted { $0.path < $1.path } }

  /// Bytes of all files together.
  public var size: Int64 { files.reduce(0) { $0 + max(0, $1.size) } }
}

/// Whether it may be unpacked. The server asks before it makes a job of it, and the agent again before it writes anything:
/// by one rule, or a job would be taken that no agent runs.
extension Manifest {
  /// Files and links of a source at most; more is a mistake, and would fill the agent's disk with inodes.
  public static let entriesMax = 200_000

  /// Why it must not be unpacked, each problem a sentence; empty where it may.
  public var problems: [String] {
    pathProblems
      + files.filter { $0.link == nil }.flatMap { file in
        (Manifest.isHash(file.sha256) ? [] : ["`\(file.path)` has no SHA-256"])
          + (file.size < 0 ? ["`\(file.path)` has \(file.size) bytes"] : [])
      }
  }

  /// It came from outside: no path of it may lead out of the folder, by itself or by a link.
  public var pathProblems: [String] {
    if files.count > Manifest.entriesMax { return ["there are more than \(Manifest.entriesMax) files"] }
    var problems: [String] = []
    var paths: Set<[Substring]> = []
    for file in files {
      guard let parts = Manifest.parts(file.path) else {
        problems.append("the path `\(file.path)` is not a plain relative path")
        continue
      }
      if !paths.insert(parts).inserted { problems.append("the path `\(file.path)` stands twice") }
      if let target = file.link, !Manifest.staysInside(target, from: parts.count - 1) {
        problems.append("the link `\(file.path)` leads out of the folder, to `\(target)`")
      }
    }
    // Nothing may be put below a link or a file: it would be written to where the link leads.
    for parts in paths {
      for length in 1..<max(1, parts.count) where paths.contains(Array(parts.prefix(length))) {
        let above = parts.prefix(length).joined(separator: "/")
        problems.append("`\(parts.joined(separator: "/"))` lies below `\(above)`, which is no folder")
      }
    }
    return problems
  }

  /// The parts of a plain relative path; nil where it is empty, absolute, has `.` or `..` or a zero byte, or is longer than
  /// a path may be on Linux.
  private static func parts(_ path: String) -> [Substring]? {
    guard !path.isEmpty, !path.utf8.contains(0), path.utf8.count < 4_096 else { return nil }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255 } ? parts : nil
  }

  /// Whether a link `depth` folders below the root stays inside. Counted step by step, so that it does not leave and come
  /// back. Links of links are no way out, for each of them stays inside, but `..` behind a link to a folder could be: so
  /// `..` may stand only at the beginning.
  private static func staysInside(_ target: String, from depth: Int) -> Bool {
    guard !target.isEmpty, !target.hasPrefix("/"), !target.utf8.contains(0), target.utf8.count < 4_096 else {
      return false
    }
    var level = depth
    var hasName = false
    for part in target.split(separator: "/") where part != "." {
      if part == ".." {
        if hasName { return false }
        level -= 1
        if level < 0 { return false }
      } else {
        hasName = true
      }
    }
    return true
  }

  private static func isHash(_ text: String) -> Bool {
    text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }
}
