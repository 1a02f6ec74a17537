/// One token of Lua source, with its place. Read only to point at what people wrote: Lua itself decides what it means.
struct LuaToken: Hashable {
  enum Kind: Hashable {
    case name(String)
    case string(String)
    case number
    /// `{`, `}`, `(`, `=`, `,`, ...
    case symbol(Character)
  }
  var kind: Kind
  /// From 1.
  var line: Int
  /// From 1, in characters.
  var column: Int
  /// Characters on its first line.
  var length: Int

  func isSymbol(_ character: Character) -> Bool { kind == .symbol(character) }
}

/// Splits Lua source into tokens. Total: anything that is no Lua becomes symbols or ends the string it stands in.
struct LuaTokenizer {
  private let characters: [Character]
  private var index = 0
  private var line = 1
  private var column = 1

  init(_ source: String) { characters = Array(source) }

  static func tokens(of source: String) -> [LuaToken] {
    var tokenizer = LuaTokenizer(source)
    var tokens: [LuaToken] = []
    while let token = tokenizer.next() { tokens.append(token) }
    return tokens
  }

  private func peek(_ ahead: Int = 0) -> Character? {
    index + ahead < characters.count ? characters[index + ahead] : nil
  }

  private mutating func take() -> Character? {
    guard index < characters.count else { return nil }
    let character = characters[index]
    index += 1
    // "\r\n" is one Character in Swift.
    if character.isNewline {
      line += 1
      column = 1
    } else {
      column += 1
    }
    return character
  }

  private mutating func next() -> LuaToken? {
    while let character = peek() {
      if character.isWhitespace {
        _ = take()
      } else if character == "-", peek(1) == "-" {
        skipComment()
      } else {
        return token(startingWith: character)
      }
    }
    return nil
  }

  private mutating func skipComment() {
    _ = take()
    _ = take()
    if peek() == "[", let level = longBracketLevel() {
      _ = longString(level)
    } else {
      while let character = peek(), !character.isNewline { _ = take() }
    }
  }

  private mutating func token(startingWith character: Character) -> LuaToken {
    let start = (line: line, column: column, index: index)
    let kind: LuaToken.Kind
    if character.isLetter || character == "_" {
      var text = ""
      while let next = peek(), next.isLetter || next.isNumber || next == "_", let taken = take() { text.append(taken) }
      kind = .name(text)
    } else if character.isNumber || (character == "." && (peek(1)?.isNumber ?? false)) {
      while let next = peek(), next.isLetter || next.isNumber || next == "." { _ = take() }
      kind = .number
    } else if character == "\"" || character == "'" {
      kind = .string(quoted(character))
    } else if character == "[", let level = longBracketLevel() {
      kind = .string(longString(level))
    } else if character == "=", peek(1) == "=" {
      _ = take()
      _ = take()
      kind = .symbol("≡")
    } else {
      _ = take()
      kind = .symbol(character)
    }
    let length = line == start.line ? index - start.index : 1
    return LuaToken(kind: kind, line: start.line, column: start.column, length: max(1, length))
  }

  private mutating func quoted(_ quote: Character) -> String {
    _ = take()
    var text = ""
    while let character = peek(), !character.isNewline {
      _ = take()
      if character == quote { break }
      if character == "\\", let escaped = take() {
        text.append(escaped == "n" ? "\n" : escaped == "t" ? "\t" : escaped)
      } else {
        text.append(character)
      }
    }
    return text
  }

  /// The number of `=` in `[==[` here, or nil where there is no long bracket.
  private func longBracketLevel() -> Int? {
    var ahead = 1
    while peek(ahead) == "=" { ahead += 1 }
    return peek(ahead) == "[" ? ahead - 1 : nil
  }

  private mutating func longString(_ level: Int) -> String {
    for _ in 0..<(level + 2) { _ = take() }
    var text = ""
    while let character = take() {
      if character == "]" {
        var ahead = 0
        while ahead < level, peek(ahead) == "=" { ahead += 1 }
        if ahead == level, peek(ahead) == "]" {
          for _ in 0..<(level + 1) { _ = take() }
          break
        }
      }
      text.append(character)
    }
    return text
  }
}
