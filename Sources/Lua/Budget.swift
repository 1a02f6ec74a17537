/// What one call of a `LuaRunner` may use. Time in Lua and time in all are apart: a driver may wait a minute for a
/// cluster, but must not compute for a minute.
public struct LuaBudget: Sendable, Hashable {
  /// Instructions, counted by the thousand.
  public var instructions: Int64
  /// Seconds on the clock while Lua runs.
  public var seconds: Double
  /// Seconds on the clock from start to end, waits included.
  public var wallSeconds: Double

  public init(instructions: Int64 = 100_000_000, seconds: Double = 2, wallSeconds: Double = 60) {
    self.instructions = instructions
    self.seconds = seconds
    self.wallSeconds = wallSeconds
  }

  public static let standard = LuaBudget()

  /// What a call that was told to end gets to close its variables, in seconds.
  static let grace = 0.1
}
