/// Reads JSON from bytes, piece by piece, without building what nobody asked for. RFC 8259, strictly: no comments, no
/// trailing commas, no broken UTF-8. Each read leaves the reader behind what it has read.
///
/// Documents that are stored or sent many thousand times a second are read with this; others through `Codable`.
public struct JSONReader {
  private let bytes: [UInt8]
  private var index = 0
  private var depth = 0

  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Reads a whole document; throws where anything but space comes after it.
  public static func document<T>(
    _ bytes: [UInt8], _ read: (inout JSONReader) throws(JSONError) -> T
  ) throws(JSONError) -> T {
    var reader = JSONReader(bytes)
    let value = try read(&reader)
    reader.skipSpace()
    guard reader.index == bytes.count else { throw reader.failure("there is more behind its end") }
    return value
  }

  /// What the next value is, by its first byte; nil at the end.
  private mutating func peek() -> UInt8? {
    skipSpace()
    return index < bytes.count ? bytes[index] : nil
  }

  private mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x0A, 0x0D, 0x09: index += 1
      default: return
      }
    }
  }

  /// An error with the place that was reached.
  public func failure(_ fact: String) -> JSONError { JSONError("not valid JSON: \(fact), at byte \(index)") }

  private func mismatch(_ wanted: String) -> JSONError {
    guard index < bytes.count else { return failure("it ends where \(wanted) should be") }
    return failure("\(wanted) should be here")
  }

  private mutating func take(_ byte: UInt8, _ wanted: String) throws(JSONError) {
    guard peek() == byte else { throw mismatch(wanted) }
    index += 1
  }

  private mutating func takeWord(_ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard index + count <= bytes.count else { return false }
    for offset in 0..<count where bytes[index + offset] != word.utf8Start[offset] { return false }
    index += count
    return true
  }
}

extension JSONReader {
  /// Takes a null; false, and nothing taken, where the next value is another.
  public mutating func null() -> Bool {
    guard peek() == UInt8(ascii: "n") else { return false }
    return takeWord("null")
  }

  public mutating func bool() throws(JSONError) -> Bool {
    switch peek() {
    case UInt8(ascii: "t") where takeWord("true"): return true
    case UInt8(ascii: "f") where takeWord("false"): return false
    default: throw mismatch("true or false")
    }
  }

  /// A whole number that fits.
  public mutating func int() throws(JSONError) -> Int64 {
    guard let value = try number().intValue else { throw failure("a whole number should be before this") }
    return value
  }

  public mutating func double() throws(JSONError) -> Double {
    try number().doubleValue ?? 0
  }

  /// `read`s the value, or takes a null for nil.
  public mutating func optional<T>(
    _ read: (inout JSONReader) throws(JSONError) -> T
  ) throws(JSONError) -> T? {
    null() ? nil : try read(&self)
  }

  /// Hands each member's key to `member`, which reads the value.
  public mutating func object(
    _ member: (inout JSONReader, String) throws(JSONError) -> Void
  ) throws(JSONError) {
    try take(UInt8(ascii: "{"), "a table")
    try enter()
    if peek() == UInt8(ascii: "}") {
      index += 1
    } else {
      while true {
        guard peek() == UInt8(ascii: "\"") else { throw mismatch("a key") }
        let key = try string()
        try take(UInt8(ascii: ":"), "`:`")
        try member(&self, key)
        if peek() == UInt8(ascii: ",") {
          index += 1
        } else {
          try take(UInt8(ascii: "}"), "`,` or `}`")
          break
        }
      }
    }
    depth -= 1
  }

  /// Every item, read by `item`.
  public mutating func array<T>(
    _ item: (inout JSONReader) throws(JSONError) -> T
  ) throws(JSONError) -> [T] {
    try take(UInt8(ascii: "["), "a list")
    try enter()
    var items: [T] = []
    if peek() == UInt8(ascii: "]") {
      index += 1
    } else {
      while true {
        items.append(try item(&self))
        if peek() == UInt8(ascii: ",") {
          index += 1
        } else {
          try take(UInt8(ascii: "]"), "`,` or `]`")
          break
        }
      }
    }
    depth -= 1
    return items
  }

  /// Whatever comes next.
  public mutating func value() throws(JSONError) -> Value {
    switch peek() {
    case UInt8(ascii: "{"):
      var fields: [String: Value] = [:]
      try object { (reader, key) throws(JSONError) in fields[key] = try reader.value() }
      return .object(fields)
    case UInt8(ascii: "["): return .array(try array { (reader) throws(JSONError) in try reader.value() })
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try bool())
    case UInt8(ascii: "n") where takeWord("null"): return .null
    case UInt8(ascii: "-"), .some(0x30...0x39): return try number()
    default: throw mismatch("a value")
    }
  }

  private mutating func enter() throws(JSONError) {
    depth += 1
    // The reader calls itself once a level; a bomb of brackets must not reach the end of the stack.
    guard depth <= Limits.messageDepth else {
      throw JSONError("the document is nested deeper than \(Limits.messageDepth) levels")
    }
  }

  /// A number as it is written: whole ones that fit are `.int`, all others `.double`.
  private mutating func number() throws(JSONError) -> Value {
    _ = peek()
    let start = index
    let isNegative = takeIf(UInt8(ascii: "-"))
    let first = index
    var magnitude: UInt64 = 0
    var fits = true
    while index < bytes.count, let digit = JSONReader.digit(bytes[index]) {
      let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(digit)
      fits = fits && !overflow && !carry
      magnitude = sum
      index += 1
    }
    let digits = index - first
    guard digits > 0, digits == 1 || bytes[first] != UInt8(ascii: "0") else {
      index = start
      throw mismatch("a number")
    }
    var isWhole = true
    if takeIf(UInt8(ascii: ".")) {
      isWhole = false
      try takeDigits()
    }
    if takeIf(UInt8(ascii: "e")) || takeIf(UInt8(ascii: "E")) {
      isWhole = false
      if !takeIf(UInt8(ascii: "+")) { _ = takeIf(UInt8(ascii: "-")) }
      try takeDigits()
    }
    if isWhole, fits {
      if !isNegative, magnitude <= UInt64(Int64.max) { return .int(Int64(magnitude)) }
      if isNegative, magnitude <= UInt64(Int64.max) + 1 { return .int(Int64(truncatingIfNeeded: 0 &- magnitude)) }
    }
    guard let value = Double(String(decoding: bytes[start..<index], as: UTF8.self)), value.isFinite else {
      throw failure("the number before this is too large")
    }
    return .double(value)
  }

  private mutating func takeIf(_ byte: UInt8) -> Bool {
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  private mutating func takeDigits() throws(JSONError) {
    let start = index
    while index < bytes.count, JSONReader.digit(bytes[index]) != nil { index += 1 }
    guard index > start else { throw mismatch("a digit") }
  }

  private static func digit(_ byte: UInt8) -> UInt64? {
    byte >= 0x30 && byte <= 0x39 ? UInt64(byte - 0x30) : nil
  }
}

extension JSONReader {
  public mutating func string() throws(JSONError) -> String {
    try take(UInt8(ascii: "\""), "a string")
    let start = index
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        let text = try text(bytes[start..<index])
        index += 1
        return text
      case UInt8(ascii: "\\"): return try escapedString(from: start)
      case 0..<0x20: throw failure("a string holds a control character")
      default: index += 1
      }
    }
    throw failure("it ends within a string")
  }

  private func text(_ slice: ArraySlice<UInt8>) throws(JSONError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw failure("a string is not UTF-8") }
    return text
  }

  /// The rest of a string that has an escape at `index`.
  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    var out = Array(bytes[start..<index])
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""): return try text(out[...])
      case UInt8(ascii: "\\"): try escape(into: &out)
      case 0..<0x20: throw failure("a string holds a control character")
      default: out.append(byte)
      }
    }
    throw failure("it ends within a string")
  }

  private mutating func escape(into out: inout [UInt8]) throws(JSONError) {
    guard index < bytes.count else { throw failure("it ends within a string") }
    let byte = bytes[index]
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0C)
    case UInt8(ascii: "n"): out.append(0x0A)
    case UInt8(ascii: "r"): out.append(0x0D)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"):
      var code = UInt32(try hex())
      if (0xD800..<0xDC00).contains(code) {
        guard takeIf(UInt8(ascii: "\\")), takeIf(UInt8(ascii: "u")) else {
          throw failure("half a character is missing")
        }
        let low = UInt32(try hex())
        guard (0xDC00..<0xE000).contains(low) else { throw failure("half a character is missing") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw failure("half a character is missing") }
      out.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
    default: throw failure("`\\` is followed by what is no escape")
    }
  }

  private mutating func hex() throws(JSONError) -> UInt16 {
    guard index + 4 <= bytes.count else { throw failure("it ends within a string") }
    var code: UInt16 = 0
    for _ in 0..<4 {
      let byte = bytes[index]
      let digit: UInt8
      switch byte {
      case 0x30...0x39: digit = byte - 0x30
      case 0x41...0x46: digit = byte - 0x41 + 10
      case 0x61...0x66: digit = byte - 0x61 + 10
      default: throw failure("`\\u` is not followed by four digits")
      }
      code = code << 4 | UInt16(digit)
      index += 1
    }
    return code
  }
}
