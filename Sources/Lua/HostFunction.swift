import CLua

/// The Swift side of a function that Lua calls. Retained by the userdata that Lua keeps as the function's upvalue;
/// released when Lua collects it, at the latest when the state is closed.
final class HostFunction {
  enum Body {
    case value((borrowing LuaCall) throws -> LuaValue)
    case values((borrowing LuaCall) throws -> [LuaValue])
    case waiting(String, (borrowing LuaCall) throws -> @Sendable () async throws -> [LuaValue])
  }

  // The state closes, and with it releases every host function, before it goes away.
  private unowned(unsafe) let state: LuaState
  private let body: Body

  init(_ state: LuaState, _ body: Body) {
    self.state = state
    self.body = body
  }

  /// Runs with the memory limit lifted; what it answers is carried out by the C trampoline once it has returned.
  func run(_ lua: OpaquePointer) -> Int32 {
    do {
      let pusher = Pusher(lua: lua, kept: state.kept)
      switch body {
      case .value(let function):
        try pusher.push(try function(LuaCall(lua, state)))
        return 1
      case .values(let function):
        let results = try function(LuaCall(lua, state))
        guard results.count <= 1_000, lua_checkstack(lua, Int32(results.count) + 4) != 0 else {
          throw LuaError(.conversion, "too many results")
        }
        for result in results { try pusher.push(result) }
        return Int32(results.count)
      case .waiting(let name, let prepare):
        try state.allowWait(name, lua)
        state.pending = Wait(name: name, operation: try prepare(LuaCall(lua, state)))
        return Int32(CLUA_AWAIT)
      }
    } catch {
      state.pushThrown(error, on: lua)
      return Int32(CLUA_RAISE)
    }
  }
}

extension LuaState {
  /// Throws where the running code cannot be suspended.
  fileprivate func allowWait(_ name: String, _ lua: OpaquePointer) throws(LuaError) {
    guard let active else {
      throw LuaError(.runtime, "'\(name)' waits, and this code runs to its end without waiting")
    }
    if let told = active.told { throw told }
    if clua_can_await(lua) == 0 {
      throw LuaError(
        .runtime,
        "'\(name)' waits, which is not possible inside a function that C code calls: from table.sort, string.gsub, "
          + "tostring, coroutine.close or the host")
    }
  }
}

/// What C calls; see clua_body.
func runHostFunction(_ lua: OpaquePointer?, _ context: UnsafeMutableRawPointer?) -> Int32 {
  guard let lua, let context else { return 0 }
  return Unmanaged<HostFunction>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.run(lua) }
}

/// What C calls; see clua_release.
func releaseHostFunction(_ context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  Unmanaged<HostFunction>.fromOpaque(context).release()
}
