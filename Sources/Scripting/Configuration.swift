import Model

/// One generation of the configuration: all queues, shared resources and plugins of the files as they were read at one
/// moment, and every problem with them.
public struct Configuration: Sendable {
  public var queues: [QueueID: Queue] = [:]
  public var resources: [String: SharedResource] = [:]
  public var drivers: [String: DriverDeclaration] = [:]
  public var builders: [String: BuilderDeclaration] = [:]
  public var hooks: [String: HookDeclaration] = [:]
  /// Sorted by place.
  public var diagnostics: [Diagnostic] = []
  /// Text of every file that was read, by its path as shown.
  public var sources: [String: String] = [:]
  /// Counts the generations that were taken into service; 0 before that.
  public var generation = 0

  public init() {}

  public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
  public var errorCount: Int { diagnostics.count { $0.severity == .error } }
  public var warningCount: Int { diagnostics.count { $0.severity == .warning } }

  /// The queue `name`: of `entity` where one is given, else the only one of that name.
  public func queue(_ name: String, entity: String? = nil) -> Queue? {
    if let entity { return queues[QueueID(entity: entity, name: name)] }
    let named = queues.values.filter { $0.name == name }
    return named.count == 1 ? named[0] : named.first { $0.entity == Self.defaultEntity }
  }

  /// The entity of a queue that names none.
  public static let defaultEntity = "default"

  /// Identity of the files' content: two generations with the same digest differ in nothing.
  public var texts: [(file: String, text: String)] {
    sources.keys.sorted().map { ($0, sources[$0] ?? "") }
  }

  /// Lines of a file that was read, for showing diagnostics.
  public func lines(of file: String) -> [Substring]? {
    sources[file]?.split(separator: "\n", omittingEmptySubsequences: false)
  }
}
