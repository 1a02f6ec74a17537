/// One line of an ignore file.
struct IgnorePattern: Sendable, Hashable {
  /// Takes back what an earlier line ignored.
  let isNegated: Bool
  let isForFolders: Bool
  /// Has no slash but a last one, so that it is compared with names at any depth.
  let isName: Bool
  /// The bytes before the first wildcard.
  private let prefix: [UInt8]
  private let wildcard: Wildcard
  /// From 1.
  let line: Int
  let text: String

  /// Reads a line without its end. Git cuts the plain prefix off before it looks for `**`, which makes `a**/b` mean
  /// more than its manual says; so does this.
  init(_ bytes: ArraySlice<UInt8>, line: Int) {
    self.line = line
    text = String(decoding: bytes, as: UTF8.self)
    var rest = bytes
    isNegated = rest.first == UInt8(ascii: "!")
    if isNegated { rest = rest.dropFirst() }
    isForFolders = rest.last == slash
    if isForFolders { rest = rest.dropLast() }
    isName = !rest.contains(slash)
    if rest.first == slash { rest = rest.dropFirst() }
    let plain = rest.prefix { !Self.special.contains($0) }
    prefix = Array(plain)
    wildcard = Wildcard(rest.dropFirst(plain.count))
  }

  private static let special = Array("*?[\\".utf8)

  /// - Parameters:
  ///   - path: relative to the folder of the ignore file.
  ///   - name: the last part of `path`.
  func matches(path: ArraySlice<UInt8>, name: ArraySlice<UInt8>, isFolder: Bool) -> Bool {
    if isForFolders && !isFolder { return false }
    let text = isName ? name : path
    return text.starts(with: prefix) && wildcard.matches(text.dropFirst(prefix.count))
  }
}

/// A `.gitignore`: its lines, as git reads them.
struct IgnoreFile: Sendable, Hashable {
  let patterns: [IgnorePattern]
  /// Path as shown to people.
  let path: String

  init(_ bytes: [UInt8], path: String) {
    self.path = path
    var rest = bytes[...]
    if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
    let lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    patterns = lines.enumerated().compactMap { index, line in
      var line = line
      guard line.first != UInt8(ascii: "#") else { return nil }
      if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
      line = Self.withoutTrailingSpaces(line)
      return line.isEmpty ? nil : IgnorePattern(line, line: index + 1)
    }
  }

  /// Spaces at the end do not count unless a backslash stands before them.
  private static func withoutTrailingSpaces(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var end: Int?
    var index = line.startIndex
    while index < line.endIndex {
      switch line[index] {
      case UInt8(ascii: " "): end = end ?? index
      case UInt8(ascii: "\\"):
        index += 1
        if index == line.endIndex { return line }
        end = nil
      default: end = nil
      }
      index += 1
    }
    return line[..<(end ?? line.endIndex)]
  }
}

/// The ignore files that hold in one folder: its own and those of the folders above it.
struct IgnoreRules: Sendable {
  private struct Layer: Sendable {
    let file: IgnoreFile
    /// Bytes of the path of the file's folder, with the slash after it.
    let base: Int
  }

  /// Outermost first.
  private var layers: [Layer] = []

  init() {}

  /// These rules with one more file.
  /// - Parameter folder: path of the file's folder from the top, empty for the top itself.
  func adding(_ file: IgnoreFile, in folder: [UInt8]) -> IgnoreRules {
    var rules = self
    rules.layers.append(Layer(file: file, base: folder.isEmpty ? 0 : folder.count + 1))
    return rules
  }

  /// The line that leaves `path` out, or nil where it is taken. The innermost file decides, and in it the last line
  /// that matches. Nobody asks for what is below a folder that is left out: git does not look in there either.
  /// - Parameter path: from the top.
  func reason(toIgnore path: [UInt8], isFolder: Bool) -> (file: IgnoreFile, pattern: IgnorePattern)? {
    let nameStart = path.lastIndex(of: slash).map { $0 + 1 } ?? 0
    for layer in layers.reversed() {
      let relative = path[layer.base...]
      let last = layer.file.patterns.last {
        $0.matches(path: relative, name: path[nameStart...], isFolder: isFolder)
      }
      if let last { return last.isNegated ? nil : (layer.file, last) }
    }
    return nil
  }
}
