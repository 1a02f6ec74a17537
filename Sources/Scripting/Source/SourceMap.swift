import Model

/// Where the parts of a file's declarations are written. Lua tables carry no positions, so the source is scanned for the
/// table constructors of declarations. Built only when something must be shown: an error, a plan, an export.
struct SourceMap: Sendable {
  /// `queue "gpu" { ... }`, `return driver { ... }`.
  struct Declaration: Sendable {
    var word: String
    /// The string argument, where there is one.
    var name: String?
    /// The word itself.
    var place: Place
    var namePlace: Place?
    var table: Table
  }

  struct Table: Sendable {
    var entries: [Entry] = []
    /// The keys that stand twice: the second place and the first.
    var repeated: [(key: String, second: Place, first: Place)] = []
  }

  struct Entry: Sendable {
    /// A name or string key, or the position (from 0) among the items without keys.
    var step: PathStep
    var key: Place
    var value: Place
    /// The constructor that the value is, or that it has as its last argument (`int { min = 1 }`).
    var table: Table?
    /// The function called to make the value: `var`, `int`, `secret`.
    var call: String?
  }

  var file: String
  var declarations: [Declaration]
  private(set) var lineCount: Int

  init(file: String, source: String) {
    self.file = file
    var reader = Reader(file: file, tokens: LuaTokenizer.tokens(of: source))
    declarations = reader.declarations()
    lineCount = source.utf8.reduce(1) { $1 == 10 ? $0 + 1 : $0 }
  }

  /// The declaration `word` named `name`, else the one nearest above `line`.
  func declaration(_ word: String, name: String?, near line: Int) -> Declaration? {
    let all = declarations.filter { $0.word == word }
    if let name {
      let named = all.filter { $0.name == name }
      if named.count == 1 { return named[0] }
      if let last = named.last(where: { $0.place.line <= line }) { return last }
    }
    return all.last { $0.place.line <= line } ?? all.first
  }
}

extension SourceMap.Table {
  /// Places of the key and the value at `path`; where the path leads out of what is written as a constructor, those of
  /// its deepest written part, and `isExact` is false.
  func places(of path: Path) -> (key: Place, value: Place, isExact: Bool)? {
    guard let first = path.first, let entry = entries.last(where: { $0.step == first }) else { return nil }
    let rest = Array(path.dropFirst())
    if rest.isEmpty { return (entry.key, entry.value, true) }
    if let deeper = entry.table?.places(of: rest) { return deeper }
    return (entry.key, entry.value, false)
  }

  func entry(at path: Path) -> SourceMap.Entry? {
    guard let first = path.first, let entry = entries.last(where: { $0.step == first }) else { return nil }
    return path.count == 1 ? entry : entry.table?.entry(at: Array(path.dropFirst()))
  }

  /// Every key that stands twice in one constructor, at any depth.
  var allRepeated: [(key: String, second: Place, first: Place)] {
    repeated + entries.flatMap { $0.table?.allRepeated ?? [] }
  }
}

/// Reads declarations out of tokens, by recursive descent over constructors; expressions are skipped with their
/// brackets balanced.
private struct Reader {
  let file: String
  let tokens: [LuaToken]
  var index = 0
  /// Levels of constructors; deeper ones are skipped, so that hostile nesting cannot exhaust the stack.
  var depth = 0

  init(file: String, tokens: [LuaToken]) {
    self.file = file
    self.tokens = tokens
  }

  var token: LuaToken? { index < tokens.count ? tokens[index] : nil }

  func place(_ token: LuaToken) -> Place {
    Place(file: file, line: token.line, column: token.column, length: token.length)
  }

  mutating func declarations() -> [SourceMap.Declaration] {
    var found: [SourceMap.Declaration] = []
    while let token {
      guard case .name(let word) = token.kind else {
        index += 1
        continue
      }
      let start = index
      index += 1
      let parenthesis = self.token?.isSymbol("(") ?? false
      if parenthesis { index += 1 }
      var name: String?
      var namePlace: Place?
      if let next = self.token, case .string(let text) = next.kind {
        name = text
        namePlace = place(next)
        index += 1
        if self.token?.isSymbol(",") ?? false { index += 1 }
        if parenthesis, self.token?.isSymbol(")") ?? false { index += 1 }
      }
      if self.token?.isSymbol("{") ?? false {
        let table = constructor()
        found.append(.init(word: word, name: name, place: place(token), namePlace: namePlace, table: table))
      } else {
        index = start + 1
      }
    }
    return found
  }

  /// Reads from `{` to its `}`.
  mutating func constructor() -> SourceMap.Table {
    var table = SourceMap.Table()
    index += 1
    depth += 1
    defer { depth -= 1 }
    var position = 0
    while let token, !token.isSymbol("}") {
      if token.isSymbol(",") || token.isSymbol(";") {
        index += 1
        continue
      }
      let before = index
      var step = PathStep.index(position)
      var keyToken = token
      if case .name(let key) = token.kind, index + 1 < tokens.count, tokens[index + 1].isSymbol("=") {
        step = .key(key)
        index += 2
      } else if token.isSymbol("["), index + 3 < tokens.count, case .string(let key) = tokens[index + 1].kind,
        tokens[index + 2].isSymbol("]"), tokens[index + 3].isSymbol("=")
      {
        step = .key(key)
        keyToken = tokens[index + 1]
        index += 4
      } else if token.isSymbol("[") {
        // A computed key: what it is cannot be told from the text.
        skipBalanced()
        if self.token?.isSymbol("=") ?? false { index += 1 }
        _ = expression()
        continue
      } else {
        position += 1
      }
      let value = self.token.map(place) ?? place(keyToken)
      let (nested, call) = expression()
      if case .key(let key) = step, let first = table.entries.first(where: { $0.step == step }) {
        table.repeated.append((key, place(keyToken), first.key))
      }
      table.entries.append(.init(step: step, key: place(keyToken), value: value, table: nested, call: call))
      if index == before { index += 1 }
    }
    if token != nil { index += 1 }
    return table
  }

  /// Skips one expression up to `,`, `;` or the end of the constructor it stands in; gives the last constructor in it
  /// and the function called first.
  mutating func expression() -> (SourceMap.Table?, String?) {
    var table: SourceMap.Table?
    var call: String?
    var isFirst = true
    while let token, !token.isSymbol(","), !token.isSymbol(";"), !token.isSymbol("}") {
      if token.isSymbol("{") {
        if depth < Limits.documentDepth {
          table = constructor()
        } else {
          skipBalanced()
        }
      } else if token.isSymbol("(") || token.isSymbol("[") {
        let inner = call != nil && token.isSymbol("(") ? argumentTable() : nil
        if let inner { table = inner } else { skipBalanced() }
      } else {
        if case .name(let word) = token.kind {
          if isFirst { call = word }
          if word == "function" {
            skipFunction()
            continue
          }
        }
        index += 1
      }
      isFirst = false
    }
    return (table, call)
  }

  /// At `(` of a call: reads its arguments and gives the last constructor among them, or nil where there is none.
  /// Leaves the index behind `)`.
  private mutating func argumentTable() -> SourceMap.Table? {
    let start = index
    index += 1
    var table: SourceMap.Table?
    while let token, !token.isSymbol(")") {
      if token.isSymbol("{") {
        guard depth < Limits.documentDepth else { break }
        table = constructor()
      } else if token.isSymbol("(") || token.isSymbol("[") {
        skipBalanced()
      } else if token.isSymbol("}") {
        break
      } else {
        index += 1
      }
    }
    if token?.isSymbol(")") ?? false { index += 1 }
    if table == nil { index = start }
    return table
  }

  private mutating func skipBalanced() {
    var open = 0
    while let token {
      if case .symbol(let symbol) = token.kind {
        if symbol == UInt8(ascii: "(") || symbol == UInt8(ascii: "[") || symbol == UInt8(ascii: "{") { open += 1 }
        if symbol == UInt8(ascii: ")") || symbol == UInt8(ascii: "]") || symbol == UInt8(ascii: "}") { open -= 1 }
      }
      index += 1
      if open <= 0 { return }
    }
  }

  /// Skips `function ... end`, with the blocks inside it.
  private mutating func skipFunction() {
    var open = 0
    while let token {
      if case .name(let word) = token.kind {
        switch word {
        // `while` and `for` have their `do`, which is counted for them.
        case "function", "if", "do", "repeat": open += 1
        case "end", "until": open -= 1
        default: break
        }
      }
      index += 1
      if open <= 0 { return }
    }
  }
}
