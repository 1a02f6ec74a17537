import CLua

/// One call of a host function: its arguments, and where it came from. Arguments are numbered from 1, as Lua's
/// messages do. Valid only while the host function runs.
public struct LuaCall: ~Copyable {
  @usableFromInline let lua: OpaquePointer
  @usableFromInline unowned(unsafe) let owner: LuaState

  init(_ lua: OpaquePointer, _ owner: LuaState) {
    self.lua = lua
    self.owner = owner
  }

  /// The state that runs; more calls may be made with it.
  public var state: LuaState { owner }

  public var count: Int { Int(lua_gettop(lua)) }

  public func kind(_ position: Int) -> LuaKind {
    LuaKind(type: lua_type(lua, index(position)))
  }

  /// A whole number; a fraction or a numeral in a string counts where it stands for one, as in Lua's own functions.
  @inlinable public func integer(_ position: Int) throws -> Int64 {
    var valid: Int32 = 0
    let value = lua_tointegerx(lua, Int32(truncatingIfNeeded: position), &valid)
    if valid == 0 { throw badArgument(position, "integer") }
    return value
  }

  @inlinable public func number(_ position: Int) throws -> Double {
    var valid: Int32 = 0
    let value = lua_tonumberx(lua, Int32(truncatingIfNeeded: position), &valid)
    if valid == 0 { throw badArgument(position, "number") }
    return value
  }

  /// Truth as Lua has it: all but `nil` and `false`.
  public func boolean(_ position: Int) -> Bool { lua_toboolean(lua, index(position)) != 0 }

  public func string(_ position: Int) throws -> String {
    var length = 0
    guard let start = clua_to_string(lua, index(position), &length) else { throw badArgument(position, "string") }
    return String(luaBytes: start, length)
  }

  public func bytes(_ position: Int) throws -> [UInt8] {
    var length = 0
    guard let start = clua_to_string(lua, index(position), &length) else { throw badArgument(position, "string") }
    return start.withMemoryRebound(to: UInt8.self, capacity: length) {
      Array(UnsafeBufferPointer(start: $0, count: length))
    }
  }

  /// A copy of the argument.
  public func tree(_ position: Int, _ limits: LuaTreeLimits = .standard) throws -> LuaTree {
    do {
      return try TreeReader.read(lua, index(position), limits)
    } catch {
      throw LuaError(.conversion, "bad argument #\(position) (\(error.message))")
    }
  }

  /// Copies of all arguments.
  public func trees(_ limits: LuaTreeLimits = .standard) throws -> [LuaTree] {
    var copies: [LuaTree] = []
    for position in 0..<count { copies.append(try tree(position + 1, limits)) }
    return copies
  }

  /// Keeps the argument itself: a function to call later, a table.
  public func reference(_ position: Int) -> LuaReference {
    guard lua_checkstack(lua, 2) != 0 else { return owner.keepNothing() }
    lua_pushvalue(lua, index(position))
    return owner.keepTop(lua)
  }

  /// Where the function is that called this one (level 1), the one that called that (level 2), and so on; nil where
  /// that is no Lua code. Functions called as `return f()` have left the stack and do not count.
  public func position(level: Int = 1) -> LuaPosition? {
    var line: Int32 = 0
    guard level >= 0, level <= 1_000_000, let chunk = clua_position(lua, Int32(level), &line) else { return nil }
    return LuaPosition(chunk: String(cString: chunk), line: Int(line))
  }

  /// An error in Lua's words: `bad argument #1 (integer expected, got string)`.
  public func badArgument(_ position: Int, _ expected: String) -> LuaError {
    let actual = position > count ? "no value" : kind(position).rawValue
    return LuaError(.runtime, "bad argument #\(position) (\(expected) expected, got \(actual))")
  }

  private func index(_ position: Int) -> Int32 {
    // Beyond the arguments is `none`, which reads as nothing; a negative index would count from the top.
    position < 1 || position > count ? Int32(count) + 1 : Int32(position)
  }
}

/// A place in a chunk.
public struct LuaPosition: Sendable, Hashable, CustomStringConvertible {
  public var chunk: String
  public var line: Int

  public init(chunk: String, line: Int) {
    self.chunk = chunk
    self.line = line
  }

  public var description: String { "\(chunk):\(line)" }
}

extension LuaKind {
  init(type: Int32) {
    switch Int(type) {
    case CLUA_TYPE_BOOLEAN: self = .boolean
    case CLUA_TYPE_NUMBER: self = .number
    case CLUA_TYPE_STRING: self = .string
    case CLUA_TYPE_TABLE: self = .table
    case CLUA_TYPE_FUNCTION: self = .function
    case CLUA_TYPE_THREAD: self = .thread
    case CLUA_TYPE_USERDATA, CLUA_TYPE_LIGHT_USERDATA: self = .userdata
    default: self = .nothing
    }
  }
}
