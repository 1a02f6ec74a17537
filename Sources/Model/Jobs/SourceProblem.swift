/// Why something that a person named cannot be a job's source: a fact, and one thing to do.
public struct SourceProblem: Error, Sendable, Hashable {
  /// One sentence without a full stop.
  public var message: String
  public var hint: String?

  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }
}
