import Model

/// Diagnostics as people read them on a terminal, in the form that rustc made known. Names and lines of files are made
/// printable: a file from elsewhere must not speak to the terminal.
public struct DiagnosticText: Sendable {
  /// The lines of a file by its path, or nil where it cannot be read.
  public var source: @Sendable (String) -> [Substring]?
  /// Wraps text in an ANSI style; the identity where there is no colour.
  public var isColoured: Bool

  public init(isColoured: Bool = false, source: @escaping @Sendable (String) -> [Substring]?) {
    self.source = source
    self.isColoured = isColoured
  }

  /// Characters of a source line that are shown at most; longer ones are cut around the place.
  static let lineWidthMax = 160

  public func render(_ diagnostic: Diagnostic) -> String {
    let word = diagnostic.severity.rawValue
    let colour = diagnostic.severity == .error ? "31" : "33"
    var out = style("\(word)[\(diagnostic.code)]", "1;\(colour)")
    out += style(": \(printable(diagnostic.message))", "1") + "\n"
    let places = [diagnostic.place, diagnostic.because?.place].compactMap { $0 }
    let gutter = max(1, places.map { String($0.line).count }.max() ?? 1)
    let pad = String(repeating: " ", count: gutter + 2)
    let arrow = String(repeating: " ", count: gutter + 1)
    if let place = diagnostic.place {
      out += "\(arrow)\(style("-->", "34")) \(printable(place.text))\n"
      out += snippet(place, mark: "^", label: diagnostic.label, gutter: gutter, colour: colour)
    }
    if let because = diagnostic.because {
      if diagnostic.place != nil { out += "\(pad)\(style("|", "34"))\n" }
      out += "\(arrow)\(style(":::", "34")) \(printable(because.place.text))\n"
      out += snippet(because.place, mark: "-", label: because.label, gutter: gutter, colour: "34")
    }
    for (index, note) in diagnostic.notes.enumerated() {
      if index == 0, !places.isEmpty { out += "\(pad)\(style("|", "34"))\n" }
      let lines = note.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
      out += "\(pad)\(style("=", "34")) \(lines.first ?? "")\n"
      for line in lines.dropFirst() { out += "\(pad)  \(line)\n" }
    }
    if let help = diagnostic.help {
      let lines = help.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
      out += style("help", "1;36") + ": " + lines.joined(separator: "\n      ") + "\n"
    }
    return out
  }

  private func snippet(_ place: Place, mark: Character, label: String?, gutter: Int, colour: String) -> String {
    let bar = style("|", "34")
    let pad = String(repeating: " ", count: gutter + 2)
    let label = label.map(printable)
    guard let lines = source(place.file), place.line >= 1, place.line <= lines.count else {
      return label.map { "\(pad)\(bar) \($0)\n" } ?? ""
    }
    // Columns of places are Unicode scalars.
    let line = lines[place.line - 1].filter { !$0.isNewline }.map { $0 == "\t" ? " " : $0 }
    var text = Array(printable(String(line)).unicodeScalars)
    var column = place.column
    var length = place.length
    if column < 1 {
      // Only the line is known: underline what is written on it.
      let indent = text.prefix { $0 == " " }.count
      column = indent + 1
      length = max(1, text.count - indent)
    }
    if text.count > Self.lineWidthMax {
      let start = max(0, column - Self.lineWidthMax / 2)
      text = Array(text.dropFirst(start).prefix(Self.lineWidthMax))
      column -= start
    }
    column = min(column, text.count + 1)
    length = max(1, min(length, text.count - column + 1))
    let number = String(place.line)
    let numbered = String(repeating: " ", count: 1 + gutter - number.count) + number
    var out = "\(pad)\(bar)\n"
    out += "\(style(numbered, "34")) \(bar) \(string(text[...]).trimmedEnd)\n"
    let marked = text.dropFirst(column - 1).prefix(length)
    let marks =
      String(repeating: " ", count: displayWidth(of: string(text.prefix(column - 1))))
      + String(repeating: mark, count: max(1, displayWidth(of: string(marked))))
    out += "\(pad)\(bar) \(style(marks + (label.map { " \($0)" } ?? ""), colour))\n"
    return out
  }

  private func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
  }

  private func style(_ text: String, _ code: String) -> String {
    isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}

extension String {
  var trimmedEnd: String {
    var text = self[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(text)
  }
}

/// Diagnostics for programs.
public enum DiagnosticFormat: String, Sendable, CaseIterable {
  case human, json, github

  /// One line of GitHub's workflow commands.
  public static func github(_ diagnostic: Diagnostic) -> String {
    func escape(_ text: String, property: Bool) -> String {
      var out = ""
      for character in text {
        switch character {
        case "%": out += "%25"
        case "\n": out += "%0A"
        case "\r": out += "%0D"
        case ":" where property: out += "%3A"
        case "," where property: out += "%2C"
        default: out.append(character)
        }
      }
      return out
    }
    var properties: [String] = []
    if let place = diagnostic.place {
      properties.append("file=\(escape(place.file, property: true))")
      properties.append("line=\(place.line)")
      if place.column > 0 {
        properties.append("col=\(place.column)")
        properties.append("endColumn=\(place.column + place.length)")
      }
    }
    properties.append("title=\(diagnostic.code)")
    var message = diagnostic.message
    if let label = diagnostic.label { message += "\n\(label)" }
    if let help = diagnostic.help { message += "\nhelp: \(help)" }
    return "::\(diagnostic.severity.rawValue) \(properties.joined(separator: ","))::\(escape(message, property: false))"
  }

  /// `{"code", "severity", "message", "file", "line", "column", "help", ...}`; places that are not known are null.
  public static func json(_ diagnostic: Diagnostic) -> Value {
    func text(_ value: String?) -> Value { value.map(Value.string) ?? .null }
    func number(_ value: Int?) -> Value { value.map { .int(Int64($0)) } ?? .null }
    var fields: [String: Value] = [
      "code": .string(diagnostic.code), "severity": .string(diagnostic.severity.rawValue),
      "message": .string(diagnostic.message), "file": text(diagnostic.place?.file),
      "line": number(diagnostic.place?.line), "column": number(diagnostic.place?.column),
      "label": text(diagnostic.label), "help": text(diagnostic.help),
      "notes": .array(diagnostic.notes.map(Value.string)),
    ]
    if let because = diagnostic.because {
      fields["because"] = [
        "file": .string(because.place.file), "line": .int(Int64(because.place.line)),
        "column": .int(Int64(because.place.column)), "label": .string(because.label),
      ]
    }
    return .object(fields)
  }
}
