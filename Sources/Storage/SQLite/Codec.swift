import FoundationEssentials
import Model

/// Values in columns, as JSON with sorted keys, so that the same value is always the same bytes.
enum Codec {
  static func encode(_ value: some Encodable) throws(StoreError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A number that JSON cannot say comes from a computation gone wrong; the caller hears of it.
    do { return Array(try encoder.encode(value)) } catch {
      throw StoreError(.invalid, "a value cannot be written as JSON: \(error)")
    }
  }

  static func text(_ value: some Encodable) throws(StoreError) -> String {
    String(decoding: try encode(value), as: UTF8.self)
  }

  /// - Parameter what: whose value it is, for the error.
  static func decode<T: Decodable>(
    _ type: T.Type, _ bytes: some Sequence<UInt8>, of what: @autoclosure () -> String
  ) throws(StoreError) -> T {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw StoreError(.corrupt, "what is stored of \(what()) cannot be read: \(error)")
    }
  }
}
