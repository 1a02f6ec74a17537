import Model

func spaces(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }

/// Breaks text between words so that no line is wider than `width`, unless a single word is.
///
/// Its own line breaks stay. A line that begins with a space (an example, say) is left as it is.
///
/// - Parameters:
///   - indent: columns before every line but the first one.
///   - first: columns that are taken on the first line already; `indent` unless given.
func wrapped(_ text: String, width: Int, indent: Int, first: Int? = nil) -> String {
  var lines: [String] = []
  for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
    if line.hasPrefix(" ") {
      lines.append(String(line))
    } else {
      let words = line.split(separator: " ").map(String.init)
      lines.append(wrapped(words, width: width, indent: indent, first: lines.isEmpty ? first : nil))
    }
  }
  return lines.enumerated().map { $0 == 0 || $1.isEmpty ? $1 : spaces(indent) + $1 }.joined(separator: "\n")
}

/// The same for words none of which may be broken, such as `[--name <name>]`.
func wrapped(_ words: [String], width: Int, indent: Int, first: Int? = nil) -> String {
  var text = ""
  var column = first ?? indent
  for (position, word) in words.enumerated() {
    let length = displayWidth(of: word)
    if position == 0 {
      text = word
      column += length
    } else if column + 1 + length > width {
      text += "\n" + spaces(indent) + word
      column = indent + length
    } else {
      text += " " + word
      column += 1 + length
    }
  }
  return text
}
