import Model

/// What a folder holds, apart from what is left out.
public struct Folder: Sendable, Hashable {
  public struct Entry: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
      case file(size: Int64, executable: Bool)
      case link(target: String)
    }
    /// Relative to the folder.
    public var path: String
    public var kind: Kind

    public init(path: String, kind: Kind) {
      self.path = path
      self.kind = kind
    }

    public var size: Int64 { if case .file(let size, _) = kind { size } else { 0 } }
  }

  /// Something that an ignore file leaves out, with all below it.
  public struct Ignored: Sendable, Hashable {
    public var path: String
    /// `.gitignore:3 says data/`
    public var reason: String

    public init(path: String, reason: String) {
      self.path = path
      self.reason = reason
    }
  }

  /// Where it is; as the person named it.
  public var path: String
  /// What it is called in errors.
  public var name: String
  /// In the order of the bytes of their paths.
  public var entries: [Entry]
  public var ignored: [Ignored]
  /// Sockets, pipes and devices, which no snapshot can hold.
  public var special: [String]

  /// - Parameter name: its path where nil.
  public init(
    path: String, entries: [Entry], ignored: [Ignored] = [], special: [String] = [], name: String? = nil
  ) {
    self.path = path
    self.name = name ?? path
    self.entries = entries
    self.ignored = ignored
    self.special = special
  }

  public var bytes: Int64 { entries.reduce(0) { $0 + $1.size } }

  public func entry(_ path: String) -> Entry? { entries.first { $0.path == path } }

  /// Why `path` is not among the entries, if an ignore file is the reason.
  public func reason(toIgnore path: String) -> String? {
    ignored.first { path == $0.path || path.hasPrefix($0.path + "/") }?.reason
  }
}

extension Folder {
  /// Everything that keeps the folder from becoming a snapshot.
  public func problems(_ limits: SnapshotLimits) -> [SnapshotError] {
    var problems: [SnapshotError] = []
    if entries.isEmpty {
      problems.append(
        SnapshotError(
          .empty, "there is nothing to take in \(path)",
          notes: ignored.isEmpty ? [] : ["\(ignored.count) names in it are left out by ignore files"]))
    }
    let advice = "name what the job does not need in .gitignore or .lunaportignore"
    if bytes > limits.bytes {
      problems.append(
        SnapshotError(
          .tooLarge,
          "\(path) holds \(Quantity.text(bytes: bytes)), and a snapshot at most \(Quantity.text(bytes: limits.bytes))",
          notes: ["the biggest files:"] + biggestFiles, hint: advice + ", and read data from where it lives"))
    }
    if entries.count > limits.entries {
      problems.append(
        SnapshotError(
          .tooLarge, "\(path) holds \(entries.count) files, and a snapshot at most \(limits.entries)",
          notes: ["the fullest folders:"] + fullestFolders, hint: advice))
    }
    let outward = outwardLinks
    if !outward.isEmpty {
      problems.append(
        SnapshotError(
          .linkLeadsOut, "\(outward.count == 1 ? "a link leads" : "\(outward.count) links lead") out of \(path)",
          notes: outward.map { "\($0.path) -> \($0.target)" },
          hint: "where the job runs, there is only the folder: copy what is linked into it, or ignore the link"))
    }
    return problems
  }

  private var biggestFiles: [String] {
    entries.filter { $0.size > 0 }.sorted { ($1.size, $0.path) < ($0.size, $1.path) }.prefix(SnapshotLimits.named)
      .map { "\(Quantity.text(bytes: $0.size))  \($0.path)" }
  }

  private var fullestFolders: [String] {
    var counts: [String: Int] = [:]
    for entry in entries {
      let parts = entry.path.split(separator: "/")
      counts[parts.count > 1 ? "\(parts[0])/" : "./", default: 0] += 1
    }
    return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(SnapshotLimits.named)
      .map { "\($0.value) files  \($0.key)" }
  }

  /// Links that lead out of the folder, through other links also, or to an absolute path, which means something else
  /// on every machine.
  var outwardLinks: [(path: String, target: String)] {
    var targets: [String: String] = [:]
    for case let entry in entries {
      if case .link(let target) = entry.kind { targets[entry.path] = target }
    }
    return entries.compactMap { entry in
      guard case .link(let target) = entry.kind, Self.leadsOut(entry.path, targets) else { return nil }
      return (entry.path, target)
    }
  }

  /// Links that one path may go through; what the kernel allows (ELOOP).
  private static let linksFollowedMax = 40

  private static func leadsOut(_ path: String, _ targets: [String: String]) -> Bool {
    var pending = path.split(separator: "/").map(String.init)[...]
    var place: [String] = []
    var followed = 0
    while let part = pending.popFirst() {
      switch part {
      case ".": continue
      case "..":
        if place.isEmpty { return true }
        place.removeLast()
      default:
        place.append(part)
        guard let target = targets[place.joined(separator: "/")] else { continue }
        if target.hasPrefix("/") { return true }
        followed += 1
        // A ring of links leads nowhere, and so not out.
        if followed > linksFollowedMax { return false }
        place.removeLast()
        pending = (target.split(separator: "/").map(String.init) + pending)[...]
      }
    }
    return false
  }
}
