import Glibc
import Scripting

/// Covers the texts of secrets in what programs print with asterisks, as many as there were bytes: offsets in a log are
/// cursors that people and agents come back to, so no byte may move.
///
/// Every byte that lies in any occurrence is covered, also where occurrences overlap. A long secret is looked for in
/// pieces, and one of several lines line by line too, as a program that prints a part of it prints enough.
struct Mask: Sendable {
  /// Shorter texts are not covered: "1" or "yes" stands in every log, and covering it would hide the log and tell the
  /// secret.
  static let leastBytes = 4
  /// Bytes of one piece: with it ends how much of a log waits because it may be the beginning of a secret.
  static let pieceBytes = 256

  private let needles: [[UInt8]]
  /// For the hash of the first three bytes, which needles begin so: an index into `lists`, from 1; 0 for none.
  private let buckets: [UInt16]
  private let lists: [[Int]]
  private let longest: Int

  private static let asterisk = UInt8(ascii: "*")

  init(_ secrets: [Secret] = []) {
    let long = secrets.filter { $0.open { $0.utf8.count >= Mask.leastBytes } }
    self.init(texts: long.flatMap(\.forms).map { Array($0.utf8) })
  }

  init(texts: [[UInt8]]) {
    needles = Set(texts.flatMap(Mask.needles)).sorted { $0.lexicographicallyPrecedes($1) }
    longest = needles.reduce(0) { max($0, $1.count) }
    var buckets = [UInt16](repeating: 0, count: needles.isEmpty ? 0 : Mask.hashes)
    var lists: [[Int]] = []
    for (index, needle) in needles.enumerated() {
      let hash = needle.withUnsafeBufferPointer { Mask.hash($0, 0) }
      if buckets[hash] == 0 {
        lists.append([])
        buckets[hash] = UInt16(lists.count)
      }
      lists[Int(buckets[hash]) - 1].append(index)
    }
    self.buckets = buckets
    self.lists = lists
  }

  /// There is nothing to cover.
  var isEmpty: Bool { needles.isEmpty }

  /// What is looked for of one text.
  private static func needles(_ text: [UInt8]) -> [[UInt8]] {
    let lines = text.split { $0 == 10 || $0 == 13 }
    guard let first = lines.first, let last = lines.last else { return [] }
    // Line ends around it are not part of what a program prints.
    let whole = text[first.startIndex..<last.endIndex]
    let trimmed = lines.map { line in
      let from = line.firstIndex { $0 != 32 && $0 != 9 } ?? line.endIndex
      let to = line.lastIndex { $0 != 32 && $0 != 9 }.map { $0 + 1 } ?? from
      return line[from..<to]
    }
    return (trimmed + [whole]).filter { $0.count >= leastBytes }.flatMap(pieces)
  }

  private static func pieces(_ text: ArraySlice<UInt8>) -> [[UInt8]] {
    guard text.count > pieceBytes else { return [Array(text)] }
    let starts = stride(from: text.startIndex, to: text.endIndex - pieceBytes, by: pieceBytes)
    // The last one ends with the text, and overlaps the one before it.
    return (starts + [text.endIndex - pieceBytes]).map { Array(text[$0..<$0 + pieceBytes]) }
  }

  private static let hashes = 4_096

  @inline(__always)
  private static func hash(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
    (Int(bytes[index]) &+ Int(bytes[index &+ 1]) &* 37 &+ Int(bytes[index &+ 2]) &* 1_369) & (hashes - 1)
  }

  /// A whole text, covered.
  func covering(_ text: String) -> String {
    if isEmpty { return text }
    var stream = MaskedStream(self)
    let bytes = stream.take(Array(text.utf8)) + stream.end()
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Covers what lies in `bytes`.
  /// - Parameter covered: bytes at the beginning that are known to lie in a secret already.
  /// - Returns: the covered bytes; from which of them on they may be the beginning of a secret of which more follows;
  ///   and how many from there on lie in a secret that began before.
  func cover(_ bytes: [UInt8], covered: Int) -> (bytes: [UInt8], open: Int, carried: Int) {
    var result = bytes
    for index in 0..<min(covered, result.count) { result[index] = Mask.asterisk }
    let open = bytes.withUnsafeBufferPointer(firstOpen)
    // Ends of the last occurrence, and of the last one that begins before `open`.
    var end = covered
    var carried = covered
    bytes.withUnsafeBufferPointer { text in
      result.withUnsafeMutableBufferPointer { result in
        buckets.withUnsafeBufferPointer { buckets in
          var index = 0
          while index &+ 2 < text.count {
            let bucket = buckets[Mask.hash(text, index)]
            if bucket != 0, let length = match(lists[Int(bucket) - 1], text, index) {
              for place in max(index, end)..<max(index + length, end) { result[place] = Mask.asterisk }
              end = max(end, index + length)
              if index < open { carried = end }
            }
            index &+= 1
          }
        }
      }
    }
    return (result, open, max(0, carried - open))
  }

  /// Bytes of the longest needle of `list` that stands at `index`.
  private func match(_ list: [Int], _ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int? {
    var longest: Int?
    for number in list {
      let count = needles[number].count
      if count > longest ?? 0, count <= text.count - index, stands(number, text, index, count) { longest = count }
    }
    return longest
  }

  /// Where the longest end of `text` begins that is the beginning of a needle and not all of it.
  private func firstOpen(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    for index in max(0, text.count - longest + 1)..<max(text.count, 1) where index < text.count {
      let count = text.count - index
      for number in needles.indices
      where needles[number].count > count && needles[number][0] == text[index] && stands(number, text, index, count) {
        return index
      }
    }
    return text.count
  }

  private func stands(_ number: Int, _ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ count: Int) -> Bool {
    needles[number].withUnsafeBytes { needle in
      guard let wanted = needle.baseAddress, let base = text.baseAddress else { return false }
      return memcmp(base + index, wanted, count) == 0
    }
  }
}

/// It holds the texts of secrets, and shows them as little as they do.
extension Mask: CustomStringConvertible, CustomReflectable {
  var description: String { "<mask>" }
  var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A mask over a stream that comes in chunks: gives the same bytes as the mask over all of it at once, however it is cut.
///
/// An end that may be the beginning of a secret waits for what follows it, for as long as that takes: shown after some
/// seconds, a program that prints slowly would show its secret piece by piece. No other byte waits.
struct MaskedStream: Sendable {
  /// More secrets may become known on the way.
  var mask: Mask
  /// What waits, as it was printed.
  private var held: [UInt8] = []
  /// Bytes of `held`, at its beginning, that lie in a secret which began before it.
  private var covered = 0

  init(_ mask: Mask = Mask()) { self.mask = mask }

  /// Bytes that were taken and not given.
  var heldCount: Int { held.count }

  /// Takes the next bytes; gives those of which it is known what they are.
  mutating func take(_ bytes: [UInt8]) -> [UInt8] {
    if mask.isEmpty, held.isEmpty { return bytes }
    let text = held.isEmpty ? bytes : held + bytes
    let (result, open, carried) = mask.cover(text, covered: covered)
    held = Array(text[open...])
    covered = carried
    return open == text.count ? result : Array(result[..<open])
  }

  /// Nothing follows: gives what waits.
  mutating func end() -> [UInt8] {
    defer {
      held = []
      covered = 0
    }
    return mask.cover(held, covered: covered).bytes
  }
}
