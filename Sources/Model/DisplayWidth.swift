/// Columns that the text takes on a terminal: two for East Asian wide characters and emoji, none for combining marks.
public func displayWidth(of text: some StringProtocol) -> Int {
  text.reduce(0) { $0 + displayWidth(of: $1) }
}

/// Columns of one character as a reader sees it, whatever number of code points it is made of.
public func displayWidth(of character: Character) -> Int {
  let scalars = character.unicodeScalars
  guard let base = scalars.first else { return 0 }
  if base.value >= 0x20 && base.value < 0x7F { return 1 }
  switch base.properties.generalCategory {
  case .control, .format, .nonspacingMark, .enclosingMark, .lineSeparator, .paragraphSeparator: return 0
  default: break
  }
  if base.properties.isEmojiPresentation { return 2 }
  // U+FE0F asks for the picture of a character that is otherwise drawn as text.
  if scalars.contains("\u{FE0F}") && base.properties.isEmoji { return 2 }
  return wideRanges.contains { $0.contains(base.value) } ? 2 : 1
}

/// East Asian Width W and F of the Unicode standard, without emoji, joined where only unassigned code points lie between.
private let wideRanges: [ClosedRange<UInt32>] = [
  0x1100...0x115F,  // Hangul Jamo initials
  0x2E80...0x303E,  // radicals, CJK punctuation
  0x3041...0x33FF,  // kana, Bopomofo, Hangul compatibility Jamo, CJK compatibility
  0x3400...0x4DBF, 0x4E00...0x9FFF,  // CJK ideographs
  0xA000...0xA4CF,  // Yi
  0xA960...0xA97F,  // Hangul Jamo extended
  0xAC00...0xD7A3,  // Hangul syllables
  0xF900...0xFAFF,  // CJK compatibility ideographs
  0xFE10...0xFE19, 0xFE30...0xFE6F,  // vertical and small forms
  0xFF01...0xFF60, 0xFFE0...0xFFE6,  // full-width forms
  0x16FE0...0x1B2FF,  // Tangut, Khitan, kana supplements
  0x1F200...0x1F265,  // squared ideographs
  0x20000...0x3FFFD,  // CJK ideographs, supplementary planes
]

/// The text with every control character made visible, so that text from elsewhere can neither break a line nor speak
/// to the terminal.
public func printable(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: isControl) else { return text }
  var scalars = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    scalars.append(isControl(scalar) ? picture(of: scalar) : scalar)
  }
  return String(scalars)
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .lineSeparator, .paragraphSeparator: true
  // Reordering marks make a line read as something that it is not.
  case .format: (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
  default: false
  }
}

/// U+2400 on has a picture for each of the first control characters.
private func picture(of scalar: Unicode.Scalar) -> Unicode.Scalar {
  let value = scalar.value == 0x7F ? 0x2421 : 0x2400 + scalar.value
  return scalar.value < 0x20 || scalar.value == 0x7F ? Unicode.Scalar(value) ?? "\u{FFFD}" : "\u{FFFD}"
}

/// The longest beginning that takes at most `width` columns, ending in `…` where something was cut.
public func truncated(_ text: String, to width: Int) -> String {
  guard displayWidth(of: text) > width else { return text }
  guard width > 0 else { return "" }
  var kept = ""
  var columns = 1
  for character in text {
    columns += displayWidth(of: character)
    if columns > width { break }
    kept.append(character)
  }
  return kept + "…"
}
