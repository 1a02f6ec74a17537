import Model

/// Why a store, a blob folder or a log could not do what was asked. Whatever was asked did not happen, wholly.
public struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The closed set of what can go wrong.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// What was named is not there.
    case notFound = "not_found"
    /// What was to be made is there already.
    case exists
    /// A name stands for several things.
    case ambiguous
    /// The queue takes no new runs.
    case closed
    /// The run's state or the writer's lease does not allow it; `refusal` says why.
    case refused
    /// The caller asked for something that has no meaning, such as a cursor that no page gave out.
    case invalid
    /// Larger than the limit, in the fact.
    case tooLarge = "too_large"
    /// The bytes do not have the hash that was promised.
    case mismatch
    /// Bytes between what is stored and what was sent are missing; `size` says where to go on.
    case gap
    /// More work is waiting than is reasonable; try again.
    case busy
    /// The store was closed.
    case stopped
    /// Another process has the data folder open.
    case locked
    /// No space is left.
    case full
    case readOnly = "read_only"
    /// What is stored contradicts itself.
    case corrupt
    /// The file is no store.
    case foreign
    /// The store was written by a newer version of the program.
    case newer
    /// The operating system refused to read or write.
    case io
    /// A defect of this program.
    case defect
  }

  public var code: Code
  /// One sentence without a full stop; names in backquotes.
  public var fact: String
  /// One concrete thing to do.
  public var hint: String?
  /// Set where `code` is `refused`.
  public var refusal: RunRefusal?
  /// Set where `code` is `gap`: the bytes that are stored.
  public var size: Int64?

  public init(
    _ code: Code, _ fact: String, hint: String? = nil, refusal: RunRefusal? = nil, size: Int64? = nil
  ) {
    self.code = code
    self.fact = fact
    self.hint = hint
    self.refusal = refusal
    self.size = size
  }

  public var description: String { hint.map { "\(fact); \($0)" } ?? fact }
}

extension StoreError {
  static func unknown(run id: String) -> StoreError { StoreError(.notFound, "there is no run `\(id)`") }
  static func unknown(agent id: String) -> StoreError {
    StoreError(.notFound, "there is no agent with id `\(id)`", hint: "register it again")
  }

  init(_ refusal: RunRefusal, run id: String) {
    switch refusal {
    case .stale(let attempt, let epoch):
      self.init(.refused, "run `\(id)` is at attempt \(attempt), epoch \(epoch), of another lease", refusal: refusal)
    case .illegal(.succeeded, .queued):
      self.init(.refused, "run `\(id)` has finished", hint: "launch its job again", refusal: refusal)
    case .illegal(let from, .queued):
      self.init(
        .refused, "run `\(id)` has not ended: it is \(from.rawValue)", hint: "stop it first: lunaport run stop \(id)",
        refusal: refusal)
    case .illegal(let from, let to):
      self.init(.refused, "run `\(id)` is \(from.rawValue) and cannot become \(to.rawValue)", refusal: refusal)
    case .unknown:
      self.init(.notFound, "there is no run `\(id)`", refusal: refusal)
    }
  }
}
