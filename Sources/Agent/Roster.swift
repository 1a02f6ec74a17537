import Model
import Scripting
import Synchronization

/// Something that an attempt has to act on.
enum AttemptNews: Sendable {
  case observed(Observation)
  case stop(StopCause)
}

/// The agent's end of one attempt while it is under way.
final class Charge: Sendable {
  let lease: Lease
  let news: AsyncStream<AttemptNews>
  private let input: AsyncStream<AttemptNews>.Continuation
  private struct State {
    var cause: StopCause?
    /// End of its lease by `AgentClock.uptime`.
    var leaseEnd: Double
    /// Its program has ended, or never started: it takes no place any more.
    var isOver = false
    /// The server has taken its end.
    var isSettled = false
    /// Its target said that its program has ended.
    var hasEnded = false
    /// The server may have been told that it is starting.
    var isStarting = false
    /// Cancels what is done before its program starts.
    var onStop: (@Sendable () -> Void)?
  }
  private let state: Mutex<State>

  init(_ lease: Lease, leaseEnd: Double, cause: StopCause? = nil) {
    self.lease = lease
    (news, input) = AsyncStream<AttemptNews>.makeStream()
    state = Mutex(State(cause: cause, leaseEnd: leaseEnd))
  }

  var token: String { lease.token }
  var cause: StopCause? { state.withLock { $0.cause } }
  var leaseEnd: Double { state.withLock { $0.leaseEnd } }
  var isOver: Bool { state.withLock { $0.isOver } }

  var hasEnded: Bool { state.withLock { $0.hasEnded } }
  var isStarting: Bool { state.withLock { $0.isStarting } }
  var isSettled: Bool { state.withLock { $0.isSettled } }

  /// Its end was noticed, perhaps before anyone looked at it.
  func noteEnd() { state.withLock { $0.hasEnded = true } }
  func noteSettled() { state.withLock { $0.isSettled = true } }
  func noteStarting() { state.withLock { $0.isStarting = true } }

  func tell(_ observation: Observation) { input.yield(.observed(observation)) }

  /// Asks it to stop. The first cause stays, but for `gone`, which overrides all: nobody wants to hear of it any more.
  func stop(_ cause: StopCause) {
    let onStop = state.withLock { state -> (@Sendable () -> Void)?? in
      guard state.cause == nil || (cause == .gone && state.cause != .gone) else { return nil }
      state.cause = cause
      return .some(state.onStop)
    }
    guard let onStop else { return }
    onStop?()
    input.yield(.stop(cause))
  }

  /// Has `body` called when a stop is asked for; at once where it was already.
  func onStop(_ body: (@Sendable () -> Void)?) {
    let isStopped = state.withLock { state in
      state.onStop = body
      return state.cause != nil
    }
    if isStopped { body?() }
  }

  func renew(until end: Double) { state.withLock { $0.leaseEnd = max($0.leaseEnd, end) } }

  /// Whether it was not over before.
  func finish() -> Bool {
    state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
  }

  func close() { input.finish() }
}

/// All attempts that are under way.
final class Roster: Sendable {
  /// Attempts by token, and how many of them take a place: what has ended may stay for a while, thousands of short runs.
  private let charges = Mutex<(all: [String: Charge], busy: Int)>(([:], 0))
  private let local: (any LocalRuns)?
  private let clock: AgentClock
  /// Rung when a place becomes free, and when the last attempt is gone.
  let room = Bell()
  /// Rung when an attempt comes that ends with its lease.
  let fences = Bell()
  /// Of those that wait for quiet, by a number of their own.
  private let waiting = Mutex<(next: Int, bells: [Int: Bell])>((0, [:]))

  init(local: (any LocalRuns)?, clock: AgentClock) {
    self.local = local
    self.clock = clock
  }

  subscript(token: String) -> Charge? { charges.withLock { $0.all[token] } }

  var all: [Charge] { charges.withLock { Array($0.all.values) } }

  /// Everything whose lease is to be renewed. What has ended is not among it: a run that ended as lost would be taken
  /// for one that was heard from again.
  var holdings: [Holding] {
    charges.withLock { $0.all.values.filter { $0.cause != .gone && !$0.isSettled }.map(\.lease.holding) }
  }

  /// The server has taken the end of an attempt.
  func settled(_ holding: Holding) {
    guard let charge = self["\(holding.run)-\(holding.attempt)"], charge.lease.holding == holding else { return }
    charge.noteSettled()
  }

  /// Attempts that take a place.
  var busy: Int { charges.withLock { $0.busy } }
  var isEmpty: Bool { charges.withLock { $0.all.isEmpty } }

  /// Takes an attempt in; false where it is there already.
  func add(_ charge: Charge) -> Bool {
    let isNew = charges.withLock { charges in
      guard charges.all[charge.token] == nil else { return false }
      charges.all[charge.token] = charge
      // One that an earlier life saw end takes no place, and will give none back.
      if !charge.isOver { charges.busy += 1 }
      return true
    }
    if isNew, charge.lease.spec.retriesLost { fences.ring() }
    return isNew
  }

  /// The attempt's program has ended: somebody else may have its place.
  func finish(_ charge: Charge) {
    release(charge)
    room.ring()
  }

  /// Gives its place back, once.
  private func release(_ charge: Charge) {
    guard charge.finish() else { return }
    let isQuiet = charges.withLock { charges in
      charges.busy -= 1
      return charges.busy == 0
    }
    if isQuiet {
      for bell in waiting.withLock({ Array($0.bells.values) }) { bell.ring() }
    }
  }

  /// Waits until nothing runs, or `quietPatience` has passed.
  ///
  /// Clearing away waits for it, because file systems of the ext family look through what was lately removed whenever
  /// they make a file: a burst of short runs goes at half the speed if each removes its files while others make theirs.
  func quiet() async {
    guard busy > 0 else { return }
    let bell = Bell()
    let number = waiting.withLock { waiting in
      waiting.next += 1
      waiting.bells[waiting.next] = bell
      return waiting.next
    }
    // The last one may have ended meanwhile.
    if busy > 0 { await bell.wait(Roster.quietPatience, clock) }
    waiting.withLock { _ = $0.bells.removeValue(forKey: number) }
  }

  /// Seconds for which an ended run may leave its files where they are.
  private static let quietPatience = 30.0

  func remove(_ charge: Charge) {
    release(charge)
    charges.withLock { _ = $0.all.removeValue(forKey: charge.token) }
    charge.close()
    room.ring()
  }

  /// The server has renewed what a report named, reckoned from when it was sent.
  func renewed(_ holding: [Holding], _ updated: [Holding], from sentAt: Double, gone: [Holding], isHeartbeat: Bool) {
    let gone = Set(gone)
    let end = sentAt + Limits.leaseSeconds
    for holding in Set(holding + updated) {
      guard let charge = self["\(holding.run)-\(holding.attempt)"], charge.lease.holding == holding else { continue }
      if gone.contains(holding) {
        charge.stop(.gone)
      } else {
        charge.renew(until: end)
        if isHeartbeat { renewFence(charge) }
      }
    }
  }

  /// Lets local work live as long as its lease, less the margin.
  func renewFence(_ charge: Charge) {
    guard charge.lease.spec.retriesLost, charge.cause != .gone else { return }
    local?.renew(charge.token, for: charge.leaseEnd - Limits.leaseMarginSeconds - clock.uptime())
  }

  /// Runs until cancelled: stops attempts that may be started elsewhere when their lease cannot be renewed in time.
  func guardFences() async {
    while !Task.isCancelled {
      var next: Double?
      for charge in all where charge.lease.spec.retriesLost && charge.cause != .fence && !charge.isOver {
        let due = charge.leaseEnd - Limits.leaseMarginSeconds
        if due <= clock.uptime() { charge.stop(.fence) } else { next = min(next ?? due, due) }
      }
      await fences.wait(next.map { $0 - clock.uptime() }, clock)
    }
  }
}
