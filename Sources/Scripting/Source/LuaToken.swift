/// One token of Lua source, with its place. Read only to point at what people wrote: Lua itself decides what it means.
struct LuaToken: Hashable {
  enum Kind: Hashable {
    case name(String)
    case string(String)
    case number
    /// `{`, `}`, `(`, `=`, `,`, ...
    case symbol(UInt8)
  }
  var kind: Kind
  /// From 1.
  var line: Int
  /// From 1, in Unicode scalars.
  var column: Int
  /// Scalars on its first line.
  var length: Int

  func isSymbol(_ character: Unicode.Scalar) -> Bool { kind == .symbol(UInt8(ascii: character)) }
}

/// Splits Lua source into tokens. Total: anything that is no Lua becomes symbols or ends the string it stands in.
///
/// Works on bytes, because every file of a configuration is scanned at every load.
struct LuaTokenizer {
  private let bytes: [UInt8]
  private var index = 0
  private var line = 1
  private var column = 1

  init(_ source: String) { bytes = Array(source.utf8) }

  static func tokens(of source: String) -> [LuaToken] {
    var tokenizer = LuaTokenizer(source)
    var tokens: [LuaToken] = []
    tokens.reserveCapacity(source.utf8.count / 4)
    while let token = tokenizer.next() { tokens.append(token) }
    return tokens
  }

  private func peek(_ ahead: Int = 0) -> UInt8? {
    index + ahead < bytes.count ? bytes[index + ahead] : nil
  }

  private mutating func skip() {
    guard index < bytes.count else { return }
    let byte = bytes[index]
    index += 1
    if byte == 10 {
      line += 1
      column = 1
    } else if byte & 0xC0 != 0x80 {
      column += 1
    }
  }

  private mutating func skip(_ count: Int) {
    for _ in 0..<count { skip() }
  }

  private mutating func next() -> LuaToken? {
    while let byte = peek() {
      if byte == 32 || (9...13).contains(byte) {
        skip()
      } else if byte == UInt8(ascii: "-"), peek(1) == UInt8(ascii: "-") {
        skipComment()
      } else {
        return token(startingWith: byte)
      }
    }
    return nil
  }

  private mutating func skipComment() {
    skip(2)
    if peek() == UInt8(ascii: "["), let level = longBracketLevel() {
      _ = longString(level)
    } else {
      while let byte = peek(), byte != 10 { skip() }
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: byte >= 0x80
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private mutating func token(startingWith byte: UInt8) -> LuaToken {
    let start = (line: line, column: column, index: index)
    let kind: LuaToken.Kind
    if Self.isDigit(byte) || (byte == UInt8(ascii: ".") && peek(1).map(Self.isDigit) ?? false) {
      while let next = peek(), Self.isWord(next) || next == UInt8(ascii: ".") { skip() }
      kind = .number
    } else if Self.isWord(byte) {
      while let next = peek(), Self.isWord(next) { skip() }
      kind = .name(String(decoding: bytes[start.index..<index], as: UTF8.self))
    } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
      kind = .string(quoted(byte))
    } else if byte == UInt8(ascii: "["), let level = longBracketLevel() {
      kind = .string(longString(level))
    } else if byte == UInt8(ascii: "="), peek(1) == UInt8(ascii: "=") {
      // A comparison, which must not be taken for an assignment.
      skip(2)
      kind = .symbol(UInt8(ascii: "~"))
    } else {
      skip()
      kind = .symbol(byte)
    }
    let length = line == start.line ? column - start.column : 1
    return LuaToken(kind: kind, line: start.line, column: start.column, length: max(1, length))
  }

  private mutating func quoted(_ quote: UInt8) -> String {
    skip()
    var text: [UInt8] = []
    while let byte = peek(), byte != 10 {
      skip()
      if byte == quote { break }
      if byte == UInt8(ascii: "\\"), let escaped = peek() {
        skip()
        text.append(escaped == UInt8(ascii: "n") ? 10 : escaped == UInt8(ascii: "t") ? 9 : escaped)
      } else {
        text.append(byte)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The number of `=` in `[==[` here, or nil where there is no long bracket.
  private func longBracketLevel() -> Int? {
    var ahead = 1
    while peek(ahead) == UInt8(ascii: "=") { ahead += 1 }
    return peek(ahead) == UInt8(ascii: "[") ? ahead - 1 : nil
  }

  private mutating func longString(_ level: Int) -> String {
    skip(level + 2)
    let start = index
    while let byte = peek() {
      if byte == UInt8(ascii: "]") {
        var ahead = 1
        while ahead <= level, peek(ahead) == UInt8(ascii: "=") { ahead += 1 }
        if ahead == level + 1, peek(ahead) == UInt8(ascii: "]") {
          let text = String(decoding: bytes[start..<index], as: UTF8.self)
          skip(level + 2)
          return text
        }
      }
      skip()
    }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }
}
