/// Makes Lua data of Swift values: structures and dictionaries become tables with string keys, arrays lists, and
/// what is nil is left out.
public struct LuaEncoder: Sendable {
  public init() {}

  /// Throws where a value has no form in Lua: an integer beyond 64 bits with sign, nil within an array, containers
  /// nested too deep; or what the value's own `encode` throws, as `underlying`.
  public func encode(_ value: some Encodable) throws(LuaError) -> LuaTree {
    let node = EncodedNode()
    do {
      try node.encode(value, at: [])
      return node.tree
    } catch let error as LuaError {
      throw error
    } catch let EncodingError.invalidValue(_, context) {
      throw LuaError(
        .conversion, context.debugDescription + context.codingPath.luaSuffix, underlying: context.underlyingError)
    } catch {
      throw LuaError(.conversion, String(describing: error), underlying: error)
    }
  }
}

extension LuaValue {
  /// A value as `LuaEncoder` makes it.
  public static func encoding(_ value: some Encodable) throws(LuaError) -> LuaValue {
    .tree(try LuaEncoder().encode(value))
  }
}

/// A value while it is encoded: containers write into it as long as they live.
private final class EncodedNode {
  private enum Content {
    case tree(LuaTree)
    case list([EncodedNode])
    case fields([String: EncodedNode])
  }
  private var content = Content.tree(.nothing)

  var tree: LuaTree {
    switch content {
    case .tree(let tree): tree
    case .list(let nodes): .table(LuaTable(items: nodes.map(\.tree)))
    case .fields(let nodes): .table(LuaTable(fields: nodes.mapValues(\.tree).filter { $0.value != .nothing }))
    }
  }

  var count: Int {
    if case .list(let nodes) = content { nodes.count } else { 0 }
  }

  func set(_ tree: LuaTree) { content = .tree(tree) }

  func becomeList() {
    if case .list = content { return }
    content = .list([])
  }

  func becomeFields() {
    if case .fields = content { return }
    content = .fields([:])
  }

  func append() -> EncodedNode {
    let node = EncodedNode()
    guard case .list(var nodes) = content else { return node }
    content = .tree(.nothing)  // so that appending copies nothing
    nodes.append(node)
    content = .list(nodes)
    return node
  }

  func field(_ key: String) -> EncodedNode {
    let node = EncodedNode()
    guard case .fields(var nodes) = content else { return node }
    content = .tree(.nothing)
    nodes[key] = node
    content = .fields(nodes)
    return node
  }

  func encode(_ value: some Encodable, at path: [any CodingKey]) throws {
    // Types encode themselves by recursion, so this bounds the stack.
    guard path.count <= 100 else { throw LuaError(.conversion, "values nested more than 100 deep") }
    switch value {
    case let value as String: set(.string(value))
    case let value as Bool: set(.boolean(value))
    case let value as Int: set(.integer(Int64(value)))
    case let value as Double: set(.number(value))
    default: try value.encode(to: NodeEncoder(node: self, codingPath: path))
    }
  }

  func integer(_ value: some BinaryInteger, at path: [any CodingKey]) throws {
    guard let number = Int64(exactly: value) else {
      throw LuaError(.conversion, "\(value) is too large for an integer of Lua" + path.luaSuffix)
    }
    set(.integer(number))
  }
}

private struct NodeEncoder: Encoder {
  let node: EncodedNode
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    node.becomeFields()
    return KeyedEncodingContainer(KeyedNode(node: node, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    node.becomeList()
    return ListNode(node: node, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleNode(node: node, codingPath: codingPath)
  }
}

private struct SingleNode: SingleValueEncodingContainer {
  let node: EncodedNode
  let codingPath: [any CodingKey]

  func encodeNil() { node.set(.nothing) }
  func encode(_ value: Bool) { node.set(.boolean(value)) }
  func encode(_ value: String) { node.set(.string(value)) }
  func encode(_ value: Double) { node.set(.number(value)) }
  func encode(_ value: Float) { node.set(.number(Double(value))) }
  func encode(_ value: Int) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: Int8) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: Int16) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: Int32) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: Int64) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: UInt) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: UInt8) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: UInt16) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: UInt32) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: UInt64) throws { try node.integer(value, at: codingPath) }
  func encode(_ value: some Encodable) throws { try node.encode(value, at: codingPath) }
}

private struct KeyedNode<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: EncodedNode
  let codingPath: [any CodingKey]

  func encodeNil(forKey key: Key) {}

  func encode(_ value: some Encodable, forKey key: Key) throws {
    try node.field(key.stringValue).encode(value, at: codingPath + [key])
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    encoder(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { encoder(key).unkeyedContainer() }
  func superEncoder() -> any Encoder { encoder(LuaKey("super")) }
  func superEncoder(forKey key: Key) -> any Encoder { encoder(key) }

  private func encoder(_ key: any CodingKey) -> NodeEncoder {
    NodeEncoder(node: node.field(key.stringValue), codingPath: codingPath + [key])
  }
}

private struct ListNode: UnkeyedEncodingContainer {
  let node: EncodedNode
  let codingPath: [any CodingKey]
  var count: Int { node.count }

  func encodeNil() throws {
    throw LuaError(.conversion, "a list in Lua cannot hold nil" + (codingPath + [LuaKey(count)]).luaSuffix)
  }

  func encode(_ value: some Encodable) throws {
    let path = codingPath + [LuaKey(count)]
    let item = node.append()
    try item.encode(value, at: path)
    if item.tree == .nothing { throw LuaError(.conversion, "a list in Lua cannot hold nil" + path.luaSuffix) }
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
    encoder().container(keyedBy: type)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder().unkeyedContainer() }
  func superEncoder() -> any Encoder { encoder() }

  private func encoder() -> NodeEncoder {
    let path = codingPath + [LuaKey(count)]
    return NodeEncoder(node: node.append(), codingPath: path)
  }
}

/// A key, or a position counted from 0.
struct LuaKey: CodingKey {
  var stringValue: String
  var intValue: Int?

  init(_ name: String) { stringValue = name }

  init(_ position: Int) {
    stringValue = String(position)
    intValue = position
  }

  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { self.init(intValue) }
}

extension [any CodingKey] {
  /// ` at spec.containers[1].image`, as Lua writes it; empty at the top.
  var luaSuffix: String {
    var path = ""
    for key in self {
      if let position = key.intValue {
        path += "[\(position &+ 1)]"
      } else {
        path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
      }
    }
    return path.isEmpty ? "" : " at \(path)"
  }
}
