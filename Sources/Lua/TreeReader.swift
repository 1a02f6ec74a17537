import CLua

/// Copies values out of Lua, within limits.
struct TreeReader {
  let lua: OpaquePointer
  let limits: LuaTreeLimits
  private var nodes = 0
  private var bytes = 0
  /// The tables that are being copied, outermost first: one that comes again closes a cycle.
  private var open: [UnsafeRawPointer] = []

  init(_ lua: OpaquePointer, _ limits: LuaTreeLimits) {
    self.lua = lua
    self.limits = limits
  }

  /// What stopped a copy; the path is filled on the way out, innermost first.
  struct Fault: Error {
    var message: String
    var path: [String] = []
  }

  /// Copies the value at `index`.
  static func read(_ lua: OpaquePointer, _ index: Int32, _ limits: LuaTreeLimits) throws(LuaError) -> LuaTree {
    var reader = TreeReader(lua, limits)
    do {
      return try reader.value(clua_absolute(lua, index))
    } catch {
      let path = error.path.reversed().joined()
      throw LuaError(.conversion, path.isEmpty ? error.message : "\(error.message) at \(path.trimmedDot)")
    }
  }

  private mutating func value(_ index: Int32) throws(Fault) -> LuaTree {
    nodes += 1
    if nodes > limits.nodes { throw Fault(message: "more than \(limits.nodes) values") }
    switch Int(lua_type(lua, index)) {
    case CLUA_TYPE_NIL, CLUA_TYPE_NONE: return .nothing
    case CLUA_TYPE_BOOLEAN: return .boolean(lua_toboolean(lua, index) != 0)
    case CLUA_TYPE_NUMBER:
      if clua_is_integer(lua, index) != 0 { return .integer(lua_tointegerx(lua, index, nil)) }
      return .number(lua_tonumberx(lua, index, nil))
    case CLUA_TYPE_STRING: return try string(index)
    case CLUA_TYPE_TABLE: return .table(try table(index))
    case CLUA_TYPE_FUNCTION: return .function
    case CLUA_TYPE_THREAD: return .other("thread")
    default: return .other("userdata")
    }
  }

  private mutating func string(_ index: Int32) throws(Fault) -> LuaTree {
    var length = 0
    guard let start = clua_to_string(lua, index, &length) else { return .string("") }
    try count(length)
    return start.withMemoryRebound(to: UInt8.self, capacity: length) {
      let bytes = UnsafeBufferPointer(start: $0, count: length)
      return String(validating: bytes, as: UTF8.self).map(LuaTree.string) ?? .bytes(Array(bytes))
    }
  }

  private mutating func count(_ length: Int) throws(Fault) {
    bytes += length
    if bytes > limits.bytes { throw Fault(message: "more than \(limits.bytes) bytes of text") }
  }

  /// A key: what is no UTF-8 in it is repaired.
  private mutating func text(_ index: Int32) throws(Fault) -> String {
    var length = 0
    guard let start = clua_to_string(lua, index, &length) else { return "" }
    try count(length)
    return String(luaBytes: start, length)
  }

  private mutating func table(_ index: Int32) throws(Fault) -> LuaTable {
    guard let identity = lua_topointer(lua, index) else { return LuaTable() }
    if open.contains(identity) { throw Fault(message: "a table that contains itself") }
    if open.count >= limits.depth { throw Fault(message: "tables nested more than \(limits.depth) deep") }
    guard lua_checkstack(lua, 6) != 0 else { throw Fault(message: "the Lua stack is full") }
    open.append(identity)
    defer { open.removeLast() }

    var table = LuaTable()
    var name: UnsafePointer<CChar>?
    var length = 0
    if clua_type_tag(lua, index, &name, &length) != 0, let name { table.tag = String(luaBytes: name, length) }
    try readItems(index, into: &table)
    try readFields(index, into: &table)
    return table
  }

  private mutating func readItems(_ index: Int32, into table: inout LuaTable) throws(Fault) {
    table.items.reserveCapacity(min(Int(truncatingIfNeeded: lua_rawlen(lua, index)), max(0, limits.nodes - nodes)))
    var position: Int64 = 1
    while Int(lua_rawgeti(lua, index, position)) != CLUA_TYPE_NIL {
      defer { clua_pop(lua, 1) }
      do {
        table.items.append(try value(lua_gettop(lua)))
      } catch {
        throw error.under("[\(position)]")
      }
      position += 1
    }
    clua_pop(lua, 1)
  }

  private mutating func readFields(_ index: Int32, into table: inout LuaTable) throws(Fault) {
    lua_pushnil(lua)
    while lua_next(lua, index) != 0 {
      let valueIndex = lua_gettop(lua)
      do {
        try readField(valueIndex, into: &table)
      } catch {
        clua_pop(lua, 2)
        throw error
      }
      clua_pop(lua, 1)
    }
    table.oddKeys.sort()
  }

  private mutating func readField(_ valueIndex: Int32, into table: inout LuaTable) throws(Fault) {
    let keyIndex = valueIndex - 1
    switch Int(lua_type(lua, keyIndex)) {
    case CLUA_TYPE_STRING:
      let key = try text(keyIndex)
      do {
        let copy = try value(valueIndex)
        // Two keys may be one here: repaired bytes, or the same text in two Unicode forms.
        if table.fields.updateValue(copy, forKey: key) != nil { try odd("string \(key) (twice)", &table) }
      } catch {
        throw error.under(".\(key)")
      }
    case CLUA_TYPE_NUMBER:
      if clua_is_integer(lua, keyIndex) == 0 {
        try odd("number \(lua_tonumberx(lua, keyIndex, nil))", &table)
      } else {
        let key = lua_tointegerx(lua, keyIndex, nil)
        if key < 1 || key > table.items.count { try odd("number \(key)", &table) }
      }
    case CLUA_TYPE_BOOLEAN: try odd("boolean \(lua_toboolean(lua, keyIndex) != 0)", &table)
    case CLUA_TYPE_TABLE: try odd("table", &table)
    case CLUA_TYPE_FUNCTION: try odd("function", &table)
    default: try odd("userdata", &table)
    }
  }

  private mutating func odd(_ description: String, _ table: inout LuaTable) throws(Fault) {
    nodes += 1
    if nodes > limits.nodes { throw Fault(message: "more than \(limits.nodes) values") }
    table.oddKeys.append(description)
  }
}

extension TreeReader.Fault {
  fileprivate func under(_ component: String) -> Self {
    var copy = self
    copy.path.append(component)
    return copy
  }
}

extension String {
  /// Bytes of Lua as text, repaired where they are no UTF-8.
  @usableFromInline init(luaBytes start: UnsafePointer<CChar>, _ count: Int) {
    self = start.withMemoryRebound(to: UInt8.self, capacity: count) {
      String(decoding: UnsafeBufferPointer(start: $0, count: count), as: UTF8.self)
    }
  }

  fileprivate var trimmedDot: Substring { hasPrefix(".") ? dropFirst() : self[...] }
}
