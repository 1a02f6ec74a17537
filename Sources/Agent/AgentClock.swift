import Glibc
import Model
import Synchronization

/// The time as the agent sees it, and its way to wait; tests pass their own.
public struct AgentClock: Sendable {
  /// Seconds since 1970.
  public var now: @Sendable () -> Double
  /// Seconds of a clock that nobody sets and that goes on while the machine sleeps.
  public var uptime: @Sendable () -> Double
  /// Suspends for so many seconds; throws where the task is cancelled.
  public var sleep: @Sendable (Double) async throws -> Void
  /// 0 to 1, to spread retries.
  public var random: @Sendable () -> Double
  /// Differs from one start of the machine to the next: `uptime` means something only within one.
  public var machineStart: String

  public init(
    now: @escaping @Sendable () -> Double, uptime: @escaping @Sendable () -> Double,
    sleep: @escaping @Sendable (Double) async throws -> Void, random: @escaping @Sendable () -> Double,
    machineStart: String
  ) {
    self.now = now
    self.uptime = uptime
    self.sleep = sleep
    self.random = random
    self.machineStart = machineStart
  }

  public static let system = {
    let alarms = Alarms()
    return AgentClock(
      now: { read(CLOCK_REALTIME) }, uptime: { read(CLOCK_BOOTTIME) },
      sleep: { try await alarms.sleep(nap($0)) },
      random: { Double.random(in: 0..<1) }, machineStart: bootID())
  }()

  /// Seconds that a wait takes. As many as any that a configuration may state: one that ended early would be taken for the
  /// end of a run's time.
  static func nap(_ seconds: Double) -> Double { max(0, min(seconds, Double(Limits.durationSecondsMax))) }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func bootID() -> String {
    guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return "unknown" }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 64)
    guard fgets(&buffer, Int32(buffer.count), file) != nil else { return "unknown" }
    return String(decoding: buffer.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Waits between tries: each twice the last, up to a limit, spread so that many agents do not come back together.
struct Backoff {
  var least: Double
  var most: Double
  private var failures = 0

  init(least: Double, most: Double) {
    self.least = least
    self.most = most
  }

  mutating func reset() { failures = 0 }

  /// Seconds to wait now: half to the whole of the doubled wait.
  mutating func next(_ random: Double) -> Double {
    var wait = least
    for _ in 0..<min(failures, 30) { wait = min(wait * 2, most) }
    failures += 1
    return wait * (0.5 + random / 2)
  }
}

/// Lets one task sleep until a time comes or until somebody rings, whichever is first. A ring while nobody sleeps is
/// heard by the next who would.
final class Bell: Sendable {
  private struct State {
    var rung = false
    var sleeper: UnsafeContinuation<Void, Never>?
  }
  private let state = Mutex(State())

  func ring() {
    let sleeper = state.withLock { state -> UnsafeContinuation<Void, Never>? in
      guard let sleeper = state.sleeper else {
        state.rung = true
        return nil
      }
      state.sleeper = nil
      return sleeper
    }
    sleeper?.resume()
  }

  /// - Parameter seconds: nil sleeps until somebody rings or the task is cancelled.
  func wait(_ seconds: Double?, _ clock: AgentClock) async {
    if let seconds, seconds <= 0 { return }
    let timer = seconds.map { seconds in
      Task {
        try await clock.sleep(seconds)
        self.ring()
      }
    }
    await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        let isOver = state.withLock { state in
          if state.rung || Task.isCancelled {
            state.rung = false
            return true
          }
          state.sleeper = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      ring()
    }
    timer?.cancel()
  }
}
