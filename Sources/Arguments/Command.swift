/// One command of a program: either a group of subcommands or something that can be run.
///
/// A command that can be run declares its parameters in a closure; each declaration gives a typed key, and the body
/// that the closure returns reads the values by these keys. So nothing can be read that was not declared, and each
/// name is written once:
///
///     Command("show", "Show a queue.") { declare in
///       let name = declare.argument("name", .name(from: "queues"), help: "The queue.")
///       let json = declare.flag("json", help: "Print JSON.")
///       return { values, console in
///         try console.print(try await describe(values[name], json: values[json]))
///         return .ok
///       }
///     }
public struct Command: Sendable {
  public typealias Body = @Sendable (_ values: Values, _ console: Console) async throws -> ExitCode

  public let name: String
  /// One sentence on one line.
  public let abstract: String
  /// Paragraphs; a line that begins with a space is printed as it is.
  public let discussion: String
  /// Works, and is not shown in help nor offered by shells.
  public let isHidden: Bool
  let content: Content

  enum Content: Sendable {
    case group([Command])
    case runs(Declaration, Body)
  }

  /// A command that can be run.
  public init(
    _ name: String, _ abstract: String, discussion: String = "", hidden: Bool = false,
    declare: (inout Declaration) -> Body
  ) {
    self.name = name
    self.abstract = abstract
    self.discussion = discussion
    isHidden = hidden
    var declaration = Declaration()
    let body = declare(&declaration)
    content = .runs(declaration, body)
  }

  /// A group of commands, which does nothing by itself.
  public init(
    _ name: String, _ abstract: String, discussion: String = "", hidden: Bool = false, subcommands: [Command]
  ) {
    self.name = name
    self.abstract = abstract
    self.discussion = discussion
    isHidden = hidden
    content = .group(subcommands)
  }
}

extension Command {
  var subcommands: [Command] {
    if case .group(let subcommands) = content { subcommands } else { [] }
  }

  var parameters: [Parameter] {
    if case .runs(let declaration, _) = content { declaration.parameters } else { [] }
  }

  var isGroup: Bool {
    if case .group = content { true } else { false }
  }

  /// Itself and all below it, each with the names from `self` down to it, parents first.
  func tree(below parents: [String] = []) -> [(path: [String], command: Command)] {
    let path = parents + [name]
    return [(path, self)] + subcommands.flatMap { $0.tree(below: path) }
  }

  /// `tree` without what is hidden and what is below it.
  func visibleTree(below parents: [String] = []) -> [(path: [String], command: Command)] {
    let path = parents + [name]
    return [(path, self)] + subcommands.filter { !$0.isHidden }.flatMap { $0.visibleTree(below: path) }
  }
}
