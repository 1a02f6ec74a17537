/// Durations and sizes as people write them in configs and on the command line.
public enum Quantity {
  /// Seconds of `90s`, `15m`, `12h`, `7d`, `1h30m`, `250ms` or a bare number of seconds; nil where the text is none.
  public static func seconds(_ text: String) -> Double? {
    parse(text, units: ["ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800], bare: 1)
  }

  /// Bytes of `512Mi`, `4GiB`, `10G`, `1.5GB`, `64k` or a bare number of bytes; nil where the text is none.
  /// `Ki`, `Mi`, ... are powers of 1024, `k`, `M`, ... powers of 1000, as Kubernetes reads them.
  public static func bytes(_ text: String) -> Int64? {
    var units: [String: Double] = ["B": 1]
    for (power, letter) in ["K", "M", "G", "T", "P"].enumerated() {
      var binary = 1.0
      var decimal = 1.0
      for _ in 0...power {
        binary *= 1_024
        decimal *= 1_000
      }
      units["\(letter)i"] = binary
      units["\(letter)iB"] = binary
      units[letter] = decimal
      units["\(letter)B"] = decimal
    }
    units["k"] = 1_000
    units["kB"] = 1_000
    guard let value = parse(text, units: units, bare: 1), value < 9.2e18 else { return nil }
    return Int64(value)
  }

  private static func parse(_ text: String, units: [String: Double], bare: Double) -> Double? {
    var rest = text[...]
    var total = 0.0
    var parts = 0
    guard !rest.isEmpty, rest.utf8.count <= 40 else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { ($0.isASCII && $0.isNumber) || $0 == "." }
      guard let number = Double(digits), digits.first != ".", digits.last != "." else { return nil }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { $0.isASCII && $0.isLetter }
      rest = rest.dropFirst(unit.count)
      if unit.isEmpty {
        guard rest.isEmpty, parts == 0 else { return nil }
        total += number * bare
      } else {
        guard let factor = units[String(unit)] else { return nil }
        total += number * factor
      }
      parts += 1
    }
    return total.isFinite ? total : nil
  }

  /// A duration in the largest units that say it, such as `1h30m`, `45s`, `2.5s`.
  public static func text(seconds: Double) -> String {
    guard seconds.isFinite, abs(seconds) < 9e15 else { return "?" }
    if seconds < 0 { return "-" + text(seconds: -seconds) }
    if seconds < 60 {
      let tenths = (seconds * 10).rounded() / 10
      return tenths == tenths.rounded() ? "\(Int64(tenths))s" : "\(tenths)s"
    }
    var rest = Int64(seconds.rounded())
    var out = ""
    for (unit, size) in [("d", Int64(86_400)), ("h", 3_600), ("m", 60), ("s", 1)] where rest >= size {
      out += "\(rest / size)\(unit)"
      rest %= size
    }
    return out
  }

  /// A size in binary units with at most one decimal, such as `512 MiB`.
  public static func text(bytes: Int64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    var value = Double(bytes)
    var index = 0
    while value >= 1_024, index < units.count - 1 {
      value /= 1_024
      index += 1
    }
    let tenths = (value * 10).rounded() / 10
    return tenths == tenths.rounded() ? "\(Int64(tenths)) \(units[index])" : "\(tenths) \(units[index])"
  }
}
