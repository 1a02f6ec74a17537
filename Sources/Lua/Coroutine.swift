import CLua

/// One call that may wait: its coroutine, and what is left of its budget.
final class Coroutine {
  let lua: OpaquePointer
  let reference: Int32
  var budget = LuaBudget()
  /// Nanoseconds in Lua and instructions that are left.
  var nanoseconds: UInt64 = 0
  var instructions: Int64 = 0
  /// When the whole call must be over, on the monotonic clock.
  var deadline: UInt64 = 0
  /// Why the call was told to end. It is told once, as an error; after that it may not wait again.
  var told: LuaError?
  var cancellation = CancelFlag()
  /// The coroutine that waits: this one, or one that the plugin made.
  var waiter: OpaquePointer?

  init(lua: OpaquePointer, reference: Int32) {
    self.lua = lua
    self.reference = reference
  }

  func begin(_ budget: LuaBudget) {
    self.budget = budget
    nanoseconds = budget.seconds.nanoseconds
    instructions = max(0, budget.instructions)
    deadline = clua_now() + budget.wallSeconds.nanoseconds
    told = nil
    cancellation = CancelFlag()
    waiter = nil
  }

  func tell(_ error: LuaError) {
    told = error
    nanoseconds = min(nanoseconds, LuaBudget.grace.nanoseconds)
  }

  /// Nanoseconds left of the whole call.
  var remaining: UInt64 {
    let now = clua_now()
    return deadline > now ? deadline - now : 0
  }
}

/// Tells a call from any thread that its task was cancelled.
final class CancelFlag: @unchecked Sendable {
  // Invariant: the pointer never changes; what it points to is atomic.
  let pointer = clua_flag_new()
  func raise() { if let pointer { clua_flag_raise(pointer) } }
  deinit { if let pointer { clua_flag_free(pointer) } }
}

/// Where a call stands after a slice of work.
enum Slice {
  case finished([LuaTree])
  case waiting(Wait)
}

extension LuaState {
  /// Coroutines that wait for a next call, at most this many.
  private static let idleCoroutines = 64

  func takeCoroutine() throws(LuaError) -> Coroutine {
    if let coroutine = idle.popLast() { return coroutine }
    guard lua_checkstack(stack, 4) != 0 else { throw stackFull }
    var reference: Int32 = 0
    guard let lua = clua_thread_new(host, &reference) else { throw stackFull }
    return Coroutine(lua: lua, reference: reference)
  }

  func giveBack(_ coroutine: Coroutine) {
    lua_settop(coroutine.lua, 0)
    if idle.count < Self.idleCoroutines {
      idle.append(coroutine)
    } else {
      clua_drop(host.pointee.main, coroutine.reference)
    }
  }

  /// Runs the first slice of a call.
  func start(
    _ coroutine: Coroutine, _ function: LuaReference, _ arguments: [LuaValue], _ limits: LuaTreeLimits
  ) throws(LuaError) -> Slice {
    guard function.kept === kept else { throw LuaError(.conversion, "a function of another Lua state") }
    kept.sweep(stack)
    let lua = coroutine.lua
    guard arguments.count < 100_000,
      clua_thread_begin(host, lua, function.id, Int32(arguments.count) + 16) != 0
    else { throw stackFull }
    let pusher = Pusher(lua: lua, kept: kept)
    for argument in arguments { try pusher.push(argument) }
    return try run(coroutine, Int32(arguments.count) + 1, limits)
  }

  /// Runs the next slice of a call, now that its wait is over.
  func resume(
    _ coroutine: Coroutine, _ outcome: WaitOutcome, _ wait: String, _ limits: LuaTreeLimits
  ) throws(LuaError) -> Slice {
    kept.sweep(stack)
    return try run(coroutine, pushReply(coroutine, outcome, wait), limits)
  }

  /// Pushes what a wait gave, or the error to raise for it; answers how many values that are.
  private func pushReply(_ coroutine: Coroutine, _ outcome: WaitOutcome, _ wait: String) -> Int32 {
    let lua = coroutine.lua
    let base = lua_gettop(lua)
    do {
      let values = try values(of: outcome, coroutine, wait)
      guard values.count <= 1_000, lua_checkstack(lua, Int32(values.count) + 8) != 0 else {
        throw LuaError(.conversion, "too many results")
      }
      let pusher = Pusher(lua: lua, kept: kept)
      for value in values { try pusher.push(value) }
      return Int32(values.count)
    } catch {
      lua_settop(lua, base)
      pushThrown(error, on: lua, from: coroutine.waiter ?? lua)
      host.pointee.reply_raises = 1
      return 1
    }
  }

  private func values(
    of outcome: WaitOutcome, _ coroutine: Coroutine, _ wait: String
  ) throws -> [LuaValue] {
    let budget = coroutine.budget
    switch outcome {
    case .values(let values) where coroutine.nanoseconds > 0: return values
    case .values: coroutine.tell(Self.spentInLua(budget.seconds))
    case .thrown(let error): throw error
    case .cancelled: coroutine.tell(LuaError(.cancelled, "cancelled"))
    case .timeUp:
      coroutine.tell(
        LuaError(.time, "exceeded its limit of \(budget.wallSeconds) s for the whole call, waiting for '\(wait)'"))
    }
    throw coroutine.told ?? LuaError(.cancelled, "cancelled")
  }

  /// Resumes the coroutine with the `count` values on top of its stack.
  private func run(_ coroutine: Coroutine, _ count: Int32, _ limits: LuaTreeLimits) throws(LuaError) -> Slice {
    let lua = coroutine.lua
    let synchronous = (host.pointee.nanoseconds, host.pointee.instructions)
    active = coroutine
    pending = nil
    host.pointee.nanoseconds = coroutine.nanoseconds
    host.pointee.instructions = coroutine.instructions
    host.pointee.cancel = coroutine.cancellation.pointer
    host.pointee.cancelled = coroutine.told == nil ? 0 : 1
    let started = clua_now()
    var results: Int32 = 0
    let status = clua_resume(host, lua, count, &results)
    coroutine.nanoseconds -= min(coroutine.nanoseconds, clua_now() - started)
    coroutine.instructions = max(0, host.pointee.left)
    if host.pointee.cancelled != 0, coroutine.told == nil { coroutine.tell(LuaError(.cancelled, "cancelled")) }
    host.pointee.cancel = nil
    host.pointee.reply_raises = 0  // where memory ran out before the waiting function saw it
    (host.pointee.nanoseconds, host.pointee.instructions) = synchronous
    active = nil

    switch Int(status) {
    case CLUA_YIELD:
      guard let wait = pending else {
        _ = clua_thread_reset(host, lua)
        throw LuaError(.runtime, "a call was suspended without a wait")
      }
      coroutine.waiter = host.pointee.waiting
      return .waiting(wait)
    case CLUA_OK:
      let top = lua_gettop(lua)
      var trees: [LuaTree] = []
      for position in max(1, top - results + 1)..<top + 1 {
        trees.append(try TreeReader.read(lua, position, limits))
      }
      return .finished(trees)
    default:
      var error = failure(status, lua, seconds: coroutine.budget.seconds, instructions: coroutine.budget.instructions)
      if let told = coroutine.told {
        error.kind = told.kind
        error.message = told.message
      }
      _ = clua_thread_reset(host, lua)
      throw error
    }
  }

  static func spentInLua(_ seconds: Double) -> LuaError { LuaError(.time, "exceeded its limit of \(seconds) s in Lua") }
}
