import Dispatch
import Model
import Scripting
import Storage
import Synchronization

/// Keeps one generation of the configuration in service, and swaps a whole new one in when the files change, unless it
/// has errors: then the last good one goes on, and is *stale* for everybody to see.
public final class ConfigurationKeeper: Sendable {
  /// Reads everything anew, off the serving path: the files, and these queues that were made through the API, as text.
  public typealias Source = @Sendable (_ created: [SourceFile]) async -> Configuration

  /// How the configuration stands.
  public struct Status: Sendable {
    public var generation = 0
    public var loadedAt: Double = 0
    /// Since when the files have errors and the last good generation goes on; nil where all is well.
    public var staleSince: Double?
    /// Of the newest reading, in service or not.
    public var diagnostics: [Diagnostic] = []
    public var files: [String] = []
    public var isStale: Bool { staleSince != nil }
    public var errorCount: Int { diagnostics.count { $0.severity == .error } }
  }

  /// The configuration could not be taken into service; the diagnostics say why.
  public struct Rejected: Error, Sendable, CustomStringConvertible {
    public var diagnostics: [Diagnostic]

    public var description: String {
      let count = diagnostics.count { $0.severity == .error }
      return "the configuration has \(count) error\(count == 1 ? "" : "s"); `lunaport check` shows them"
    }
  }

  private struct State {
    var serving = Configuration()
    var status = Status()
    var created: [QueueID: SourceFile] = [:]
    /// The last of a chain: readings happen one after another.
    var last: Task<Void, Never>?
    /// A reading that has not begun, which whoever asks now can share.
    var next: Task<Status, Never>?
  }

  private let source: Source
  private let store: any Store
  private let clock: ServerClock
  private let onSwap: @Sendable (_ old: Configuration, _ new: Configuration) async -> Void
  private let state = Mutex(State())

  /// - Parameter onSwap: called after each swap, before the next reading.
  init(
    source: @escaping Source, store: any Store, clock: ServerClock,
    onSwap: @escaping @Sendable (_ old: Configuration, _ new: Configuration) async -> Void
  ) {
    self.source = source
    self.store = store
    self.clock = clock
    self.onSwap = onSwap
  }

  /// The generation in service.
  public var current: Configuration { state.withLock { $0.serving } }
  public var status: Status { state.withLock { $0.status } }

  /// The first reading. - Throws: `Rejected` where it has errors: a server never starts on half a configuration.
  func start() async throws {
    let created = try await store.createdQueues()
    state.withLock { state in
      for queue in created { state.created[queue.id] = ConfigurationKeeper.file(queue.id, queue.definition) }
    }
    let status = await reload()
    if status.generation == 0 { throw Rejected(diagnostics: status.diagnostics) }
  }

  /// Reads everything anew and swaps it in where it has no errors. Readings that were asked for while one went on are
  /// one reading.
  @discardableResult
  func reload() async -> Status {
    let task = state.withLock { state in
      if let next = state.next { return next }
      let before = state.last
      let task = Task<Status, Never> {
        await before?.value
        self.state.withLock { $0.next = nil }
        return await self.read()
      }
      state.next = task
      state.last = Task { _ = await task.value }
      return task
    }
    return await task.value
  }

  /// Takes a queue made through the API into the configuration. Judged by the same checks as a file.
  /// - Throws: `Rejected` with the diagnostics of its definition; `StoreError` `exists` where there is such a queue.
  func create(_ id: QueueID, settings: Value, author: String) async throws {
    try await exclusively {
      let file = ConfigurationKeeper.file(id, settings)
      if self.current.queues[id] != nil { throw StoreError(.exists, "there is a queue `\(id.text)` already") }
      let others = self.state.withLock { Array($0.created.values) }
      let candidate = await self.source(others + [file])
      guard !candidate.hasErrors, candidate.queues[id] != nil else {
        throw Rejected(diagnostics: candidate.diagnostics.filter { $0.severity == .error })
      }
      try await self.store.createQueue(id, definition: settings, author: author, now: self.clock.now())
      self.state.withLock { $0.created[id] = file }
      _ = await self.take(candidate)
    }
  }

  /// Forgets a queue that was made through the API. - Throws: `StoreError` `notFound` where it was not.
  func delete(_ id: QueueID) async throws {
    try await exclusively {
      try await self.store.deleteQueue(id)
      self.state.withLock { $0.created[id] = nil }
      _ = await self.read()
    }
  }

  /// Whether a queue was made through the API.
  func isCreated(_ id: QueueID) -> Bool { state.withLock { $0.created[id] != nil } }

  // MARK: One at a time

  private func exclusively(_ work: @escaping @Sendable () async throws -> Void) async throws {
    let task = state.withLock { state in
      let before = state.last
      let task = Task<Void, any Error> {
        await before?.value
        try await work()
      }
      state.last = Task { _ = await task.result }
      return task
    }
    try await task.value
  }

  private func read() async -> Status {
    let created = state.withLock { $0.created.values.sorted { $0.name < $1.name } }
    return await take(await source(created))
  }

  private func take(_ read: Configuration) async -> Status {
    let now = clock.now()
    var fresh = read
    for (id, queue) in fresh.queues where queue.place?.file.hasPrefix(ConfigurationKeeper.folder) ?? false {
      fresh.queues[id]?.place = nil
    }
    let configuration = fresh
    let (swap, status) = state.withLock { state -> ((Configuration, Configuration)?, Status) in
      state.status.diagnostics = configuration.diagnostics
      state.status.files = configuration.sources.keys.sorted()
      if configuration.hasErrors {
        state.status.staleSince = state.status.staleSince ?? now
        return (nil, state.status)
      }
      state.status.staleSince = nil
      // Content decides, not the time of a file: a file that was only touched makes no generation.
      if state.serving.generation > 0, configuration.sources == state.serving.sources { return (nil, state.status) }
      let old = state.serving
      state.serving = configuration
      state.serving.generation = old.generation + 1
      state.status.generation = state.serving.generation
      state.status.loadedAt = now
      return ((old, state.serving), state.status)
    }
    // The first one is there before anybody could act on the change.
    if let (old, new) = swap, old.generation > 0 { await onSwap(old, new) }
    return status
  }

  /// Under which the files of created queues are shown.
  private static let folder = "<api>/"

  static func file(_ id: QueueID, _ settings: Value) -> SourceFile {
    let name = "\(folder)\(id.entity)/\(id.name).lua"
    return SourceFile(
      path: name, name: name, text: LuaText.queue(id, settings: settings.objectValue ?? [:]))
  }
}

extension ConfigurationLoader {
  /// This loader as a source; files and Lua are read on a thread of their own, for both may block.
  public var source: ConfigurationKeeper.Source {
    let queue = DispatchQueue(label: "lunaport.configuration.load")
    return { created in
      await withCheckedContinuation { continuation in
        queue.async { continuation.resume(returning: self.load(adding: created)) }
      }
    }
  }
}
