import FoundationEssentials

/// Why bytes could not be read as JSON.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

extension Value {
  /// Reads one JSON document. Throws `JSONError` for anything else, nesting beyond `Limits.documentDepth` included.
  public init(json bytes: some Sequence<UInt8>) throws(JSONError) {
    let data = Data(bytes)
    // The decoder recurses once a level; a bomb of brackets must not reach the end of the stack.
    var depth = 0
    var deepest = 0
    var inString = false
    var escaped = false
    for byte in data {
      if inString {
        if escaped { escaped = false } else if byte == 0x5C { escaped = true } else if byte == 0x22 { inString = false }
      } else if byte == 0x22 {
        inString = true
      } else if byte == 0x7B || byte == 0x5B {
        depth += 1
        deepest = max(deepest, depth)
      } else if byte == 0x7D || byte == 0x5D {
        depth -= 1
      }
    }
    guard deepest <= Limits.documentDepth else {
      throw JSONError("the document is nested deeper than \(Limits.documentDepth) levels")
    }
    do {
      self = try JSONDecoder().decode(Value.self, from: data)
    } catch DecodingError.dataCorrupted(let context) {
      let detail = context.underlyingError.map { ": \($0)" } ?? ""
      throw JSONError("not valid JSON\(detail)")
    } catch {
      throw JSONError("not valid JSON: \(error)")
    }
  }

  public init(json text: String) throws(JSONError) {
    try self.init(json: text.utf8)
  }

  /// This value as JSON text with sorted keys: the same value always gives the same bytes.
  /// A number that JSON cannot say (infinite, not a number) becomes null.
  public func json(pretty: Bool = false) -> String {
    var out = ""
    write(to: &out, indent: pretty ? 0 : nil)
    return out
  }

  private func write(to out: inout String, indent: Int?) {
    switch self {
    case .null: out += "null"
    case .bool(let flag): out += flag ? "true" : "false"
    case .int(let number): out += String(number)
    case .double(let number):
      if !number.isFinite {
        out += "null"
      } else if let whole = Int64(exactly: number) {
        out += "\(whole).0"
      } else {
        out += "\(number)"
      }
    case .string(let text): Value.write(string: text, to: &out)
    case .array(let items):
      Value.write(brackets: ("[", "]"), count: items.count, to: &out, indent: indent) { out, index, inner in
        items[index].write(to: &out, indent: inner)
      }
    case .object(let fields):
      let keys = fields.keys.sorted()
      Value.write(brackets: ("{", "}"), count: keys.count, to: &out, indent: indent) { out, index, inner in
        Value.write(string: keys[index], to: &out)
        out += inner == nil ? ":" : ": "
        (fields[keys[index]] ?? .null).write(to: &out, indent: inner)
      }
    }
  }

  private static func write(
    brackets: (String, String), count: Int, to out: inout String, indent: Int?,
    item: (inout String, Int, Int?) -> Void
  ) {
    out += brackets.0
    let inner = indent.map { $0 + 2 }
    for index in 0..<count {
      if index > 0 { out += "," }
      if let inner { out += "\n" + String(repeating: " ", count: inner) }
      item(&out, index, inner)
    }
    if let indent, count > 0 { out += "\n" + String(repeating: " ", count: indent) }
    out += brackets.1
  }

  private static func write(string text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      default:
        if scalar.value < 0x20 {
          let hex = String(scalar.value, radix: 16)
          out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    out += "\""
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
