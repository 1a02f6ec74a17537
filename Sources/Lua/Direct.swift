import CLua

/// The Lua stack while arguments are passed and results taken; see `LuaArgument` and `LuaResult`.
public struct LuaStack {
  @usableFromInline let lua: OpaquePointer
  @usableFromInline unowned(unsafe) let state: LuaState

  @usableFromInline init(_ lua: OpaquePointer, _ state: LuaState) {
    self.lua = lua
    self.state = state
  }
}

/// What can be passed to Lua without making a `LuaValue` of it.
public protocol LuaArgument {
  /// Pushes exactly one value, or throws and pushes nothing.
  func push(to stack: LuaStack) throws(LuaError)
}

/// What can be taken from Lua without making a `LuaTree` of it.
public protocol LuaResult {
  /// The value at `index`, which is left there.
  static func read(from stack: LuaStack, at index: Int32) throws(LuaError) -> Self
}

extension LuaState {
  // These are written out for up to three arguments: the compiler does not specialise parameter packs, and then
  // each argument costs more than the call.

  /// Calls a function and takes its first result. The fastest way into Lua: nothing is allocated for numbers and
  /// booleans.
  @inlinable
  public func call<Result: LuaResult>(
    _ function: LuaReference, as result: Result.Type
  ) throws(LuaError) -> Result {
    try finish(try begin(function), 0)
  }

  /// As `call(_:as:)`, with one argument.
  @inlinable
  public func call<A: LuaArgument, Result: LuaResult>(
    _ function: LuaReference, _ a: A, as result: Result.Type
  ) throws(LuaError) -> Result {
    let stack = try begin(function)
    try push(a, stack, 0)
    return try finish(stack, 1)
  }

  /// As `call(_:as:)`, with two arguments.
  @inlinable
  public func call<A: LuaArgument, B: LuaArgument, Result: LuaResult>(
    _ function: LuaReference, _ a: A, _ b: B, as result: Result.Type
  ) throws(LuaError) -> Result {
    let stack = try begin(function)
    try push(a, stack, 0)
    try push(b, stack, 1)
    return try finish(stack, 2)
  }

  /// As `call(_:as:)`, with three arguments.
  @inlinable
  public func call<A: LuaArgument, B: LuaArgument, C: LuaArgument, Result: LuaResult>(
    _ function: LuaReference, _ a: A, _ b: B, _ c: C, as result: Result.Type
  ) throws(LuaError) -> Result {
    let stack = try begin(function)
    try push(a, stack, 0)
    try push(b, stack, 1)
    try push(c, stack, 2)
    return try finish(stack, 3)
  }

  /// Pushes the handler and the function.
  @inlinable
  func begin(_ function: LuaReference) throws(LuaError) -> LuaStack {
    guard function.kept === kept else { throw foreignFunction }
    let stack = LuaStack(host.pointee.current, self)
    if kept.isSweepDue { kept.sweep(stack.lua) }
    if clua_begin(host, function.id, 0) == 0 { throw stackFull }
    return stack
  }

  /// Pushes an argument above `count` others, or takes all off the stack.
  @inlinable
  func push<A: LuaArgument>(_ argument: A, _ stack: LuaStack, _ count: Int32) throws(LuaError) {
    do {
      try argument.push(to: stack)
    } catch {
      lua_settop(stack.lua, -count - 3)
      throw error
    }
  }

  @inlinable
  func finish<Result: LuaResult>(_ stack: LuaStack, _ count: Int32) throws(LuaError) -> Result {
    let status = clua_call(host, count, 1)
    if status != 0 { throw takeFailure(status, stack) }
    defer { lua_settop(stack.lua, -3) }
    return try Result.read(from: stack, at: -1)
  }

  @usableFromInline
  func takeFailure(_ status: Int32, _ stack: LuaStack) -> LuaError {
    defer { lua_settop(stack.lua, -3) }
    return failure(status, stack.lua, seconds: limits.seconds, instructions: limits.instructions)
  }

  @usableFromInline var foreignFunction: LuaError { LuaError(.conversion, "a function of another Lua state") }
}

extension Int64: LuaArgument, LuaResult {
  @inlinable public func push(to stack: LuaStack) { lua_pushinteger(stack.lua, self) }

  @inlinable public static func read(from stack: LuaStack, at index: Int32) throws(LuaError) -> Int64 {
    var valid: Int32 = 0
    let value = lua_tointegerx(stack.lua, index, &valid)
    if valid == 0 { throw stack.unexpected("integer", index) }
    return value
  }
}

extension Int: LuaArgument, LuaResult {
  @inlinable public func push(to stack: LuaStack) { lua_pushinteger(stack.lua, Int64(self)) }

  @inlinable public static func read(from stack: LuaStack, at index: Int32) throws(LuaError) -> Int {
    Int(truncatingIfNeeded: try Int64.read(from: stack, at: index))
  }
}

extension Double: LuaArgument, LuaResult {
  @inlinable public func push(to stack: LuaStack) { lua_pushnumber(stack.lua, self) }

  @inlinable public static func read(from stack: LuaStack, at index: Int32) throws(LuaError) -> Double {
    var valid: Int32 = 0
    let value = lua_tonumberx(stack.lua, index, &valid)
    if valid == 0 { throw stack.unexpected("number", index) }
    return value
  }
}

extension Bool: LuaArgument, LuaResult {
  @inlinable public func push(to stack: LuaStack) { lua_pushboolean(stack.lua, self ? 1 : 0) }

  /// Truth as Lua has it: all but `nil` and `false`.
  @inlinable public static func read(from stack: LuaStack, at index: Int32) -> Bool {
    lua_toboolean(stack.lua, index) != 0
  }
}

extension String: LuaArgument, LuaResult {
  public func push(to stack: LuaStack) { stack.pusher.push(self) }

  public static func read(from stack: LuaStack, at index: Int32) throws(LuaError) -> String {
    var length = 0
    guard let start = clua_to_string(stack.lua, index, &length) else { throw stack.unexpected("string", index) }
    return String(luaBytes: start, length)
  }
}

extension LuaValue: LuaArgument {
  public func push(to stack: LuaStack) throws(LuaError) { try stack.pusher.push(self) }
}

extension LuaTree: LuaArgument, LuaResult {
  public func push(to stack: LuaStack) throws(LuaError) { try stack.pusher.push(self) }

  public static func read(from stack: LuaStack, at index: Int32) throws(LuaError) -> LuaTree {
    try TreeReader.read(stack.lua, index, .standard)
  }
}

extension LuaReference: LuaArgument {
  public func push(to stack: LuaStack) throws(LuaError) { try stack.pusher.push(self) }
}

extension LuaStack {
  fileprivate var pusher: Pusher { Pusher(lua: lua, kept: state.kept) }

  @usableFromInline func unexpected(_ expected: String, _ index: Int32) -> LuaError {
    LuaError(.conversion, "\(expected) expected, got \(LuaKind(type: lua_type(lua, index)).rawValue)")
  }
}
