import Model

/// The help of one command.
public struct Help {
  /// Columns of a line where no terminal says otherwise.
  public static let defaultWidth = 80
  /// Narrower terminals get longer lines rather than columns of single words.
  static let leastWidth = 40
  /// Where descriptions begin; a longer label has its description on the next line.
  static let descriptionColumn = 26
  /// With more options than this a usage line says `[<options>]`, as nobody reads on.
  static let mostOptionsInUsage = 12

  private let path: [Command]
  private let command: Command
  private let width: Int

  /// - Parameter path: the program, then each command down to the one to describe; not empty.
  init(path: [Command], width: Int) {
    precondition(!path.isEmpty, "Help is about a command: the path to it has at least the program.")
    self.path = path
    command = path[path.count - 1]
    self.width = max(width, Self.leastWidth)
  }

  /// `USAGE: lunaport job create [--name <name>] <path>`, wrapped.
  var usage: String {
    let words = [path.map(\.name).joined(separator: " ")] + synopsis
    return "USAGE: " + wrapped(words, width: width, indent: 7)
  }

  /// The whole help, without a last newline.
  var text: String {
    var overview = "OVERVIEW: " + wrapped(command.abstract, width: width, indent: 0, first: 10)
    if !command.discussion.isEmpty {
      overview += "\n\n" + wrapped(command.discussion, width: width, indent: 0)
    }
    let sections = [
      overview, usage, section("ARGUMENTS", arguments), section("OPTIONS", options), subcommands,
    ]
    return sections.compactMap { $0 }.joined(separator: "\n\n")
  }

  // MARK: Usage

  private var synopsis: [String] {
    if command.isGroup { return ["<subcommand>"] }
    let visible = command.parameters.filter { !$0.isHidden }
    let options = visible.filter { !$0.isArgument }
    let arguments = visible.filter(\.isArgument).map(synopsis(of:))
    if options.count > Self.mostOptionsInUsage {
      return options.filter(\.isRequired).map(synopsis(of:)) + ["[<options>]"] + arguments
    }
    return options.map(synopsis(of:)) + arguments
  }

  private func synopsis(of parameter: Parameter) -> String {
    let more = parameter.takesValue && parameter.repeats ? " ..." : ""
    let text = (parameter.role == .toggle ? "--[no-]\(parameter.name)" : parameter.title) + more
    return parameter.isRequired ? text : "[\(text)]"
  }

  // MARK: Sections

  private typealias Entry = (label: String, description: String)

  private var arguments: [Entry] {
    command.parameters.filter { $0.isArgument && !$0.isHidden }.map { ($0.title, description(of: $0)) }
  }

  private var options: [Entry] {
    let declared = command.parameters.filter { !$0.isArgument && !$0.isHidden }
    var entries = declared.map { (label(of: $0), description(of: $0)) }
    if path.count == 1 { entries.append(("--version", "Show the version.")) }
    entries.append(("-h, --help", "Show help information."))
    return entries
  }

  private func label(of parameter: Parameter) -> String {
    let value = parameter.takesValue ? " <\(parameter.placeholder)>" : ""
    return parameter.spellings.joined(separator: parameter.role == .toggle ? "/" : ", ") + value
  }

  private func description(of parameter: Parameter) -> String {
    let facts = [parameter.detail, parameter.defaultText.map { Self.unbroken("default: " + ($0.isEmpty ? "''" : $0)) }]
    let known = facts.compactMap { $0 }.joined(separator: "; ")
    let variable = parameter.environment.map { Self.unbroken("[env: \($0)]") }
    return [parameter.help, known.isEmpty ? nil : "(\(known))", variable].compactMap { $0 }.joined(separator: " ")
  }

  private static let noBreak = "\u{A0}"

  /// Stays on one line, so that people find it whole: `[env: LUNAPORT_URL]`.
  private static func unbroken(_ text: String) -> String { text.replacing(" ", with: noBreak) }

  private var subcommands: String? {
    guard command.isGroup else { return nil }
    let entries = command.subcommands.filter { !$0.isHidden }.map { ($0.name, $0.abstract) }
    let names = ([path[0].name, "help"] + path.dropFirst().map(\.name) + ["<subcommand>"]).joined(separator: " ")
    return section("SUBCOMMANDS", entries).map { $0 + "\n\n  See '\(names)' for detailed help." }
  }

  private func section(_ title: String, _ entries: [Entry]) -> String? {
    guard !entries.isEmpty else { return nil }
    return ([title + ":"] + entries.map(line)).joined(separator: "\n")
  }

  private func line(_ entry: Entry) -> String {
    let label = "  " + entry.label
    let column = Self.descriptionColumn
    guard !entry.description.isEmpty else { return label }
    let description = wrapped(entry.description, width: width, indent: column).replacing(Self.noBreak, with: " ")
    let gap = column - displayWidth(of: label)
    // Two columns at least part a label from its description.
    if gap >= 2 { return label + spaces(gap) + description }
    return label + "\n" + spaces(column) + description
  }
}
