/// What went wrong in Lua, or on the way into it or out of it.
public struct LuaError: Error, Sendable {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The source is no Lua.
    case syntax
    /// Raised by Lua, by a chunk's `error`, or thrown by a host function.
    case runtime
    /// The state's memory limit.
    case memory
    /// The call's budget of instructions.
    case instructions
    /// The call's time, in Lua or with its waits.
    case time
    /// The task that made the call was cancelled.
    case cancelled
    /// A value that cannot be passed: too deep, too large, of a wrong type, of another state.
    case conversion
  }

  /// One level of the stack, innermost first.
  public struct Frame: Sendable, Hashable, CustomStringConvertible {
    /// `[C]` for functions that are not Lua.
    public var chunk: String
    public var line: Int?
    /// What the code calls it: `field 'start'`, `main chunk`.
    public var name: String

    public init(chunk: String, line: Int?, name: String) {
      self.chunk = chunk
      self.line = line
      self.name = name
    }

    public var description: String {
      if let line { "\(chunk):\(line): in \(name)" } else { "\(chunk): in \(name)" }
    }
  }

  public var kind: Kind
  /// Without the place.
  public var message: String
  /// As the chunk was named, without the leading `@`.
  public var chunk: String?
  public var line: Int?
  public var traceback: [Frame]
  /// Frames that `traceback` leaves out at its end; counted up to 10,000.
  public var framesOmitted: Int
  /// The error value, where it was not text.
  public var payload: LuaTree?
  /// What a host function threw.
  public var underlying: (any Error)?

  public init(
    _ kind: Kind, _ message: String, chunk: String? = nil, line: Int? = nil, traceback: [Frame] = [],
    framesOmitted: Int = 0, payload: LuaTree? = nil, underlying: (any Error)? = nil
  ) {
    self.kind = kind
    self.message = message
    self.chunk = chunk
    self.line = line
    self.traceback = traceback
    self.framesOmitted = framesOmitted
    self.payload = payload
    self.underlying = underlying
  }
}

extension LuaError: CustomStringConvertible {
  /// `queues.d/gpu.lua:9: message`
  public var description: String {
    guard let chunk else { return message }
    guard let line else { return "\(chunk): \(message)" }
    return "\(chunk):\(line): \(message)"
  }

  /// The description with a line for each frame, for logs.
  public var details: String {
    var lines = [description]
    lines += traceback.map { "  \($0)" }
    if framesOmitted > 0 { lines.append("  ... \(framesOmitted) more") }
    return lines.joined(separator: "\n")
  }
}
