import CLua

/// Puts values on a Lua stack. Called only while the memory limit is lifted, so nothing raises.
struct Pusher {
  let lua: OpaquePointer
  // A pusher lives within one call of its state, which keeps this; counting it would cost as much as a push.
  unowned(unsafe) let kept: KeptReferences

  /// Values within values; the same bound as for copies out of Lua.
  private static let depth = 200

  func push(_ value: LuaValue, depth: Int = 0) throws(LuaError) {
    switch value {
    case .nothing: lua_pushnil(lua)
    case .boolean(let flag): lua_pushboolean(lua, flag ? 1 : 0)
    case .integer(let number): lua_pushinteger(lua, number)
    case .number(let number): lua_pushnumber(lua, number)
    case .string(let text): push(text)
    case .bytes(let bytes): push(bytes)
    case .list(let values):
      try room(depth)
      lua_createtable(lua, values.count.bounded, 0)
      for (index, value) in values.enumerated() {
        try orPop { () throws(LuaError) in try push(value, depth: depth + 1) }
        lua_rawseti(lua, -2, Int64(index) + 1)
      }
    case .fields(let values):
      try room(depth)
      lua_createtable(lua, 0, values.count.bounded)
      for (key, value) in values {
        try orPop { () throws(LuaError) in try push(value, depth: depth + 1) }
        setField(key)
      }
    case .tree(let tree): try push(tree, depth: depth)
    case .reference(let reference): try push(reference)
    }
  }

  func push(_ tree: LuaTree, depth: Int = 0) throws(LuaError) {
    switch tree {
    case .nothing: lua_pushnil(lua)
    case .boolean(let flag): lua_pushboolean(lua, flag ? 1 : 0)
    case .integer(let number): lua_pushinteger(lua, number)
    case .number(let number): lua_pushnumber(lua, number)
    case .string(let text): push(text)
    case .bytes(let bytes): push(bytes)
    case .table(let table):
      try room(depth)
      lua_createtable(lua, table.items.count.bounded, table.fields.count.bounded)
      for (index, item) in table.items.enumerated() {
        try orPop { () throws(LuaError) in try push(item, depth: depth + 1) }
        lua_rawseti(lua, -2, Int64(index) + 1)
      }
      for (key, value) in table.fields {
        try orPop { () throws(LuaError) in try push(value, depth: depth + 1) }
        setField(key)
      }
      if let tag = table.tag, let metatable = kept.metatable(tag) {
        clua_push_reference(lua, metatable)
        clua_set_metatable(lua, -2)
      }
    case .function, .other: throw LuaError(.conversion, "a \(tree.typeName) cannot be passed as data")
    }
  }

  func push(_ reference: LuaReference) throws(LuaError) {
    guard reference.kept === kept else { throw LuaError(.conversion, "a value of another Lua state") }
    clua_push_reference(lua, reference.id)
  }

  func push(_ text: String) {
    var text = text
    text.withUTF8 { utf8 in
      _ = utf8.withMemoryRebound(to: CChar.self) { lua_pushlstring(lua, $0.baseAddress, $0.count) }
    }
  }

  func push(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { buffer in
      _ = buffer.withMemoryRebound(to: CChar.self) { lua_pushlstring(lua, $0.baseAddress, $0.count) }
    }
  }

  /// Pops a value and puts it into the table below it.
  func setField(_ key: String) {
    var key = key
    key.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { clua_set_field(lua, -2, $0.baseAddress, $0.count) }
    }
  }

  private func room(_ depth: Int) throws(LuaError) {
    if depth >= Self.depth { throw LuaError(.conversion, "values nested more than \(Self.depth) deep") }
    if lua_checkstack(lua, 8) == 0 { throw LuaError(.conversion, "the Lua stack is full") }
  }

  /// Takes the unfinished table off the stack where `body` fails.
  private func orPop(_ body: () throws(LuaError) -> Void) throws(LuaError) {
    do {
      try body()
    } catch {
      clua_pop(lua, 1)
      throw error
    }
  }
}

extension Int {
  /// Presizing hint: Lua grows tables by itself, and a wrong hint must not cost memory.
  fileprivate var bounded: Int32 { Int32(clamping: Swift.min(self, 1 << 20)) }
}
