/// Makes Swift values of Lua data. Tables give their string keys to structures and dictionaries, and their items to
/// arrays; an empty table is either.
public struct LuaDecoder: Sendable {
  public init() {}

  /// Throws with the path of what does not fit: `string expected, got number at spec.containers[1].image`.
  public func decode<Value: Decodable>(_ type: Value.Type, from tree: LuaTree) throws(LuaError) -> Value {
    do {
      return try TreeDecoder(tree: tree, codingPath: []).decode(type)
    } catch {
      throw Self.failure(error)
    }
  }

  private static func failure(_ error: any Error) -> LuaError {
    switch error {
    case let error as LuaError: error
    case DecodingError.keyNotFound(let key, let context):
      LuaError(.conversion, "missing" + (context.codingPath + [key]).luaSuffix)
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context):
      LuaError(
        .conversion, context.debugDescription + context.codingPath.luaSuffix, underlying: context.underlyingError)
    default: LuaError(.conversion, String(describing: error), underlying: error)
    }
  }
}

extension LuaState {
  /// Calls a function and decodes its first result.
  public func call<Value: Decodable>(
    _ function: LuaReference, _ arguments: [LuaValue], decoding type: Value.Type
  ) throws(LuaError) -> Value {
    try LuaDecoder().decode(type, from: try call(function, arguments).first ?? .nothing)
  }
}

extension LuaRunner {
  /// Calls a function, which may wait, and decodes its first result.
  public func call<Value: Decodable & Sendable>(
    _ function: LuaReference, _ arguments: [LuaValue], decoding type: Value.Type, budget: LuaBudget = .standard
  ) async throws(LuaError) -> Value {
    try LuaDecoder().decode(type, from: try await call(function, arguments, budget: budget).first ?? .nothing)
  }
}

private struct TreeDecoder: Decoder, SingleValueDecodingContainer {
  let tree: LuaTree
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  // MARK: containers

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .table(let table) = tree else { throw mismatch("table") }
    return KeyedDecodingContainer(KeyedTree(fields: table.fields, codingPath: codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .table(let table) = tree else { throw mismatch("list") }
    guard table.fields.isEmpty, table.oddKeys.isEmpty else { throw mismatch("list", got: "table with keys") }
    return ListTree(items: table.items, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { self }

  // MARK: single values

  func decodeNil() -> Bool { tree == .nothing }

  func decode(_ type: Bool.Type) throws -> Bool {
    guard case .boolean(let flag) = tree else { throw mismatch("boolean") }
    return flag
  }

  func decode(_ type: String.Type) throws -> String {
    guard let text = tree.string else { throw mismatch("string") }
    return text
  }

  func decode(_ type: Double.Type) throws -> Double {
    switch tree {
    case .integer(let number): return Double(number)
    case .number(let number): return number
    default: throw mismatch("number")
    }
  }

  func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
  func decode(_ type: Int.Type) throws -> Int { try integer() }
  func decode(_ type: Int8.Type) throws -> Int8 { try integer() }
  func decode(_ type: Int16.Type) throws -> Int16 { try integer() }
  func decode(_ type: Int32.Type) throws -> Int32 { try integer() }
  func decode(_ type: Int64.Type) throws -> Int64 { try integer() }
  func decode(_ type: UInt.Type) throws -> UInt { try integer() }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try integer() }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try integer() }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try integer() }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try integer() }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    // Types decode themselves by recursion; a type may also decode itself from the same value without end.
    guard codingPath.count <= 200 else { throw LuaError(.conversion, "values nested more than 200 deep") }
    return try Value(from: self)
  }

  private func integer<Number: FixedWidthInteger>() throws -> Number {
    let exact: Number?
    switch tree {
    case .integer(let number): exact = Number(exactly: number)
    case .number(let number): exact = Number(exactly: number)
    default: throw mismatch("integer")
    }
    guard let exact else { throw mismatch("integer from \(Number.min) to \(Number.max)", got: "\(tree.numeral)") }
    return exact
  }

  func mismatch(_ expected: String, got: String? = nil) -> LuaError {
    LuaError(.conversion, "\(expected) expected, got \(got ?? tree.typeName)" + codingPath.luaSuffix)
  }
}

private struct KeyedTree<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let fields: [String: LuaTree]
  let codingPath: [any CodingKey]

  var allKeys: [Key] { fields.keys.sorted().compactMap { Key(stringValue: $0) } }
  func contains(_ key: Key) -> Bool { fields[key.stringValue] != nil }
  func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).decodeNil() }

  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try decoder(key).decode(type)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> {
    try decoder(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder { try decoder(LuaKey("super")) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }

  private func decoder(_ key: any CodingKey) throws -> TreeDecoder {
    guard let tree = fields[key.stringValue] else {
      throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "missing"))
    }
    return TreeDecoder(tree: tree, codingPath: codingPath + [key])
  }
}

private struct ListTree: UnkeyedDecodingContainer {
  let items: [LuaTree]
  let codingPath: [any CodingKey]
  var currentIndex = 0

  var count: Int? { items.count }
  var isAtEnd: Bool { currentIndex >= items.count }

  mutating func decodeNil() throws -> Bool {
    let isNil = try decoder().decodeNil()
    if isNil { currentIndex += 1 }
    return isNil
  }

  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let value = try decoder().decode(type)
    currentIndex += 1
    return value
  }

  mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
    let container = try decoder().container(keyedBy: type)
    currentIndex += 1
    return container
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    let container = try decoder().unkeyedContainer()
    currentIndex += 1
    return container
  }

  mutating func superDecoder() throws -> any Decoder {
    let decoder = try decoder()
    currentIndex += 1
    return decoder
  }

  private func decoder() throws -> TreeDecoder {
    let path = codingPath + [LuaKey(currentIndex)]
    guard items.indices.contains(currentIndex) else { throw LuaError(.conversion, "missing" + path.luaSuffix) }
    return TreeDecoder(tree: items[currentIndex], codingPath: path)
  }
}

extension LuaTree {
  fileprivate var numeral: String {
    switch self {
    case .integer(let number): String(number)
    case .number(let number): String(number)
    default: typeName
    }
  }
}
