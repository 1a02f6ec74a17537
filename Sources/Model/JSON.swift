import FoundationEssentials

/// Why bytes could not be read as JSON.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

extension Value {
  /// Reads one JSON document. Throws `JSONError` for anything else, nesting beyond `Limits.documentDepth` included.
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

extension Value {
  /// Any encodable value as a document. Throws what the value's own encoding throws.
  public init(encoding value: some Encodable) throws {
    let encoder = JSONEncoder()
    self = try JSONDecoder().decode(Value.self, from: encoder.encode(value))
  }

  /// Reads `type` from this document; throws `DecodingError` with the path of what does not fit.
  public func decode<T: Decodable>(_ type: T.Type) throws -> T {
    try JSONDecoder().decode(type, from: Data(json().utf8))
  }
}
