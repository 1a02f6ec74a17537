import Model

/// How far something has come, as one line.
public struct Progress: Sendable, Equatable {
  public var label: String
  public var done: Int
  /// Nil while nobody knows.
  public var total: Int?

  public init(_ label: String, done: Int = 0, of total: Int? = nil) {
    self.label = label
    self.done = done
    self.total = total
  }

  private static let barWidth = 20
  private static let spinner: [Character] = ["|", "/", "-", "\\"]

  /// The line, cut to the terminal's width; empty where a line cannot be drawn over.
  ///
  /// - Parameter frame: counts up with each drawing, and turns the spinner.
  public func line(on terminal: Terminal, frame: Int) -> String {
    guard terminal.redraws, let width = terminal.width else { return "" }
    // The last column stays free: some terminals go to the next line once it is written.
    return truncated(printable(text(frame: frame)), to: width - 1)
  }

  private func text(frame: Int) -> String {
    guard let total, total > 0 else {
      let turn = Self.spinner[((frame % Self.spinner.count) + Self.spinner.count) % Self.spinner.count]
      return "\(turn) \(label)"
    }
    let share = Double(min(max(done, 0), total)) / Double(total)
    let filled = Int(share * Double(Self.barWidth))
    let bar = String(repeating: "#", count: filled) + spaces(Self.barWidth - filled)
    // Rounded down: 100 % is said only when all is done.
    let percent = String(Int(share * 100))
    return "[\(bar)] \(spaces(3 - percent.count))\(percent)%  \(done)/\(total)  \(label)"
  }
}
