import FoundationEssentials

/// Why bytes could not be read as JSON.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

extension Value {
  /// Reads one JSON document. Throws `JSONError` for anything else, nesting beyond `Limits.messageDepth` included.
  public init(json bytes: some Sequence<UInt8>) throws(JSONError) {
    self = try JSONReader.document(Array(bytes)) { (reader) throws(JSONError) in try reader.value() }
  }

  public init(json text: String) throws(JSONError) {
    try self.init(json: text.utf8)
  }

  /// This value as JSON text with sorted keys: the same value always gives the same bytes.
  /// A number that JSON cannot say (infinite, not a number) becomes null.
  public func json(pretty: Bool = false) -> String {
    var writer = JSONWriter(pretty: pretty)
    writer.value(self)
    return writer.text
  }
}

/// A type whose JSON is written and read by hand, as `Codable` has it but many times as fast: for what is sent or kept
/// at every step of every run. A test holds that either reads what the other wrote.
public protocol DirectJSON: Codable {
  /// Writes the members in the order of their keys' declaration.
  func write(to writer: inout JSONWriter)
  /// Members that it does not know are passed over.
  init(from reader: inout JSONReader) throws(JSONError)
}

/// Model values as JSON bytes, by hand where the type can do that.
public enum JSON {
  public static func bytes(of value: some DirectJSON) -> [UInt8] {
    var writer = JSONWriter()
    value.write(to: &writer)
    return writer.bytes
  }

  /// - Parameter sorted: members in the order of their keys, so that the same value always gives the same bytes.
  ///   What is written by hand has one order of its own.
  /// - Throws: what the value's own encoding throws.
  public static func encode(_ value: some Encodable, sorted: Bool = false) throws -> [UInt8] {
    if let direct = value as? any DirectJSON { return bytes(of: direct) }
    let encoder = JSONEncoder()
    if sorted { encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes] }
    return [UInt8](try encoder.encode(value))
  }

  /// - Throws: `JSONError`, or `DecodingError` with the path of what does not fit.
  public static func decode<T: Decodable>(_ type: T.Type, _ bytes: [UInt8]) throws -> T {
    if let direct = type as? any DirectJSON.Type, let value = try read(direct, bytes) as? T { return value }
    return try JSONDecoder().decode(type, from: Data(bytes))
  }

  private static func read<T: DirectJSON>(_ type: T.Type, _ bytes: [UInt8]) throws(JSONError) -> T {
    try JSONReader.document(bytes) { (reader) throws(JSONError) in try T(from: &reader) }
  }
}

extension Value {
  /// Any encodable value as a document. Throws what the value's own encoding throws.
  public init(encoding value: some Encodable) throws {
    self = try Value(json: JSON.encode(value))
  }

  /// Reads `type` from this document; throws `DecodingError` with the path of what does not fit.
  public func decode<T: Decodable>(_ type: T.Type) throws -> T {
    try JSONDecoder().decode(type, from: Data(json().utf8))
  }
}
