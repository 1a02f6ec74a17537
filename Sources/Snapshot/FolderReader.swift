import Glibc

/// Reads a folder from disk, minding the ignore files in it and, where it lies in a git checkout, those above it.
public struct FolderReader {
  /// Names of the files with patterns; the later one wins where both speak.
  static let ignoreFiles = [".gitignore", ".lunaportignore"]
  /// The repository's own data, or the file that says where that is. Never part of a snapshot.
  static let repository = ".git"
  /// Entries that are looked at, beyond which the folder is surely not what was meant: a home folder, say.
  static let entriesSeenMax = 1_000_000
  /// Bytes of an ignore file; one of more is something else by mistake.
  static let ignoreFileBytesMax = 4 << 20

  private let root: String
  private var entries: [Folder.Entry] = []
  private var ignored: [Folder.Ignored] = []
  private var special: [String] = []
  private var seen = 0

  /// Reads the folder at `path`.
  public static func read(_ path: String) throws(SnapshotError) -> Folder {
    var reader = FolderReader(root: path)
    let (rules, top) = try reader.rulesAbove()
    try reader.read("", rules, top: top)
    reader.entries.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    return Folder(path: path, entries: reader.entries, ignored: reader.ignored, special: reader.special)
  }

  private init(root: String) { self.root = root }

  /// The rules of the folders between the top of the git checkout and this folder, and the way from there to here.
  private func rulesAbove() throws(SnapshotError) -> (rules: IgnoreRules, top: [UInt8]) {
    guard let resolved = realpath(root, nil) else { throw Self.failure("cannot read \(root)") }
    defer { free(resolved) }
    let parts = String(cString: resolved).split(separator: "/").map(String.init)
    var depth = parts.count
    while depth >= 0, !Self.exists("/" + (parts[..<depth] + [Self.repository]).joined(separator: "/")) { depth -= 1 }
    guard depth >= 0 else { return (IgnoreRules(), []) }
    var rules = IgnoreRules()
    for level in depth..<parts.count {
      let inside = parts[depth..<level].joined(separator: "/")
      rules = try adding(to: rules, of: "/" + parts[..<level].joined(separator: "/"), at: Array(inside.utf8)) {
        "/" + (parts[..<level] + [$0]).joined(separator: "/")
      }
    }
    return (rules, Array(parts[depth...].joined(separator: "/").utf8))
  }

  /// - Parameters:
  ///   - folder: relative to the root; empty for the root itself.
  ///   - top: way from the top of the rules to the root.
  private mutating func read(_ folder: String, _ rules: IgnoreRules, top: [UInt8]) throws(SnapshotError) {
    let place = folder.isEmpty ? root : root + "/" + folder
    let topFolder = Self.joined(top, Array(folder.utf8))
    let rules = try adding(to: rules, of: place, at: topFolder) { folder.isEmpty ? $0 : folder + "/" + $0 }
    for name in try names(in: place) where name != Self.repository {
      seen += 1
      guard seen <= Self.entriesSeenMax else {
        throw SnapshotError(
          .tooLarge, "\(root) holds more than \(Self.entriesSeenMax) files",
          hint: "name the folder of the job's own code")
      }
      let path = folder.isEmpty ? name : folder + "/" + name
      var status = stat()
      guard lstat(root + "/" + path, &status) == 0 else {
        // It went away between the listing and now: then it is not there.
        if errno == ENOENT { continue }
        throw Self.failure("cannot read \(path)")
      }
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      if let reason = rules.reason(toIgnore: Self.joined(topFolder, Array(name.utf8)), isFolder: isFolder) {
        ignored.append(
          Folder.Ignored(path: path, reason: "\(reason.file.path):\(reason.pattern.line) says \(reason.pattern.text)"))
        continue
      }
      switch status.st_mode & S_IFMT {
      case S_IFDIR: try read(path, rules, top: top)
      case S_IFREG:
        entries.append(
          Folder.Entry(
            path: path, kind: .file(size: Int64(status.st_size), executable: status.st_mode & S_IXUSR != 0)))
      case S_IFLNK: entries.append(Folder.Entry(path: path, kind: .link(target: try linkTarget(path))))
      default: special.append(path)
      }
    }
  }

  private func adding(
    to rules: IgnoreRules, of folder: String, at topFolder: [UInt8], shown: (String) -> String
  ) throws(SnapshotError) -> IgnoreRules {
    var rules = rules
    for name in Self.ignoreFiles {
      guard let bytes = try Self.ignoreFile(folder + "/" + name) else { continue }
      rules = rules.adding(IgnoreFile(bytes, path: shown(name)), in: topFolder)
    }
    return rules
  }

  private func names(in folder: String) throws(SnapshotError) -> [String] {
    guard let stream = opendir(folder) else { throw Self.failure("cannot read \(folder)") }
    defer { closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(stream) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw SnapshotError(
          .badName, "the name \(String(decoding: bytes, as: UTF8.self).debugDescription) in \(folder) is not UTF-8",
          hint: "rename it")
      }
      if name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw Self.failure("cannot read \(folder)") }
    return names
  }

  private func linkTarget(_ path: String) throws(SnapshotError) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink(root + "/" + path, &buffer, buffer.count)
    guard length >= 0 else { throw Self.failure("cannot read the link \(path)") }
    guard let target = String(validating: buffer[..<length].lazy.map(UInt8.init(bitPattern:)), as: UTF8.self) else {
      throw SnapshotError(.badName, "what the link \(path) points to is not UTF-8", hint: "make the link anew")
    }
    return target
  }

  /// The bytes of an ignore file; nil where there is none. One that is a link does not count, as in git.
  private static func ignoreFile(_ path: String) throws(SnapshotError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      if [ENOENT, ELOOP, ENOTDIR].contains(errno) { return nil }
      throw failure("cannot read \(path)")
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      // A folder of that name has no patterns.
      if count < 0, errno == EISDIR { return nil }
      guard count >= 0 else { throw failure("cannot read \(path)") }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
      guard bytes.count <= ignoreFileBytesMax else {
        throw SnapshotError(.unreadable, "\(path) is too long to be a list of patterns")
      }
    }
  }

  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  private static func joined(_ folder: [UInt8], _ name: [UInt8]) -> [UInt8] {
    if folder.isEmpty { return name }
    return name.isEmpty ? folder : folder + [slash] + name
  }

  private static func failure(_ fact: String) -> SnapshotError {
    SnapshotError(.unreadable, "\(fact): \(String(cString: strerror(errno)))")
  }
}
