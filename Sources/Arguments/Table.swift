import Model

/// Rows of cells under headings, in columns that line up.
///
/// On a terminal no line is wider than the terminal: the widest columns are cut first. Elsewhere nothing is cut.
public struct Table: Sendable {
  public enum Alignment: Sendable { case left, right }

  public struct Column: Sendable {
    let heading: String
    let alignment: Alignment

    /// Numbers stand on the right.
    public init(_ heading: String, _ alignment: Alignment = .left) {
      self.heading = heading
      self.alignment = alignment
    }
  }

  public struct Cell: Sendable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    let text: String
    let styles: [Style]

    /// Control characters in the text are made visible: a cell is one line and cannot speak to the terminal.
    public init(_ text: String, _ styles: Style...) {
      self.text = printable(text)
      self.styles = styles
    }

    public init(stringLiteral text: String) { self.init(text) }
  }

  /// Columns between two columns.
  private static let gap = 2
  /// No column is cut below this, or nothing of it could be read; a narrower terminal wraps the lines instead.
  private static let leastColumn = 4

  private let columns: [Column]
  private var rows: [[Cell]] = []

  public init(_ columns: [Column]) { self.columns = columns }

  /// Adds a row, with one cell for each column.
  public mutating func append(_ row: [Cell]) {
    precondition(row.count == columns.count, "A row of a table has one cell for each of its columns.")
    rows.append(row)
  }

  public var isEmpty: Bool { rows.isEmpty }

  /// All lines, without a last newline.
  public func rendered(on terminal: Terminal) -> String {
    let headings = columns.map { Cell($0.heading, .bold) }
    let all = [headings] + rows
    let widths = fitted(all, to: terminal.width)
    return all.map { line($0, widths, terminal) }.joined(separator: "\n")
  }

  private func fitted(_ all: [[Cell]], to width: Int?) -> [Int] {
    let widths = columns.indices.map { column in
      all.map { displayWidth(of: $0[column].text) }.max() ?? 0
    }
    guard let width else { return widths }
    let available = width - Self.gap * (columns.count - 1)
    // The widest limit under which all fit: columns narrower than it keep what they need.
    let limits = (Self.leastColumn...max(Self.leastColumn, available)).reversed()
    let limit = limits.first { limit in widths.reduce(0) { $0 + min($1, limit) } <= available }
    return widths.map { min($0, limit ?? Self.leastColumn) }
  }

  private func line(_ cells: [Cell], _ widths: [Int], _ terminal: Terminal) -> String {
    var line = ""
    for (column, cell) in cells.enumerated() {
      let text = truncated(cell.text, to: widths[column])
      let padding = spaces(widths[column] - displayWidth(of: text))
      let painted = terminal.paint(text, cell.styles)
      let isLast = column == cells.count - 1
      if column > 0 { line += spaces(Self.gap) }
      switch columns[column].alignment {
      case .right: line += padding + painted
      // Nothing stands after the last column: no spaces at the end of a line.
      case .left: line += painted + (isLast ? "" : padding)
      }
    }
    return line
  }
}
