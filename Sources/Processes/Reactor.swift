import CLinux
import Glibc
import Synchronization

/// One thread that waits for file descriptors on behalf of tasks: pipes that have bytes, processes that ended.
///
/// Nothing is polled: a thousand waiting runs cost no processor time. There is one for the whole program, started when
/// it is first used.
package final class Reactor: Sendable {
  package static let shared = Reactor()

  private struct Waiter {
    var file: Int32
    var ready: @Sendable (Bool) -> Void
  }
  private struct State {
    var waiters: [UInt64: Waiter] = [:]
    var next: UInt64 = 1
  }
  private let epoll: Int32
  private let state = Mutex(State())

  private init() {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { return }
    var thread = pthread_t()
    // The thread lives as long as the program, as `shared` does.
    let box = Unmanaged.passRetained(self)
    let result = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<Reactor>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, box.toOpaque())
    if result == 0 { pthread_detach(thread) } else { box.release() }
  }

  /// Calls `ready(true)` once, on the reactor's thread, when `file` is ready; `ready(false)` where `cancel` came first
  /// or the descriptor cannot be watched. The descriptor must stay open until then.
  /// - Returns: what `cancel` takes.
  @discardableResult
  func watch(_ file: Int32, for events: EPOLL_EVENTS = EPOLLIN, _ ready: @escaping @Sendable (Bool) -> Void) -> UInt64 {
    let id = state.withLock { state in
      let id = state.next
      state.next += 1
      state.waiters[id] = Waiter(file: file, ready: ready)
      return id
    }
    var event = epoll_event(events: events.rawValue | EPOLLONESHOT.rawValue, data: epoll_data_t(u64: id))
    if epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event) != 0 { finish(id, false) }
    return id
  }

  func cancel(_ id: UInt64) { finish(id, false) }

  /// Suspends until `file` is ready. Gives false where the task was cancelled before.
  package func wait(for file: Int32, _ events: EPOLL_EVENTS = EPOLLIN) async -> Bool {
    let pending = Mutex<UInt64?>(nil)
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        let id = watch(file, for: events) { continuation.resume(returning: $0) }
        pending.withLock { $0 = id }
        // The handler may have run before there was anything to cancel.
        if Task.isCancelled { cancel(id) }
      }
    } onCancel: {
      if let id = pending.withLock({ $0 }) { cancel(id) }
    }
  }

  /// Suspends until `file` is ready, cancelled or not.
  package func waitRegardless(for file: Int32) async {
    await withUnsafeContinuation { continuation in
      watch(file) { _ in continuation.resume() }
    }
  }

  private func finish(_ id: UInt64, _ isReady: Bool) {
    let waiter = state.withLock { state -> Waiter? in
      guard let waiter = state.waiters.removeValue(forKey: id) else { return nil }
      // Inside the lock: afterwards the owner may close the descriptor, and its number may be another's.
      epoll_ctl(epoll, EPOLL_CTL_DEL, waiter.file, nil)
      return waiter
    }
    waiter?.ready(isReady)
  }

  private func run() {
    // Enough that a burst of ends is taken in few calls.
    let capacity = 64
    var events = [epoll_event](repeating: epoll_event(), count: capacity)
    while true {
      let count = epoll_wait(epoll, &events, Int32(capacity), -1)
      if count < 0 && errno != EINTR { return }
      for index in 0..<Int(max(0, count)) { finish(events[index].data.u64, true) }
    }
  }
}
