import Model

/// The refusal of an agent as people read it, one diagnostic a gap.
extension Coverage.Report {
  /// - Parameter offer: what the agent offers, for the note on what it does provide; without it there is no such note.
  public func diagnostics(offer: Offer? = nil) -> [Diagnostic] {
    let healthy = offer?.drivers.filter { $0.probe.health == .healthy }.map(\.target)
    let provided = healthy.map { $0.isEmpty ? "nothing" : $0.joined(separator: ", ") }
    return entries.map { entry in
      Diagnostic(
        "Q0107", "agent `\(agent)` polls `\(entry.queue)` but cannot run its jobs",
        at: entry.gap.need.place, label: "needs \(entry.gap.need.text): \(entry.gap.need.why)",
        notes: [provided.map { "agent `\(agent)` provides: \($0)" }, entry.gap.fact].compactMap { $0 },
        help:
          "give the agent what is missing, take `\(entry.queue)` out of its queues, or let it skip it with --allow-partial"
      )
    }
  }
}
