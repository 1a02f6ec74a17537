/// A deep copy of data that was in Lua. Holds nothing of the state it came from.
public indirect enum LuaTree: Sendable, Hashable {
  case nothing
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  /// A string that is not UTF-8.
  case bytes([UInt8])
  case table(LuaTable)
  /// A function: code is not data, only its presence is copied.
  case function
  /// Anything else, by its type name: `userdata`, `thread`.
  case other(String)
}

/// A table, split by kinds of keys.
public struct LuaTable: Sendable, Hashable {
  /// `__name` of the metatable, where that is a string. On the way into Lua, the table gets the metatable that the
  /// state has for it; see `LuaState.setMetatable`.
  public var tag: String?
  /// The values under 1, 2, ... up to the first hole.
  public var items: [LuaTree]
  /// The values under string keys.
  public var fields: [String: LuaTree]
  /// What keys there are beside those: `number 7`, `boolean true`. Their values are not copied.
  public var oddKeys: [String]

  public init(
    tag: String? = nil, items: [LuaTree] = [], fields: [String: LuaTree] = [:], oddKeys: [String] = []
  ) {
    self.tag = tag
    self.items = items
    self.fields = fields
    self.oddKeys = oddKeys
  }

  public var isEmpty: Bool { items.isEmpty && fields.isEmpty && oddKeys.isEmpty }
}

extension LuaTree {
  /// The type name that Lua's `type` gives; whole numbers and fractions are both `number`.
  public var typeName: String {
    switch self {
    case .nothing: "nil"
    case .boolean: "boolean"
    case .integer, .number: "number"
    case .string, .bytes: "string"
    case .table: "table"
    case .function: "function"
    case .other(let name): name
    }
  }

  public var table: LuaTable? {
    if case .table(let table) = self { table } else { nil }
  }

  /// Text; bytes that are no UTF-8 are repaired (U+FFFD). Where bytes matter, take `bytes`.
  public var string: String? {
    switch self {
    case .string(let text): text
    case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
    default: nil
    }
  }

  /// The bytes of a string.
  public var bytes: [UInt8]? {
    switch self {
    case .string(let text): Array(text.utf8)
    case .bytes(let bytes): bytes
    default: nil
    }
  }

  /// The value under a string key, `nothing` where there is none or this is no table.
  public subscript(key: String) -> LuaTree { table?.fields[key] ?? .nothing }

  /// The item at `index`, counted from 0.
  public subscript(index: Int) -> LuaTree {
    guard let items = table?.items, items.indices.contains(index) else { return .nothing }
    return items[index]
  }
}

extension LuaTree: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .nothing }
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: LuaTree...) { self = .table(LuaTable(items: elements)) }
  public init(dictionaryLiteral elements: (String, LuaTree)...) {
    self = .table(LuaTable(fields: Dictionary(elements, uniquingKeysWith: { _, last in last })))
  }
}

/// Bounds of one copy. A small table may unfold into a huge tree, as shared parts are copied each time.
public struct LuaTreeLimits: Sendable, Hashable {
  /// Tables within tables. Trees are walked by recursion, so this bounds the stack; at most 200.
  public var depth: Int
  /// Values in all.
  public var nodes: Int
  /// Bytes of all strings, keys included.
  public var bytes: Int

  public init(depth: Int = 64, nodes: Int = 200_000, bytes: Int = 16 << 20) {
    self.depth = min(depth, 200)
    self.nodes = nodes
    self.bytes = bytes
  }

  public static let standard = LuaTreeLimits()
}
