import Model

extension Manifest {
  /// Files and links of a source at most; more is a mistake, and would fill the agent's disk with inodes.
  static let entriesMax = 200_000

  /// Why this manifest must not be unpacked, or nil where it may.
  var problem: String? {
    if let problem = pathProblem { return problem }
    let file = files.first { file in
      file.link == nil && (file.sha256.utf8.count != 64 || !file.sha256.utf8.allSatisfy { Manifest.isHex($0) })
    }
    return file.map { "its file `\($0.path)` has no hash" }
  }

  /// It came from outside: no path of it may lead out of the folder, by itself or by a link.
  var pathProblem: String? {
    if files.count > Manifest.entriesMax { return "it has more than \(Manifest.entriesMax) files" }
    var links: Set<[Substring]> = []
    var paths: Set<[Substring]> = []
    for file in files {
      guard let parts = Manifest.parts(file.path) else { return "its path `\(file.path)` is not inside the folder" }
      guard paths.insert(parts).inserted else { return "its path `\(file.path)` occurs twice" }
      if let target = file.link {
        guard Manifest.staysInside(target, from: parts.count - 1) else {
          return "its link `\(file.path)` leads out of the folder, to `\(target)`"
        }
        links.insert(parts)
      }
    }
    // Nothing may be put below a link or a file: it would be written to where the link leads.
    for parts in paths {
      for length in 1..<max(1, parts.count) where paths.contains(Array(parts.prefix(length))) {
        return "its path `\(parts.joined(separator: "/"))` lies below a file or a link"
      }
    }
    return nil
  }

  /// Bytes of all files together.
  var size: Int64 { files.reduce(0) { $0 + max(0, $1.size) } }

  /// The parts of a plain relative path; nil where it is empty, absolute, has `.` or `..` or a zero byte.
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

  private static func isHex(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
    default: false
    }
  }
}
