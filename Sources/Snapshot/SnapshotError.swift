import Model

/// Why no snapshot of a folder can be made: a fact and one thing to do.
public struct SnapshotError: Error, Sendable, Hashable {
  public enum Code: String, Sendable, Hashable {
    case unreadable
    case tooLarge = "too_large"
    case linkLeadsOut = "link_leads_out"
    case badName = "bad_name"
    case changed
    case entryPoint = "entry_point"
    case runtime
    case dependencies
    case empty
  }
  public var code: Code
  public var message: String
  public var notes: [String]
  public var hint: String?

  public init(_ code: Code, _ message: String, notes: [String] = [], hint: String? = nil) {
    self.code = code
    self.message = message
    self.notes = notes
    self.hint = hint
  }
}

/// Bounds of a snapshot.
public struct SnapshotLimits: Sendable, Hashable {
  /// Bytes of all files together. Code is megabytes; data of gigabytes, copied for each version, is a mistake.
  public var bytes: Int64
  /// Files and links. A virtual environment that was not ignored has tens of thousands.
  public var entries: Int
  /// Biggest files and folders that an error names.
  public static let named = 5

  public init(bytes: Int64 = 1 << 30, entries: Int = 50_000) {
    self.bytes = bytes
    self.entries = entries
  }
}
