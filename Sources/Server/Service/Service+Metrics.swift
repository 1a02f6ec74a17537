import Model
import Storage

extension Service {
  /// Everything that a Prometheus server asks for.
  func metricsText() async throws -> String {
    var page = MetricsPage()
    metrics.write(to: &page)
    try await writeRuns(to: &page)
    try await writeStore(to: &page)
    writeAgents(to: &page)
    writeConfiguration(to: &page)
    page.gauge("lunaport_watchers", "Open streams of live updates and logs.", Double(feed.watchers))
    if let memory = ProcessUse.memory {
      page.gauge("process_resident_memory_bytes", "Memory that the server holds.", memory)
    }
    if let cpu = ProcessUse.cpu {
      page.gauge("process_cpu_seconds_total", "CPU time that the server used.", cpu, kind: "counter")
    }
    return page.text
  }

  private func writeRuns(to page: inout MetricsPage) async throws {
    var served = served()
    var counts: [String: Int] = [:]
    for count in try await store.counts(queue: nil) {
      let isServed = count.state == .queued && served.by(count.queue, needs: count.needs)
      let word = VisibleState(count.state, reason: count.reason, served: isServed)
      let labels = Metrics.labels(("queue", count.queue.text), ("state", word.rawValue))
      counts[labels, default: 0] += count.count
    }
    page.family(.init(name: "lunaport_runs", help: "Runs by queue and the state that people see.", kind: "gauge"))
    for labels in counts.keys.sorted() { page.row("lunaport_runs", labels, Double(counts[labels] ?? 0)) }
  }

  private func writeStore(to page: inout MetricsPage) async throws {
    let store = try await store.metrics()
    page.gauge("lunaport_store_commits_total", "Transactions made durable.", Double(store.commits), kind: "counter")
    page.gauge(
      "lunaport_store_operations_total", "Writing operations; divided by commits, how many share one.",
      Double(store.operations), kind: "counter")
    page.gauge("lunaport_store_batch_max", "Operations in the largest transaction.", Double(store.largestBatch))
    page.gauge(
      "lunaport_store_commit_seconds_total", "Time spent in making transactions durable.", store.commitSeconds,
      kind: "counter")
    page.gauge("lunaport_store_waiting", "Operations that wait for the writer.", Double(store.waiting))
    page.gauge("lunaport_store_bytes", "Size of the store on disk.", Double(store.bytes))
  }

  private func writeAgents(to page: inout MetricsPage) {
    let counts = roster.counts(now: clock.now())
    page.family(.init(name: "lunaport_agents", help: "Agents by state.", kind: "gauge"))
    for state in AgentState.allCases where state != .busy {
      page.row("lunaport_agents", Metrics.labels(("state", state.rawValue)), Double(counts[state] ?? 0))
    }
    page.gauge("lunaport_agents_waiting", "Agents whose request for work waits.", Double(desk.sleepers))
  }

  private func writeConfiguration(to page: inout MetricsPage) {
    let status = keeper.status
    page.gauge("lunaport_configuration_generation", "Generation in service.", Double(status.generation))
    page.gauge(
      "lunaport_configuration_stale", "1 while the files have errors and the last good generation goes on.",
      status.isStale ? 1 : 0)
    page.gauge(
      "lunaport_configuration_errors", "Errors of the newest reading of the files.", Double(status.errorCount))
  }
}
