import Glibc
import Synchronization

/// What a server counts, in the text format of Prometheus. What can be read off the store or the configuration is read
/// when asked, and not counted here.
final class Metrics: Sendable {
  /// A family of numbers, and what it means.
  struct Family: Sendable, Hashable {
    var name: String
    var help: String
    var kind: String
  }

  /// Upper bounds in seconds. Group commit takes about 2 ms; a long poll up to 50 s is not among what is measured.
  static let buckets: [Double] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ]

  static let requests = Family(name: "lunaport_http_requests_total", help: "Requests answered.", kind: "counter")
  static let latency = Family(
    name: "lunaport_operation_seconds", help: "Time that an operation took, waiting for work left out.",
    kind: "histogram")
  static let leases = Family(name: "lunaport_leases_total", help: "Runs handed to agents.", kind: "counter")
  static let lapses = Family(
    name: "lunaport_lapses_total", help: "Leases that ran out, and waits that grew too long.", kind: "counter")
  static let hooks = Family(name: "lunaport_hook_calls_total", help: "Calls of hooks by outcome.", kind: "counter")
  static let failedLogins = Family(
    name: "lunaport_failed_logins_total", help: "Requests with a wrong or malformed key.", kind: "counter")
  static let withheld = Family(
    name: "lunaport_leases_withheld_total",
    help: "Leases taken back before they left, as the agent stopped covering them.", kind: "counter")
  static let removed = Family(
    name: "lunaport_removed_total", help: "What was older than it is kept: runs, logs, blobs.", kind: "counter")
  static let removedBytes = Family(
    name: "lunaport_removed_bytes_total", help: "Bytes of the logs and blobs among it.", kind: "counter")
  private static let families = [requests, leases, lapses, hooks, failedLogins, withheld, removed, removedBytes]
  /// Those that have rows only by label.
  private static let labelled: Set<Family> = [requests, hooks, removed, removedBytes]

  private struct Histogram {
    var counts = [Int](repeating: 0, count: Metrics.buckets.count)
    var sum = 0.0
    var count = 0
  }

  private struct State {
    var counters: [Family: [String: Double]] = [:]
    var histograms: [String: Histogram] = [:]
  }

  private let state = Mutex(State())

  /// - Parameter labels: as `label(...)` writes them.
  func count(_ family: Family, _ labels: String = "", by amount: Double = 1) {
    state.withLock { $0.counters[family, default: [:]][labels, default: 0] += amount }
  }

  func observe(_ operation: String, seconds: Double) {
    let bucket = Metrics.buckets.firstIndex { seconds <= $0 }
    state.withLock { state in
      if let bucket { state.histograms[operation, default: Histogram()].counts[bucket] += 1 }
      state.histograms[operation, default: Histogram()].sum += seconds
      state.histograms[operation, default: Histogram()].count += 1
    }
  }

  /// Measures `work` as `operation`, whatever comes of it.
  func time<Result>(
    _ operation: String, isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> Result
  ) async rethrows -> Result {
    let start = ContinuousClock.now
    defer { observe(operation, seconds: Metrics.seconds(since: start)) }
    return try await work()
  }

  static func seconds(since start: ContinuousClock.Instant) -> Double {
    let parts = start.duration(to: .now).components
    return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
  }

  /// `{name="value",...}`
  static func labels(_ pairs: (String, String)...) -> String {
    let parts = pairs.map { name, value in
      let escaped = value.map { character in
        switch character {
        case "\\": "\\\\"
        case "\"": "\\\""
        case "\n": "\\n"
        default: String(character)
        }
      }
      return "\(name)=\"\(escaped.joined())\""
    }
    return "{\(parts.joined(separator: ","))}"
  }

  /// Everything counted here.
  func write(to page: inout MetricsPage) {
    let state = self.state.withLock { $0 }
    for family in Metrics.families {
      page.family(family)
      let rows = state.counters[family] ?? [:]
      for labels in rows.keys.sorted() { page.row(family.name, labels, rows[labels] ?? 0) }
      if rows.isEmpty, !Metrics.labelled.contains(family) { page.row(family.name, "", 0) }
    }
    page.family(Metrics.latency)
    for operation in state.histograms.keys.sorted() {
      guard let histogram = state.histograms[operation] else { continue }
      var sum = 0
      for (bound, count) in zip(Metrics.buckets, histogram.counts) {
        sum += count
        page.row(
          "\(Metrics.latency.name)_bucket", Metrics.labels(("operation", operation), ("le", "\(bound)")), Double(sum))
      }
      let labels = Metrics.labels(("operation", operation))
      page.row(
        "\(Metrics.latency.name)_bucket", Metrics.labels(("operation", operation), ("le", "+Inf")),
        Double(histogram.count))
      page.row("\(Metrics.latency.name)_sum", labels, histogram.sum)
      page.row("\(Metrics.latency.name)_count", labels, Double(histogram.count))
    }
  }
}

/// A page in the text format of Prometheus, as it is written.
struct MetricsPage {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"
  private(set) var text = ""

  mutating func family(_ family: Metrics.Family) {
    text += "# HELP \(family.name) \(family.help)\n# TYPE \(family.name) \(family.kind)\n"
  }

  mutating func row(_ name: String, _ labels: String, _ value: Double) {
    text += "\(name)\(labels) \(value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)")\n"
  }

  /// A family of one number.
  mutating func gauge(_ name: String, _ help: String, _ value: Double, kind: String = "gauge") {
    family(Metrics.Family(name: name, help: help, kind: kind))
    row(name, "", value)
  }
}

/// What this process uses, from /proc.
enum ProcessUse {
  /// Bytes of memory that it holds.
  static var memory: Double? {
    let fields = read("/proc/self/statm").split(separator: " ")
    return fields.count > 1 ? Double(fields[1]).map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) } : nil
  }

  /// Seconds of CPU that it used.
  static var cpu: Double? {
    var usage = rusage()
    guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  private static func read(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 4_096)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }
}
