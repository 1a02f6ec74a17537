import CLua

/// A Lua state with its sandbox and its limits. Used by one thread or actor at a time.
///
/// Calls are synchronous; a state whose host functions wait lives in a `LuaRunner`.
public final class LuaState {
  public let sandbox: LuaSandbox
  public let limits: LuaLimits
  @usableFromInline let host: UnsafeMutablePointer<clua_host>
  @usableFromInline let kept = KeptReferences()
  /// What a host function threw last, until it is seen whether it leaves Lua.
  var thrown: Thrown?
  /// Calls that may wait: those that are not in use, the one that runs now, and what it wants to wait for.
  var idle: [Coroutine] = []
  var active: Coroutine?
  var pending: Wait?

  /// Throws where the machine has no memory left.
  public init(sandbox: LuaSandbox, limits: LuaLimits = .standard) throws(LuaError) {
    let mode = sandbox == .load ? CLUA_SANDBOX_LOAD : CLUA_SANDBOX_RUN
    guard let host = clua_open(Int32(mode), runHostFunction, releaseHostFunction) else {
      throw LuaError(.memory, "no memory for a Lua state")
    }
    self.host = host
    self.sandbox = sandbox
    self.limits = limits
    host.pointee.limit = max(0, limits.memoryBytes)
    host.pointee.nanoseconds = limits.seconds.nanoseconds
    host.pointee.instructions = max(0, limits.instructions)
  }

  deinit { clua_close(host) }

  /// `Lua 5.4.4`
  public static var version: String { String(cString: clua_release_name()) }

  /// Bytes that the state holds now.
  public var memoryUsed: Int { host.pointee.used }

  /// The stack on which host code works: that of the host function that runs now, or the state's own.
  @usableFromInline var stack: OpaquePointer { host.pointee.current }

  // MARK: chunks

  /// An environment for chunks: fresh copies of the library tables, then `globals`, then what `setup` does when it
  /// is called with the environment.
  public func environment(
    globals: [String: LuaValue] = [:], setup: LuaReference? = nil
  ) throws(LuaError) -> LuaEnvironment {
    let lua = stack
    let base = lua_gettop(lua)
    defer { lua_settop(lua, base) }
    try reserve(lua)
    clua_push_environment(lua)
    let pusher = Pusher(lua: lua, kept: kept)
    for (name, value) in globals {
      try pusher.push(value)
      pusher.setField(name)
    }
    let environment = LuaEnvironment(reference: keepTop(lua))
    if let setup { _ = try run(setup, [.reference(environment.reference)]) { _, _ in } }
    return environment
  }

  /// Runs a chunk of text and keeps its results. `chunk` is the name that errors carry: `@queues.d/gpu.lua` for a
  /// file, `=prelude` for anything else.
  public func evaluate(
    _ source: String, chunk: String, environment: LuaEnvironment
  ) throws(LuaError) -> [LuaReference] {
    let lua = stack
    let base = lua_gettop(lua)
    defer { lua_settop(lua, base) }
    try load(source, chunk: chunk, environment: environment)
    guard clua_begin_top(host, 0) != 0 else { throw stackFull }
    try check(clua_call(host, 0, -1), lua)
    return keepAll(lua, above: base + 1)
  }

  /// Leaves the compiled chunk on the stack.
  private func load(_ source: String, chunk: String, environment: LuaEnvironment) throws(LuaError) {
    let lua = stack
    try reserve(lua)
    guard environment.reference.kept === kept else { throw LuaError(.conversion, "an environment of another state") }
    guard source.utf8.count <= limits.sourceBytes else {
      throw LuaError(
        .conversion, "source of \(source.utf8.count) bytes; \(limits.sourceBytes) are allowed", chunk: chunk.unmarked)
    }
    // A byte order mark is no Lua; editors leave it there.
    var source = source.unicodeScalars.first == "\u{FEFF}" ? String(source.unicodeScalars.dropFirst()) : source
    let status = source.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { clua_load(host, $0.baseAddress, $0.count, chunk) }
    }
    if Int(status) == CLUA_ERROR_RUNTIME {  // the compiler recursed as far as C may
      throw LuaError(.syntax, "nested too deep", chunk: chunk.unmarked)
    }
    try check(status, lua)
    clua_push_reference(lua, environment.reference.id)
    _ = clua_set_environment(lua, -2)
  }

  // MARK: calls

  /// Calls a function and copies its results.
  public func call(
    _ function: LuaReference, _ arguments: [LuaValue] = [], limits: LuaTreeLimits = .standard
  ) throws(LuaError) -> [LuaTree] {
    var results: [LuaTree] = []
    try run(function, arguments) { (lua, positions) throws(LuaError) in
      for position in positions { results.append(try TreeReader.read(lua, position, limits)) }
    }
    return results
  }

  /// Calls a function and keeps its results in the state.
  public func callKeeping(
    _ function: LuaReference, _ arguments: [LuaValue] = []
  ) throws(LuaError) -> [LuaReference] {
    var results: [LuaReference] = []
    try run(function, arguments) { (lua, positions) throws(LuaError) in
      results = keepAll(lua, above: positions.lowerBound - 1)
    }
    return results
  }

  /// Calls, and shows `read` where on the stack the results are.
  private func run(
    _ function: LuaReference, _ arguments: [LuaValue],
    _ read: (OpaquePointer, Range<Int32>) throws(LuaError) -> Void
  ) throws(LuaError) {
    guard function.kept === kept else { throw LuaError(.conversion, "a function of another Lua state") }
    let lua = stack
    kept.sweep(lua)
    let base = lua_gettop(lua)
    defer { lua_settop(lua, base) }
    guard arguments.count < 100_000, clua_begin(host, function.id, Int32(arguments.count) + 16) != 0 else {
      throw stackFull
    }
    let pusher = Pusher(lua: lua, kept: kept)
    for argument in arguments { try pusher.push(argument) }
    try check(clua_call(host, Int32(arguments.count), -1), lua)
    try read(lua, base + 2..<lua_gettop(lua) + 1)
  }

  // MARK: values kept in the state

  public func kind(of reference: LuaReference) -> LuaKind {
    reading(reference, or: .nothing) { LuaKind(type: lua_type($0, -1)) }
  }

  /// A copy of the value.
  public func tree(of reference: LuaReference, _ limits: LuaTreeLimits = .standard) throws(LuaError) -> LuaTree {
    guard reference.kept === kept else { throw LuaError(.conversion, "a value of another Lua state") }
    let lua = stack
    try reserve(lua)
    clua_push_reference(lua, reference.id)
    defer { clua_pop(lua, 1) }
    return try TreeReader.read(lua, -1, limits)
  }

  /// The member of a table under a string key, without metamethods; nil where it is nil, or this is no table.
  public func field(_ name: String, of reference: LuaReference) -> LuaReference? {
    reading(reference, or: nil) { lua in
      guard Int(lua_type(lua, -1)) == CLUA_TYPE_TABLE else { return nil }
      var name = name
      name.withUTF8 { utf8 in
        utf8.withMemoryRebound(to: CChar.self) { clua_get_field(lua, -1, $0.baseAddress, $0.count) }
      }
      if Int(lua_type(lua, -1)) == CLUA_TYPE_NIL {
        clua_pop(lua, 1)
        return nil
      }
      return keepTop(lua)
    }
  }

  /// The functions of a table by their names.
  public func functions(of reference: LuaReference) -> [String: LuaReference] {
    reading(reference, or: [:]) { lua in
      guard Int(lua_type(lua, -1)) == CLUA_TYPE_TABLE else { return [:] }
      var functions: [String: LuaReference] = [:]
      lua_pushnil(lua)
      while lua_next(lua, -2) != 0 {
        var length = 0
        if Int(lua_type(lua, -1)) == CLUA_TYPE_FUNCTION, let name = clua_to_string(lua, -2, &length) {
          functions[String(luaBytes: name, length)] = keepTop(lua)
        } else {
          clua_pop(lua, 1)
        }
      }
      return functions
    }
  }

  /// Puts a Swift value into the state.
  public func keep(_ value: LuaValue) throws(LuaError) -> LuaReference {
    let lua = stack
    try reserve(lua)
    try Pusher(lua: lua, kept: kept).push(value)
    return keepTop(lua)
  }

  /// Gives every table that is pushed with this tag the metatable, for as long as the state lives.
  public func setMetatable(_ metatable: LuaReference, of tag: String) throws(LuaError) {
    let lua = stack
    try reserve(lua)
    try Pusher(lua: lua, kept: kept).push(metatable)
    kept.setMetatable(clua_keep(lua), tag)
  }

  // MARK: host functions

  /// A function for Lua to call, with any number of results. The state keeps `body`, so that must not keep the state:
  /// use `call.state`.
  ///
  /// What it throws is raised in Lua: a `LuaError` with a
  /// payload as that table, anything else as text behind the caller's place.
  public func function(_ body: @escaping (borrowing LuaCall) throws -> [LuaValue]) -> LuaReference {
    keepHost(.values(body))
  }

  /// A function for Lua to call, with exactly one result: the faster of the two.
  public func valueFunction(_ body: @escaping (borrowing LuaCall) throws -> LuaValue) -> LuaReference {
    keepHost(.value(body))
  }

  /// A function for Lua to call that looks blocking and suspends its coroutine. `prepare` reads the arguments and
  /// gives what is to be done, which runs outside of the state; its results, or what it throws, go back to Lua.
  /// `name` is for messages: `host.sleep`.
  ///
  /// The operation's task is cancelled when the call is, or has used up its time; the call goes on without it.
  public func waitingFunction(
    _ name: String, _ prepare: @escaping (borrowing LuaCall) throws -> @Sendable () async throws -> [LuaValue]
  ) -> LuaReference {
    keepHost(.waiting(name, prepare))
  }

  func keepHost(_ body: HostFunction.Body) -> LuaReference {
    let lua = stack
    guard lua_checkstack(lua, 8) != 0 else { return keepNothing() }
    clua_push_host(lua, Unmanaged.passRetained(HostFunction(self, body)).toOpaque())
    return keepTop(lua)
  }

  // MARK: faults, for tests

  /// Lets allocations by Lua code fail from number `first` on; 0 ends that. Answers how many there were since.
  @discardableResult
  func failAllocations(from first: Int) -> Int {
    defer {
      host.pointee.fail_from = first
      host.pointee.allocations = 0
    }
    return host.pointee.allocations
  }

  // MARK: the stack

  func keepTop(_ lua: OpaquePointer) -> LuaReference { LuaReference(id: clua_keep(lua), kept: kept) }

  /// What stands for a value that the stack has no room to reach.
  func keepNothing() -> LuaReference { LuaReference(id: -1, kept: kept) }

  private func keepAll(_ lua: OpaquePointer, above base: Int32) -> [LuaReference] {
    var references: [LuaReference] = []
    while lua_gettop(lua) > base { references.append(keepTop(lua)) }
    return references.reversed()
  }

  private func reading<T>(_ reference: LuaReference, or other: T, _ body: (OpaquePointer) -> T) -> T {
    let lua = stack
    guard reference.kept === kept, lua_checkstack(lua, 8) != 0 else { return other }
    clua_push_reference(lua, reference.id)
    defer { clua_pop(lua, 1) }
    return body(lua)
  }

  private func reserve(_ lua: OpaquePointer) throws(LuaError) {
    kept.sweep(lua)
    guard lua_checkstack(lua, 16) != 0 else { throw stackFull }
  }

  @usableFromInline var stackFull: LuaError { LuaError(.memory, "the Lua stack is full") }
}

extension String {
  /// A chunk's name without its leading mark.
  var unmarked: String { hasPrefix("@") || hasPrefix("=") ? String(dropFirst()) : self }
}
