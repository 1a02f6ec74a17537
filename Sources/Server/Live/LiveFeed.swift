import Model
import Storage
import Synchronization

/// Committed changes for everybody who watches: pages, `--watch`, followers of logs. Each has a bounded buffer in which
/// the news of one thing is kept once, and hears of a *reset* where it missed something; then it reads everything again.
final class LiveFeed: Sendable {
  /// Changes remembered for those who come back after a lost connection: minutes of a busy server.
  static let rememberedMax = 8_192
  /// Things a watcher may leave unread.
  static let unreadMax = 4_096

  /// One change and its place in the order of commits.
  struct Item: Sendable {
    var number: Int64
    var change: Change
  }

  enum News: Sendable {
    /// The newest change of each thing, in order.
    case items([Item])
    /// Changes up to this number were missed.
    case reset(Int64)
  }

  private struct State {
    var last: Int64 = 0
    var remembered: [Item] = []
    /// Where the ring of remembered items begins.
    var first = 0
    var watchers: [ObjectIdentifier: Watcher] = [:]
    var isClosed = false
  }

  /// Tells this server's numbers from those before its restart and of others.
  let origin: String
  private let state = Mutex(State())

  init(origin: String) { self.origin = origin }

  var watchers: Int { state.withLock { $0.watchers.count } }

  func publish(_ changes: [Change]) {
    let watchers = state.withLock { state -> [(Watcher, [Item])] in
      var items: [Item] = []
      for change in changes {
        state.last += 1
        items.append(Item(number: state.last, change: change))
        if state.remembered.count < LiveFeed.rememberedMax {
          state.remembered.append(Item(number: state.last, change: change))
        } else {
          state.remembered[state.first] = Item(number: state.last, change: change)
          state.first = (state.first + 1) % LiveFeed.rememberedMax
        }
      }
      return state.watchers.values.map { ($0, items) }
    }
    for (watcher, items) in watchers { watcher.add(items) }
  }

  /// Begins to watch. - Parameter id: of the last event that the watcher saw, to hear what came after it.
  func watch(after id: String? = nil, _ wants: @escaping @Sendable (Change) -> Bool) -> Watcher {
    let watcher = Watcher(wants)
    state.withLock { state in
      state.watchers[ObjectIdentifier(watcher)] = watcher
      if state.isClosed { watcher.close() }
      guard let id else { return }
      let oldest = state.remembered.isEmpty ? state.last + 1 : state.remembered[state.first].number
      guard let seen = number(of: id), seen <= state.last, seen + 1 >= oldest else {
        return watcher.miss(upTo: state.last)
      }
      let ring = state.remembered[state.first...] + state.remembered[..<state.first]
      watcher.add(ring.filter { $0.number > seen })
    }
    return watcher
  }

  func forget(_ watcher: Watcher) {
    watcher.close()
    state.withLock { _ = $0.watchers.removeValue(forKey: ObjectIdentifier(watcher)) }
  }

  /// Ends every watch.
  func close() {
    let watchers = state.withLock { state in
      state.isClosed = true
      return Array(state.watchers.values)
    }
    for watcher in watchers { watcher.close() }
  }

  /// The id of an event.
  func id(of number: Int64) -> String { "\(origin)-\(number)" }

  private func number(of id: String) -> Int64? {
    let parts = id.split(separator: "-")
    guard parts.count == 2, parts[0] == origin else { return nil }
    return Int64(parts[1])
  }
}

/// One who watches.
final class Watcher: Sendable {
  private enum Thing: Hashable {
    case run(String), queue(QueueID), agent(String), log(String), job(String)

    init?(_ change: Change) {
      switch change {
      case .run(let run): self = .run(run.id)
      case .queue(let id): self = .queue(id)
      case .agent(let id): self = .agent(id)
      case .log(let run, _, _): self = .log(run)
      case .job(let entity, let project, let name): self = .job("\(entity)/\(project)/\(name)")
      case .orders, .ready, .overflow: return nil
      }
    }
  }

  private struct State {
    var unread: [Thing: LiveFeed.Item] = [:]
    var missed: Int64?
    var reader: CheckedContinuation<LiveFeed.News?, Never>?
    var isClosed = false

    mutating func take() -> LiveFeed.News? {
      if let missed {
        self.missed = nil
        return .reset(missed)
      }
      guard !unread.isEmpty else { return nil }
      defer { unread = [:] }
      return .items(unread.values.sorted { $0.number < $1.number })
    }
  }

  private let wants: @Sendable (Change) -> Bool
  private let state = Mutex(State())

  fileprivate init(_ wants: @escaping @Sendable (Change) -> Bool) { self.wants = wants }

  /// What is new, once there is something; nil at the end, and on cancellation.
  func next() async -> LiveFeed.News? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: LiveFeed.News?? = state.withLock { state in
          if let news = state.take() { return .some(news) }
          if state.isClosed { return .some(nil) }
          state.reader = continuation
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      close()
    }
  }

  fileprivate func add(_ items: [LiveFeed.Item]) {
    let wanted = items.filter { item in
      if case .overflow = item.change { true } else { wants(item.change) }
    }
    guard !wanted.isEmpty else { return }
    hand { state in
      for item in wanted {
        if let thing = Thing(item.change) {
          state.unread[thing] = item
        } else if case .overflow = item.change {
          state.missed = item.number
          state.unread = [:]
        }
      }
      if state.unread.count > LiveFeed.unreadMax {
        state.missed = items.last?.number
        state.unread = [:]
      }
    }
  }

  fileprivate func miss(upTo number: Int64) {
    hand { state in
      state.missed = number
      state.unread = [:]
    }
  }

  private func hand(_ change: (inout State) -> Void) {
    let handed = state.withLock { state -> (CheckedContinuation<LiveFeed.News?, Never>, LiveFeed.News)? in
      change(&state)
      guard let reader = state.reader, let news = state.take() else { return nil }
      state.reader = nil
      return (reader, news)
    }
    handed.map { $0.0.resume(returning: $0.1) }
  }

  fileprivate func close() {
    let reader = state.withLock { state in
      state.isClosed = true
      defer { state.reader = nil }
      return state.reader
    }
    reader?.resume(returning: nil)
  }
}
