import Model
import Storage
import Synchronization

/// Ends leases that ran out and waits that grew too long, when they do: it sleeps until the next deadline, and is told
/// of events that may have brought an earlier one. An idle server is never woken.
actor LapseSweeper {
  /// Seconds to wait after the store refused, so that a full disk is not asked a thousand times a second.
  private static let patience: Double = 1
  /// Seconds between two looks at least: a burst of events is looked at once.
  private static let pace: Double = 0.05
  /// Seconds by which the wall clock may get ahead of the machine's own before that is taken for time in which no agent
  /// could be heard: the machine slept, or somebody set the clock.
  private static let awaySeconds: Double = 5

  private let lapse: @Sendable (Double) async throws(StoreError) -> Lapse
  private let extend: @Sendable (Double) async throws(StoreError) -> Void
  private let clock: ServerClock
  private let report: @Sendable (any Error) -> Void
  /// When it looks next; nil where nothing is due ever.
  private var due: Double?
  /// When that was decided, by both clocks.
  private var asked: (now: Double, awake: Double)
  private var sleep: Task<Void, Never>?
  private var isStopped = false
  /// Whether the store has refused since it last took anything: an agent that spoke meanwhile could not renew.
  private var wasRefused = false

  init(store: any Store, clock: ServerClock, report: @escaping @Sendable (any Error) -> Void) {
    self.init(
      lapse: { (now) throws(StoreError) in try await store.lapse(now: now) },
      extend: { (time) throws(StoreError) in try await store.extendLeases(to: time) }, clock: clock, report: report)
  }

  /// - Parameters:
  ///   - lapse: ends what ran out at a time.
  ///   - extend: lets no lease end before a time.
  init(
    lapse: @escaping @Sendable (Double) async throws(StoreError) -> Lapse,
    extend: @escaping @Sendable (Double) async throws(StoreError) -> Void, clock: ServerClock,
    report: @escaping @Sendable (any Error) -> Void
  ) {
    self.lapse = lapse
    self.extend = extend
    self.clock = clock
    self.report = report
    asked = (clock.now(), clock.awake())
  }

  func start() { look(by: clock.now()) }

  /// Something may be due at `time`.
  func look(by time: Double) {
    guard !isStopped, time < due ?? .infinity else { return }
    due = time
    asked = (clock.now(), clock.awake())
    sleep?.cancel()
    sleep = Task { [clock] in
      do { try await clock.sleep(time) } catch { return }
      await self.sweep()
    }
  }

  func stop() {
    isStopped = true
    sleep?.cancel()
  }

  /// Looks now.
  func sweep() async {
    guard !isStopped else { return }
    due = nil
    let now = clock.now()
    let away = (now - asked.now) - (clock.awake() - asked.awake)
    do {
      // As after a start: whoever was not heard because we slept, or had no room to write it down, is given the time to
      // speak.
      if away > Self.awaySeconds || wasRefused { try await extend(now + Limits.leaseSeconds) }
      let lapse = try await lapse(now)
      wasRefused = false
      if let next = lapse.next { look(by: max(next, now + Self.pace)) }
    } catch {
      if error.code == .stopped { return }
      wasRefused = true
      report(error)
      look(by: now + Self.patience)
    }
  }
}
