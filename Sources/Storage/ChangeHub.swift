import Synchronization

/// Hands committed changes to any number of subscribers, none of which can hold up another or the writer.
final class ChangeHub: Sendable {
  private let state = Mutex(State())

  private struct State {
    var subscribers: [Weak] = []
    var isClosed = false
  }

  private struct Weak: Sendable {
    weak let subscription: Subscription?
  }

  func subscribe() -> AsyncStream<[Change]> {
    let subscription = Subscription()
    let isClosed = state.withLock { state in
      state.subscribers.removeAll { $0.subscription == nil }
      state.subscribers.append(Weak(subscription: subscription))
      return state.isClosed
    }
    if isClosed { subscription.close() }
    return AsyncStream(unfolding: { await subscription.next() }, onCancel: { subscription.close() })
  }

  func publish(_ changes: [Change]) {
    for subscriber in state.withLock({ $0.subscribers }) { subscriber.subscription?.add(changes) }
  }

  func close() {
    let subscribers = state.withLock { state in
      state.isClosed = true
      return state.subscribers
    }
    for subscriber in subscribers { subscriber.subscription?.close() }
  }
}

/// What one subscriber has not read yet.
private final class Subscription: Sendable {
  private let state = Mutex(State())

  private struct State {
    var unread: [Change] = []
    var reader: CheckedContinuation<[Change]?, Never>?
    var isClosed = false
  }

  func add(_ changes: [Change]) {
    let reader: (CheckedContinuation<[Change]?, Never>)? = state.withLock { state in
      if state.isClosed { return nil }
      if let reader = state.reader {
        state.reader = nil
        return reader
      }
      if state.unread.count + changes.count > StoreLimits.unreadChangesMax {
        // Once one change is missing the subscriber has to read everything again: the older ones are of no more use.
        state.unread = [.overflow] + changes.suffix(StoreLimits.unreadChangesMax - 1)
      } else {
        state.unread += changes
      }
      return nil
    }
    reader?.resume(returning: changes)
  }

  func next() async -> [Change]? {
    await withCheckedContinuation { continuation in
      let answer: [Change]?? = state.withLock { state in
        if !state.unread.isEmpty {
          defer { state.unread = [] }
          return .some(state.unread)
        }
        if state.isClosed { return .some(nil) }
        state.reader = continuation
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  func close() {
    let reader = state.withLock { state in
      state.isClosed = true
      defer { state.reader = nil }
      return state.reader
    }
    reader?.resume(returning: nil)
  }
}
