/// What one state may use. Memory is the state's; instructions and seconds are for each call from Swift.
public struct LuaLimits: Sendable, Hashable {
  /// Bytes of all that the state holds. An empty state takes some 30 KB.
  public var memoryBytes: Int
  /// Instructions of one call, counted by the thousand.
  public var instructions: Int64
  /// Seconds of one call, on the clock, while Lua runs.
  public var seconds: Double
  /// Bytes of one chunk's source. The compiler cannot be interrupted; a megabyte takes it some 50 ms.
  public var sourceBytes: Int

  public init(
    memoryBytes: Int = 64 << 20, instructions: Int64 = 100_000_000, seconds: Double = 2, sourceBytes: Int = 1 << 20
  ) {
    self.memoryBytes = memoryBytes
    self.instructions = instructions
    self.seconds = seconds
    self.sourceBytes = sourceBytes
  }

  public static let standard = LuaLimits()
}

/// What a chunk finds, and what it may do.
public enum LuaSandbox: Sendable, Hashable {
  /// Pure and synchronous: the same source gives the same result. `pairs` and `next` go in key order; no random
  /// numbers; no host function may wait.
  case load
  /// Host functions may wait; `pairs` is Lua's own.
  case run
}

extension Double {
  /// Seconds as nanoseconds, bounded, so that no value traps.
  var nanoseconds: UInt64 {
    guard self > 0 else { return 0 }
    return self < 1e9 ? UInt64(self * 1e9) : 1_000_000_000_000_000_000
  }
}
