/// What is known of the place that text goes to.
public struct Terminal: Sendable, Equatable {
  /// Columns; nil when it is no terminal, and lines may have any length.
  public let width: Int?
  /// Whether text may be coloured.
  public let colour: Bool
  /// Whether a line can be drawn over, as progress needs.
  public let redraws: Bool

  /// A file or a pipe.
  public static let plain = Terminal(isTerminal: false, columns: nil)

  /// - Parameters:
  ///   - isTerminal: as `isatty` says.
  ///   - columns: as the terminal says; nil if it does not.
  ///   - environment: `NO_COLOR` (any value) forbids colour, `CLICOLOR_FORCE` (not 0) demands it even without a
  ///     terminal, `TERM=dumb` has neither colour nor redrawing, `COLUMNS` stands in for an unknown width.
  public init(isTerminal: Bool, columns: Int?, environment: Environment = Environment()) {
    let isDumb = environment["TERM"] == "dumb"
    let known = columns ?? environment["COLUMNS"].flatMap { Int($0) }
    width = isTerminal ? known.flatMap { $0 > 0 ? $0 : nil } ?? Help.defaultWidth : nil
    redraws = isTerminal && !isDumb
    if environment["NO_COLOR"] != nil {
      colour = false
    } else if let forced = environment["CLICOLOR_FORCE"], forced != "0" {
      colour = true
    } else {
      colour = isTerminal && !isDumb
    }
  }

  public var isTerminal: Bool { width != nil }

  /// The text in these styles, or the text alone where there is no colour.
  public func paint(_ text: String, _ styles: Style...) -> String { paint(text, styles) }

  func paint(_ text: String, _ styles: [Style]) -> String {
    guard colour, !styles.isEmpty, !text.isEmpty else { return text }
    return "\u{1B}[" + styles.map(\.code).joined(separator: ";") + "m" + text + "\u{1B}[0m"
  }
}

/// How text may look on a terminal.
public enum Style: Sendable {
  case bold, dim, red, green, yellow, blue, magenta, cyan

  /// The parameter of SGR (ECMA-48).
  var code: String {
    switch self {
    case .bold: "1"
    case .dim: "2"
    case .red: "31"
    case .green: "32"
    case .yellow: "33"
    case .blue: "34"
    case .magenta: "35"
    case .cyan: "36"
    }
  }
}
