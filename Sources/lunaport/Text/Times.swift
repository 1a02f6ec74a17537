import Model

/// How long ago a moment was, in its largest unit: `3m ago`.
func ago(_ timestamp: String?, now: Double) -> String {
  guard let timestamp, let moment = Timestamp.seconds(timestamp) else { return "" }
  return ago(now - moment)
}

func ago(_ seconds: Double) -> String {
  // Clocks differ by a little; a moment that is not here yet is now.
  guard seconds >= 1 else { return "now" }
  return "\(largestUnit(seconds)) ago"
}

/// A length of time in its two largest units: `1h5m`, `2d3h`, `45s`.
func length(_ seconds: Double?) -> String {
  guard let seconds else { return "" }
  if seconds < 60 { return Quantity.text(seconds: seconds) }
  let sizes: [(String, Double)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
  guard let first = sizes.firstIndex(where: { seconds >= $0.1 }) else { return "0s" }
  let whole = (seconds / sizes[first].1).rounded(.down)
  let text = "\(Int(whole))\(sizes[first].0)"
  guard first + 1 < sizes.count else { return text }
  let rest = ((seconds - whole * sizes[first].1) / sizes[first + 1].1).rounded(.down)
  return rest > 0 ? "\(text)\(Int(rest))\(sizes[first + 1].0)" : text
}

private func largestUnit(_ seconds: Double) -> String {
  let sizes: [(String, Double)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
  for (unit, size) in sizes where seconds >= size { return "\(Int((seconds / size).rounded(.down)))\(unit)" }
  return "0s"
}

/// `1 file`, `3 files`
func counted(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }
