/// Units of time from large to small, in milliseconds.
private let timeUnits: [(name: String, milliseconds: Int)] = [
  ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
]

/// Reads `90s`, `12h`, `1h30m`: whole numbers, each with its unit, from large to small units.
func parseDuration(_ text: String) throws(InvalidValue) -> Duration {
  let invalid = InvalidValue("must be a length of time, such as 90s, 12h or 1h30m")
  var rest = text[...]
  var units = timeUnits[...]
  var total = 0
  guard !rest.isEmpty else { throw invalid }
  while !rest.isEmpty {
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    rest = rest.dropFirst(digits.count)
    let name = rest.prefix { $0.isLetter }
    rest = rest.dropFirst(name.count)
    guard let count = Int(digits), let place = units.firstIndex(where: { $0.name == name }) else { throw invalid }
    let (part, tooLong) = count.multipliedReportingOverflow(by: timeUnits[place].milliseconds)
    let (sum, tooLongInAll) = total.addingReportingOverflow(part)
    guard !tooLong, !tooLongInAll else { throw InvalidValue("is longer than can be counted") }
    total = sum
    units = units[(place + 1)...]
  }
  return .milliseconds(total)
}

/// The shortest text that `parseDuration` reads as this length of time, cut to whole milliseconds.
func durationText(_ duration: Duration) -> String {
  let (seconds, attoseconds) = duration.components
  var rest = Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
  var text = ""
  for unit in timeUnits where rest >= unit.milliseconds {
    text += "\(rest / unit.milliseconds)\(unit.name)"
    rest %= unit.milliseconds
  }
  return text.isEmpty ? "0s" : text
}

/// Units of size in bytes, from large to small; the first of equal ones is the one shown.
private let sizeUnits: [(name: String, bytes: Int)] = [
  ("TiB", 1 << 40), ("Ti", 1 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("Gi", 1 << 30),
  ("GB", 1_000_000_000), ("MiB", 1 << 20), ("Mi", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("Ki", 1 << 10),
  ("KB", 1_000), ("B", 1), ("", 1),
]

/// Reads a number of bytes: `4GiB`, `512MB`, `4096`. Upper and lower case are the same.
func parseSize(_ text: String) throws(InvalidValue) -> Int {
  let digits = text.prefix { $0.isASCII && $0.isNumber }
  let name = text.dropFirst(digits.count).lowercased()
  guard let count = Int(digits), let unit = sizeUnits.first(where: { $0.name.lowercased() == name }) else {
    throw InvalidValue("must be a size, such as 4GiB, 512MB or 4096 (bytes)")
  }
  let (bytes, tooLarge) = count.multipliedReportingOverflow(by: unit.bytes)
  guard !tooLarge else { throw InvalidValue("is larger than can be counted") }
  return bytes
}

/// The text with the largest unit that `parseSize` reads as exactly this size.
func sizeText(_ bytes: Int) -> String {
  guard let unit = sizeUnits.first(where: { bytes >= $0.bytes && bytes % $0.bytes == 0 }) else { return "\(bytes)" }
  return "\(bytes / unit.bytes)\(unit.name)"
}
