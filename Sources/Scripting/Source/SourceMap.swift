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
    private(set) var entries: [Entry] = []
    /// The keys that stand twice: the second place and the first.
    private(set) var repeated: [(key: String, second: Place, first: Place)] = []
    /// Where in `entries` a step stands first and last. Files that programs write have tables of a hundred thousand
    /// keys, which nobody waits for to be searched through for each of them.
    private var positions: [PathStep: (first: Int, last: Int)] = [:]

    mutating func add(_ entry: Entry) {
      let first = positions[entry.step]?.first
      if let first, case .key(let key) = entry.step { repeated.append((key, entry.key, entries[first].key)) }
      positions[entry.step] = (first ?? entries.count, entries.count)
      entries.append(entry)
    }

    /// The entry that counts, which is the last one.
    func entry(_ step: PathStep) -> Entry? { positions[step].map { entries[$0.last] } }
  }

  struct Entry: Sendable {
    /// A name or string key, or the position (from 0) among the items without keys.
    var step: PathStep
    var key: Place
    var value: Place
    /// The constructor that the value is, or that it has as its last argument (`int { min = 1 }`).
    var table: Table?
  }

  var file: String
  let declarations: [Declaration]
  /// By word and name, in their order: a file may hold thousands.
  private let named: [Name: [Declaration]]

  private struct Name: Hashable {
    var word: String
    var name: String?
  }

  init(file: String, source: String) {
    self.file = file
    var reader = Reader(file: file, tokens: LuaTokenizer.tokens(of: source))
    declarations = reader.declarations()
    named = Dictionary(grouping: declarations) { Name(word: $0.word, name: $0.name) }
  }

  /// The declaration `word` named `name`, else the one nearest above `line`.
  func declaration(_ word: String, name: String?, near line: Int) -> Declaration? {
    if let name, let found = named[Name(word: word, name: name)] {
      if found.count == 1 { return found[0] }
      if let last = found.last(where: { $0.place.line <= line }) { return last }
    }
    return declarations.last { $0.word == word && $0.place.line <= line } ?? declarations.first { $0.word == word }
  }
}

extension SourceMap.Table {
  /// Places of the key and the value at `path`; where the path leads out of what is written as a constructor, those of
  /// its deepest written part, and `isExact` is false.
  func places(of path: Path) -> (key: Place, value: Place, isExact: Bool)? {
    guard let first = path.first, let entry = entry(first) else { return nil }
    let rest = Array(path.dropFirst())
    if rest.isEmpty { return (entry.key, entry.value, true) }
    if let deeper = entry.table?.places(of: rest) { return deeper }
    return (entry.key, entry.value, false)
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
      let nested = expression()
      table.add(.init(step: step, key: place(keyToken), value: value, table: nested))
      if index == before { index += 1 }
    }
    if token != nil { index += 1 }
    return table
  }

  /// Skips one expression up to `,`, `;` or the end of the constructor it stands in; gives the last constructor in it.
  mutating func expression() -> SourceMap.Table? {
    var table: SourceMap.Table?
    var isCall = false
    var isFirst = true
    while let token, !token.isSymbol(","), !token.isSymbol(";"), !token.isSymbol("}") {
      if token.isSymbol("{") {
        if depth < Limits.documentDepth {
          table = constructor()
        } else {
          skipBalanced()
        }
      } else if token.isSymbol("(") || token.isSymbol("[") {
        let inner = isCall && token.isSymbol("(") ? argumentTable() : nil
        if let inner { table = inner } else { skipBalanced() }
      } else {
        if case .name(let word) = token.kind {
          if isFirst { isCall = true }
          if word == "function" {
            skipFunction()
            continue
          }
        }
        index += 1
      }
      isFirst = false
    }
    return table
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
