import CLua

/// What a host function threw, with the text or table that Lua got to see for it.
struct Thrown {
  var error: any Error
  var message: String?
  var payload: LuaTree?
}

extension LuaState {
  /// Pushes what Lua sees of a Swift error, and remembers the error itself.
  /// `caller` is the stack of the host function that threw, if it is another one.
  func pushThrown(_ error: any Error, on lua: OpaquePointer, from caller: OpaquePointer? = nil) {
    let failure = error as? LuaError
    if let payload = failure?.payload {
      do {
        try Pusher(lua: lua, kept: kept).push(payload)
        thrown = Thrown(error: error, payload: payload)
        return
      } catch {
        // A payload that cannot be pushed is told as text below.
      }
    }
    var text = failure.map { $0.chunk == nil ? $0.message : $0.description } ?? String(describing: error)
    text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { bytes in
        if failure?.chunk == nil {
          clua_push_error(lua, caller ?? lua, bytes.baseAddress, bytes.count)
        } else {
          _ = lua_pushlstring(lua, bytes.baseAddress, bytes.count)
        }
      }
    }
    thrown = Thrown(error: error, message: text)
  }

  /// Throws what lies on top of the stack, unless `status` is good.
  @usableFromInline func check(_ status: Int32, _ lua: OpaquePointer) throws(LuaError) {
    if status != Int32(CLUA_OK) {
      throw failure(status, lua, seconds: limits.seconds, instructions: limits.instructions)
    }
  }

  /// The error on top of the stack, which stays there.
  func failure(_ status: Int32, _ lua: OpaquePointer, seconds: Double, instructions: Int64) -> LuaError {
    defer { thrown = nil }
    switch Int(host.pointee.reason) {
    case CLUA_REASON_TIME:
      return placed(Self.spentInLua(seconds))
    case CLUA_REASON_INSTRUCTIONS:
      return placed(LuaError(.instructions, "exceeded its limit of \(instructions) instructions"))
    default: break
    }
    switch Int(status) {
    case CLUA_ERROR_MEMORY:
      var error = placed(LuaError(.memory, "exceeded its memory limit of \(limits.memoryBytes) bytes"))
      // Recursion without end shows as a lack of memory, unless the limit is very high.
      if error.framesOmitted > 1_000 { error.message += " (more than \(error.framesOmitted) calls within calls)" }
      return error
    case CLUA_ERROR_SYNTAX: return placed(LuaError(.syntax, message(lua)))
    case CLUA_ERROR_HANDLER: return LuaError(.runtime, "error in error handling")
    default: return runtimeFailure(lua)
    }
  }

  private func runtimeFailure(_ lua: OpaquePointer) -> LuaError {
    var error = LuaError(.runtime, message(lua))
    if Int(lua_type(lua, -1)) != CLUA_TYPE_STRING {
      do {
        error.payload = try TreeReader.read(lua, -1, .standard)
        error.message = error.payload?["message"].string ?? error.message
      } catch {
        // Too large or cyclic: the message says what it was.
      }
    }
    if let thrown, isSame(thrown, error, lua) {
      if let inner = thrown.error as? LuaError {
        // An error of a call within the call has its own place and traceback already.
        if inner.chunk != nil { return inner }
        error.kind = inner.kind
        error.underlying = inner.underlying
      } else {
        error.underlying = thrown.error
      }
    }
    return placed(error)
  }

  /// Is the error on top of the stack the one that a host function threw.
  private func isSame(_ thrown: Thrown, _ error: LuaError, _ lua: OpaquePointer) -> Bool {
    if thrown.payload != nil || error.payload != nil { return thrown.payload == error.payload }
    if thrown.message == error.message { return true }
    var length = 0
    guard let start = clua_to_string(lua, -1, &length) else { return false }
    return thrown.message == String(luaBytes: start, length)
  }

  /// Text without its place; for other values what they are.
  private func message(_ lua: OpaquePointer) -> String {
    var length = 0
    guard let start = clua_to_string(lua, -1, &length) else {
      return "error value is a \(LuaKind(type: lua_type(lua, -1)).rawValue)"
    }
    let offset = min(host.pointee.message_offset, length)
    return String(luaBytes: start + offset, min(length - offset, Self.messageBytes))
  }

  /// A chunk may raise a text as large as its memory; a message is for people.
  private static let messageBytes = 16 << 10

  /// With the place that C noted before the stack was unwound.
  private func placed(_ error: LuaError) -> LuaError {
    var error = error
    if let chunk = clua_error_chunk(host), chunk.pointee != 0 { error.chunk = String(cString: chunk) }
    if host.pointee.line > 0 { error.line = Int(host.pointee.line) }
    error.framesOmitted = Int(host.pointee.frames_omitted)
    for index in 0..<host.pointee.frame_count {
      guard let frame = clua_error_frame(host, index) else { break }
      error.traceback.append(
        LuaError.Frame(
          chunk: String(cString: clua_frame_chunk(frame)),
          line: frame.pointee.line > 0 ? Int(frame.pointee.line) : nil,
          name: String(cString: clua_frame_name(frame))))
    }
    return error
  }
}
