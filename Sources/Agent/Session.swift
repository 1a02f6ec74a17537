import Model
import Synchronization

/// The agent's standing at the server: under which id it is known, if it is.
final class Session: Sendable {
  private struct State {
    var id: String?
    var isLost = false
    var isDenied = false
    var heard = 0.0
    var waiters: [UInt64: CheckedContinuation<String?, Never>] = [:]
    var next: UInt64 = 0
  }
  private let state = Mutex(State())
  private let clock: AgentClock
  private let log: AgentLog
  private let address: String
  /// Rung where the agent has to register again.
  let lost = Bell()

  init(clock: AgentClock, log: @escaping AgentLog, address: String) {
    self.clock = clock
    self.log = log
    self.address = address
  }

  /// The id, where there is one now.
  var current: String? { state.withLock { $0.id } }

  /// The id, as soon as there is one; nil where the task was cancelled before.
  func id() async -> String? {
    let ticket = state.withLock { state in
      state.next += 1
      return state.next
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ready = state.withLock { state -> String?? in
          if let id = state.id { return .some(id) }
          if Task.isCancelled { return .some(nil) }
          state.waiters[ticket] = continuation
          return nil
        }
        if let ready { continuation.resume(returning: ready) }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume(returning: nil)
    }
  }

  func registered(as id: String) {
    let waiters = state.withLock { state in
      state.id = id
      defer { state.waiters = [:] }
      return state.waiters.values
    }
    for waiter in waiters { waiter.resume(returning: id) }
  }

  /// The server said that it does not know this id.
  func forget(_ id: String) {
    let isNews = state.withLock { state in
      guard state.id == id else { return false }
      state.id = nil
      return true
    }
    if isNews { lost.ring() }
  }

  /// Notes whether the server answered, and tells people when that changes.
  /// - Parameter begun: when it was asked, by `uptime`. Of several calls one may fail late that was made before the server
  ///   came back; that is no news.
  func heard(_ failure: ConnectionFailure?, asked begun: Double) {
    tellDenial(failure)
    let isReached = failure?.isPassing != true
    let (isNews, silence) = state.withLock { state in
      if !isReached, begun < state.heard { return (false, 0.0) }
      defer {
        state.isLost = !isReached
        if isReached { state.heard = clock.uptime() }
      }
      return (state.isLost == isReached, clock.uptime() - state.heard)
    }
    guard isNews else { return }
    if isReached {
      log(
        AgentEvent(
          .info, "server_found", "the server at \(address) answers again",
          ["seconds": "\(Int(silence))"]))
    } else {
      log(
        AgentEvent(
          .warning, "server_lost",
          "cannot reach the server at \(address), trying again; runs go on: \(failure?.message ?? "")"))
    }
  }

  /// Tells people once that the server does not accept the agent's key any more.
  private func tellDenial(_ failure: ConnectionFailure?) {
    let message: String? = if case .denied(let text)? = failure { text } else { nil }
    // Other failures say nothing of the key.
    guard failure == nil || message != nil else { return }
    let isNews = state.withLock { state in
      defer { state.isDenied = message != nil }
      return message != nil && !state.isDenied
    }
    guard isNews else { return }
    log(
      AgentEvent(
        .error, "denied",
        "the server at \(address) does not accept this agent's key any more: \(message ?? ""); runs go on, and an agent "
          + "with a key that it accepts, on the same data folder, reports them"))
  }
}
