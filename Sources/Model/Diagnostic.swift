/// A place in a file that people edit. Lines and columns count from 1; a column of 0 means the whole line.
public struct Place: Sendable, Hashable, Codable, Comparable {
  /// Path relative to where the user stands, or to the configuration's root.
  public var file: String
  public var line: Int
  public var column: Int
  /// Characters to underline; at least 1 where a column is known.
  public var length: Int

  public init(file: String, line: Int, column: Int = 0, length: Int = 1) {
    self.file = file
    self.line = line
    self.column = column
    self.length = length
  }

  public static func < (a: Place, b: Place) -> Bool {
    (a.file, a.line, a.column) < (b.file, b.line, b.column)
  }

  /// `queues.d/gpu.lua:9:5`
  public var text: String { column > 0 ? "\(file):\(line):\(column)" : "\(file):\(line)" }
}

public enum Severity: String, Sendable, Hashable, Codable {
  case error, warning
}

/// One problem that a person can act on: code, place, fact, hint. Rendered once, at the edge.
public struct Diagnostic: Sendable, Hashable, Codable, Error {
  /// Stable code such as `C0021`; `lunaport check --explain C0021` prints its page.
  public var code: String
  public var severity: Severity
  /// The fact, in one sentence without a full stop; names in backquotes.
  public var message: String
  /// What the user must edit.
  public var place: Place?
  /// Said under the carets, such as "did you mean `gpus`?".
  public var label: String?
  /// The second place, that explains why.
  public var because: Because?
  /// Facts, each rendered as `= note`.
  public var notes: [String]
  /// One concrete thing to do.
  public var help: String?

  public struct Because: Sendable, Hashable, Codable {
    public var place: Place
    public var label: String
    public init(_ place: Place, _ label: String) {
      self.place = place
      self.label = label
    }
  }

  public init(
    _ code: String, _ message: String, severity: Severity = .error, at place: Place? = nil, label: String? = nil,
    because: Because? = nil, notes: [String] = [], help: String? = nil
  ) {
    self.code = code
    self.severity = severity
    self.message = message
    self.place = place
    self.label = label
    self.because = because
    self.notes = notes
    self.help = help
  }
}
