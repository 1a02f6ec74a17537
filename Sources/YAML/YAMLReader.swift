import CYAML
import Model

/// Why bytes could not be read as YAML.
public struct YAMLError: Error, Sendable, Hashable, CustomStringConvertible {
  public var description: String

  init(_ fact: String, line: Int? = nil) {
    description = "not valid YAML: \(fact)" + (line.map { ", at line \($0)" } ?? "")
  }
}

extension Value {
  /// Reads the first document of a YAML stream: scalars as YAML 1.2 has them (`yes` is text), anchors, merge keys.
  /// Nothing is run and no types are made, whatever tags say. Throws for what no JSON document could hold either.
  public init(yaml bytes: [UInt8]) throws(YAMLError) {
    guard bytes.count <= YAMLReader.bytesMax else { throw YAMLError("it is larger than \(YAMLReader.bytesMax) bytes") }
    var reader = try YAMLReader(bytes)
    defer { reader.close() }
    self = try reader.document()
  }
}

/// Builds a value of libyaml's events.
struct YAMLReader {
  /// Bytes of a stream at most; files that people write are a hundred times smaller.
  static let bytesMax = 4 << 20
  /// Values at most, those of aliases counted each time: a few hundred bytes of aliases can unfold into billions.
  static let valuesMax = 200_000
  /// Bytes of text in all, again with those of aliases.
  static let textMax = 32 << 20

  private struct Known {
    var value: Value
    var size: Size
  }

  /// What a value takes.
  private struct Size {
    var values = 0
    var bytes = 0
    var depth = 0

    mutating func add(_ inner: Size) {
      values += inner.values
      bytes += inner.bytes
      depth = max(depth, inner.depth + 1)
    }
  }

  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let input: UnsafeMutableBufferPointer<UInt8>
  private var anchors: [String: Known] = [:]
  private var used = Size()

  init(_ bytes: [UInt8]) throws(YAMLError) {
    parser = .allocate(capacity: 1)
    input = .allocate(capacity: max(1, bytes.count))
    _ = input.initialize(from: bytes)
    guard yaml_parser_initialize(parser) == 1 else {
      parser.deallocate()
      input.deallocate()
      throw YAMLError("there is no memory to read it")
    }
    yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
  }

  mutating func close() {
    yaml_parser_delete(parser)
    parser.deallocate()
    input.deallocate()
  }

  mutating func document() throws(YAMLError) -> Value {
    while true {
      var event = try next()
      defer { yaml_event_delete(&event) }
      switch event.type {
      case YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT: continue
      case YAML_STREAM_END_EVENT: return .null
      default: return try value(&event, depth: 0).value
      }
    }
  }

  private func next() throws(YAMLError) -> yaml_event_t {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else {
      let problem = parser.pointee.problem.map { String(cString: $0) } ?? "it cannot be read"
      throw YAMLError(problem, line: Int(parser.pointee.problem_mark.line) + 1)
    }
    return event
  }

  private var line: Int { Int(parser.pointee.mark.line) + 1 }

  /// The value that `event` begins, read to its end.
  private mutating func value(_ event: inout yaml_event_t, depth: Int) throws(YAMLError) -> Known {
    let anchor = lp_yaml_anchor(&event).map { String(cString: $0) }
    if event.type == YAML_ALIAS_EVENT {
      guard let anchor, let known = anchors[anchor] else {
        throw YAMLError("the alias `\(anchor ?? "")` names nothing that is whole", line: line)
      }
      try take(known.size, at: depth)
      return known
    }
    try take(Size(values: 1, bytes: 0, depth: 1), at: depth)
    var known: Known
    switch event.type {
    case YAML_SCALAR_EVENT: known = try scalar(&event)
    case YAML_SEQUENCE_START_EVENT: known = try sequence(depth)
    case YAML_MAPPING_START_EVENT: known = try mapping(depth)
    default: throw YAMLError("a value should be here", line: line)
    }
    if let anchor { anchors[anchor] = known }
    return known
  }

  private mutating func take(_ size: Size, at depth: Int) throws(YAMLError) {
    used.values += size.values
    used.bytes += size.bytes
    guard used.values <= YAMLReader.valuesMax else {
      throw YAMLError("it unfolds into more than \(YAMLReader.valuesMax) values", line: line)
    }
    guard used.bytes <= YAMLReader.textMax else {
      throw YAMLError("it unfolds into more than \(YAMLReader.textMax) bytes", line: line)
    }
    guard depth + size.depth <= Limits.documentDepth else {
      throw YAMLError("it is nested deeper than \(Limits.documentDepth) levels", line: line)
    }
  }

  private mutating func scalar(_ event: inout yaml_event_t) throws(YAMLError) -> Known {
    var length = 0
    guard let start = lp_yaml_scalar(&event, &length) else {
      return Known(value: .null, size: Size(values: 1, depth: 1))
    }
    let text = String(decoding: UnsafeBufferPointer(start: start, count: length), as: UTF8.self)
    try take(Size(values: 0, bytes: length, depth: 0), at: 0)
    let tag = lp_yaml_tag(&event).map { String(cString: $0) }
    let value: Value = lp_yaml_is_plain(&event) == 1 && tag == nil ? YAMLScalar.value(of: text) : .string(text)
    return Known(value: value, size: Size(values: 1, bytes: length, depth: 1))
  }

  private mutating func sequence(_ depth: Int) throws(YAMLError) -> Known {
    var items: [Value] = []
    var size = Size(values: 1, bytes: 0, depth: 1)
    while true {
      var event = try next()
      defer { yaml_event_delete(&event) }
      if event.type == YAML_SEQUENCE_END_EVENT { return Known(value: .array(items), size: size) }
      let item = try value(&event, depth: depth + 1)
      items.append(item.value)
      size.add(item.size)
    }
  }

  private mutating func mapping(_ depth: Int) throws(YAMLError) -> Known {
    var fields: [String: Value] = [:]
    var merged: [String: Value] = [:]
    var size = Size(values: 1, bytes: 0, depth: 1)
    while true {
      guard let key = try key(depth) else { break }
      var event = try next()
      defer { yaml_event_delete(&event) }
      let inner = try value(&event, depth: depth + 1)
      size.add(inner.size)
      size.bytes += key.text.utf8.count
      if key.isMerge {
        for source in try sources(inner.value) { merged.merge(source) { first, _ in first } }
      } else if fields.updateValue(inner.value, forKey: key.text) != nil {
        throw YAMLError("the key `\(key.text.prefix(80))` comes twice", line: line)
      }
    }
    return Known(value: .object(fields.merging(merged) { own, _ in own }), size: size)
  }

  /// nil at the end of the mapping.
  private mutating func key(_ depth: Int) throws(YAMLError) -> (text: String, isMerge: Bool)? {
    var event = try next()
    defer { yaml_event_delete(&event) }
    if event.type == YAML_MAPPING_END_EVENT { return nil }
    let isPlain = event.type == YAML_SCALAR_EVENT && lp_yaml_is_plain(&event) == 1
    if event.type == YAML_SCALAR_EVENT {
      var length = 0
      guard let start = lp_yaml_scalar(&event, &length) else { return ("", false) }
      try take(Size(values: 1, bytes: length, depth: 0), at: depth)
      let text = String(decoding: UnsafeBufferPointer(start: start, count: length), as: UTF8.self)
      if let anchor = lp_yaml_anchor(&event) {
        anchors[String(cString: anchor)] = Known(
          value: .string(text), size: Size(values: 1, bytes: length, depth: 1))
      }
      return (text, isPlain && text == "<<")
    }
    guard case .string(let text) = try value(&event, depth: depth).value else {
      throw YAMLError("a key is no text", line: line)
    }
    return (text, false)
  }

  /// What `<<` merges: a table, or a list of them, the first of which wins.
  private func sources(_ value: Value) throws(YAMLError) -> [[String: Value]] {
    switch value {
    case .object(let fields): return [fields]
    case .array(let items):
      let tables = items.compactMap(\.objectValue)
      if tables.count == items.count { return tables }
    default: break
    }
    throw YAMLError("`<<` merges tables alone", line: line)
  }
}

/// What a scalar without quotes is: the core schema of YAML 1.2 (10.3).
enum YAMLScalar {
  static func value(of text: String) -> Value {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: return number(text) ?? .string(text)
    }
  }

  private static func number(_ text: String) -> Value? {
    var digits = text.utf8[...]
    if text.hasPrefix("0x") { return Int64(text.dropFirst(2), radix: 16).map(Value.int) }
    if text.hasPrefix("0o") { return Int64(text.dropFirst(2), radix: 8).map(Value.int) }
    if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { digits.removeFirst() }
    let isDigit: (UInt8) -> Bool = { (0x30...0x39).contains($0) }
    let whole = digits.prefix(while: isDigit)
    digits = digits.dropFirst(whole.count)
    if digits.isEmpty { return whole.isEmpty ? nil : Int64(text).map(Value.int) ?? Double(text).map(Value.double) }
    var places = 0
    if digits.first == UInt8(ascii: ".") {
      digits.removeFirst()
      places = digits.prefix(while: isDigit).count
      digits = digits.dropFirst(places)
    }
    guard whole.count + places > 0 else { return nil }
    if let exponent = digits.first, exponent == UInt8(ascii: "e") || exponent == UInt8(ascii: "E") {
      digits.removeFirst()
      if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { digits.removeFirst() }
      guard !digits.isEmpty else { return nil }
      digits = digits.drop(while: isDigit)
    }
    guard digits.isEmpty, let value = Double(text.hasSuffix(".") ? text + "0" : text), value.isFinite else {
      return nil
    }
    return .double(value)
  }
}
