/// A value on its way into Lua.
public enum LuaValue: Sendable {
  case nothing
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  /// A string that need not be UTF-8.
  case bytes([UInt8])
  /// A new table with these under 1, 2, ...
  case list([LuaValue])
  /// A new table with these under string keys.
  case fields([String: LuaValue])
  /// A copy of data.
  case tree(LuaTree)
  /// A value that the same state holds already: a function, a table.
  case reference(LuaReference)
}

extension LuaValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .nothing }
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: LuaValue...) { self = .list(elements) }
  public init(dictionaryLiteral elements: (String, LuaValue)...) {
    self = .fields(Dictionary(elements, uniquingKeysWith: { _, last in last }))
  }
}

/// The type of a value, as Lua's `type` names it.
public enum LuaKind: String, Sendable, Hashable {
  case nothing = "nil"
  case boolean, number, string, table, function, userdata, thread
}
