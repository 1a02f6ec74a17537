import Model

/// The refusal of an agent as people read it, one diagnostic a gap.
extension Coverage.Report {
  /// - Parameter offer: what the agent offers, for the note on what it does provide.
  public func diagnostics(offer: Offer) -> [Diagnostic] {
    entries.map { entry in
      let healthy = offer.drivers.filter { $0.probe.health == .healthy }.map(\.target)
      return Diagnostic(
        "Q0107", "agent `\(agent)` polls `\(entry.queue)` but cannot run its jobs",
        at: entry.gap.need.place, label: "needs \(entry.gap.need.text): \(entry.gap.need.why)",
        notes: [
          "agent `\(agent)` provides: \(healthy.isEmpty ? "nothing" : healthy.joined(separator: ", "))",
          entry.gap.fact,
        ],
        help:
          "give the agent what is missing, take `\(entry.queue)` out of its queues, or let it skip it with --allow-partial"
      )
    }
  }
}
