/// A wildcard pattern over bytes, with the meaning that git gives it: `*` and `?` stop at a slash, `**` between slashes
/// does not, `[a-z]`, `[!a-z]` and `[[:alpha:]]` are one byte, a backslash takes the next byte as it is.
///
/// Matching takes time in proportion to pattern times text, whatever the pattern.
struct Wildcard: Sendable, Hashable {
  private enum Token: Sendable, Hashable {
    case literal(UInt8)
    /// Any byte but a slash.
    case any
    case oneOf(ByteSet)
    /// Any number of bytes but slashes.
    case star
    /// Any number of bytes.
    case deepStar
    /// What follows, up to and with the slash of `**/`, may be skipped.
    case optionalFolders
    /// The pattern is malformed here, and so matches nothing.
    case never
  }

  private let tokens: [Token]

  init(_ pattern: ArraySlice<UInt8>) {
    var reader = Reader(pattern: Array(pattern))
    tokens = reader.tokens()
  }

  /// Follows every way through the pattern at once, as the set of tokens that may come next.
  func matches(_ text: ArraySlice<UInt8>) -> Bool {
    var current = [Bool](repeating: false, count: tokens.count + 1)
    var next = current
    reach(0, &current)
    for byte in text {
      var isAlive = false
      for index in tokens.indices where current[index] {
        switch tokens[index] {
        case .literal(let wanted) where wanted == byte: reach(index + 1, &next)
        case .any where byte != slash: reach(index + 1, &next)
        case .oneOf(let set) where set.contains(byte): reach(index + 1, &next)
        case .star where byte != slash: reach(index, &next)
        case .deepStar: reach(index, &next)
        default: continue
        }
        isAlive = true
      }
      guard isAlive else { return false }
      swap(&current, &next)
      for index in next.indices { next[index] = false }
    }
    return current[tokens.count]
  }

  /// Marks a token, and those behind it that take no byte.
  private func reach(_ token: Int, _ marks: inout [Bool]) {
    guard !marks[token] else { return }
    marks[token] = true
    guard token < tokens.count else { return }
    switch tokens[token] {
    case .star, .deepStar: reach(token + 1, &marks)
    case .optionalFolders:
      reach(token + 1, &marks)
      reach(token + 3, &marks)
    case .literal, .any, .oneOf, .never: break
    }
  }
}

extension Wildcard {
  /// Reads a pattern's bytes into tokens.
  private struct Reader {
    let pattern: [UInt8]
    var index = 0

    init(pattern: [UInt8]) { self.pattern = pattern }

    func byte(_ offset: Int = 0) -> UInt8? {
      pattern.indices.contains(index + offset) ? pattern[index + offset] : nil
    }

    mutating func tokens() -> [Token] {
      var out: [Token] = []
      while let next = byte() {
        switch next {
        case UInt8(ascii: "\\"):
          index += 1
          out.append(byte().map(Token.literal) ?? .never)
          index += 1
        case UInt8(ascii: "?"):
          out.append(.any)
          index += 1
        case UInt8(ascii: "*"): out += stars()
        case UInt8(ascii: "["):
          guard let set = set() else { return [.never] }
          out.append(.oneOf(set))
        default:
          out.append(.literal(next))
          index += 1
        }
      }
      return out
    }

    /// One star or more. Two or more that stand alone between slashes go through folders.
    private mutating func stars() -> [Token] {
      let start = index
      while byte() == UInt8(ascii: "*") { index += 1 }
      guard index - start > 1, start == 0 || pattern[start - 1] == slash else { return [.star] }
      switch byte() {
      case nil: return [.deepStar]
      case slash:
        index += 1
        return [.optionalFolders, .deepStar, .literal(slash)]
      case UInt8(ascii: "\\") where byte(1) == slash: return [.deepStar]
      default: return [.star]
      }
    }

    /// The bytes that `[...]` stands for; nil where it has no end or names a class that there is not.
    private mutating func set() -> ByteSet? {
      index += 1
      var set = ByteSet()
      let isNegated = byte() == UInt8(ascii: "!") || byte() == UInt8(ascii: "^")
      if isNegated { index += 1 }
      var previous: UInt8?
      var isFirst = true
      while let next = byte(), isFirst || next != UInt8(ascii: "]") {
        isFirst = false
        if next == UInt8(ascii: "\\") {
          index += 1
          guard let escaped = byte() else { return nil }
          set.insert(escaped)
          previous = escaped
        } else if next == UInt8(ascii: "-"), let low = previous, let after = byte(1), after != UInt8(ascii: "]") {
          index += 1
          if byte() == UInt8(ascii: "\\") { index += 1 }
          guard let high = byte() else { return nil }
          if low <= high { for byte in low...high { set.insert(byte) } }
          previous = nil
        } else if next == UInt8(ascii: "["), byte(1) == UInt8(ascii: ":") {
          guard let end = pattern[(index + 2)...].firstIndex(of: UInt8(ascii: "]")) else { return nil }
          if end - 1 >= index + 2, pattern[end - 1] == UInt8(ascii: ":") {
            guard set.insert(class: pattern[(index + 2)..<(end - 1)]) else { return nil }
            index = end
            previous = nil
          } else {
            set.insert(next)
            previous = next
          }
        } else {
          set.insert(next)
          previous = next
        }
        index += 1
      }
      guard byte() != nil else { return nil }
      index += 1
      if isNegated { set.invert() }
      set.remove(slash)
      return set
    }
  }
}

let slash = UInt8(ascii: "/")

/// A set of bytes.
struct ByteSet: Sendable, Hashable {
  private var low: (UInt64, UInt64) = (0, 0)
  private var high: (UInt64, UInt64) = (0, 0)

  static func == (a: ByteSet, b: ByteSet) -> Bool { a.low == b.low && a.high == b.high }

  func hash(into hasher: inout Hasher) {
    for word in [low.0, low.1, high.0, high.1] { hasher.combine(word) }
  }

  func contains(_ byte: UInt8) -> Bool {
    let bit = UInt64(1) << UInt64(byte & 63)
    switch byte >> 6 {
    case 0: return low.0 & bit != 0
    case 1: return low.1 & bit != 0
    case 2: return high.0 & bit != 0
    default: return high.1 & bit != 0
    }
  }

  mutating func insert(_ byte: UInt8) { set(byte, true) }
  mutating func remove(_ byte: UInt8) { set(byte, false) }

  mutating func invert() {
    low = (~low.0, ~low.1)
    high = (~high.0, ~high.1)
  }

  private mutating func set(_ byte: UInt8, _ isMember: Bool) {
    let bit = UInt64(1) << UInt64(byte & 63)
    func changed(_ word: UInt64) -> UInt64 { isMember ? word | bit : word & ~bit }
    switch byte >> 6 {
    case 0: low.0 = changed(low.0)
    case 1: low.1 = changed(low.1)
    case 2: high.0 = changed(high.0)
    default: high.1 = changed(high.1)
    }
  }

  /// Adds the ASCII bytes of a POSIX class, `alpha`; false where there is no class of that name.
  mutating func insert(class name: ArraySlice<UInt8>) -> Bool {
    guard let test = Self.classes[String(decoding: name, as: UTF8.self)] else { return false }
    for byte in UInt8(0)..<128 where test(byte) { insert(byte) }
    return true
  }

  private static let classes: [String: @Sendable (UInt8) -> Bool] = [
    "alnum": { isLetter($0) || isDigit($0) },
    "alpha": { isLetter($0) },
    "blank": { $0 == 0x20 || $0 == 0x09 },
    "cntrl": { $0 < 0x20 || $0 == 0x7F },
    "digit": { isDigit($0) },
    "graph": { (0x21...0x7E).contains($0) },
    "lower": { (0x61...0x7A).contains($0) },
    "print": { (0x20...0x7E).contains($0) },
    "punct": { (0x21...0x7E).contains($0) && !isLetter($0) && !isDigit($0) },
    // Git's own notion of space, without the vertical tab and the form feed.
    "space": { [0x20, 0x09, 0x0A, 0x0D].contains($0) },
    "upper": { (0x41...0x5A).contains($0) },
    "xdigit": { isDigit($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0) },
  ]

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }
}
