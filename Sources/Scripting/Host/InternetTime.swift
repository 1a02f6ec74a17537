/// Times as APIs write them (RFC 3339): `2026-11-20T08:20:40.5Z`.
enum InternetTime {
  /// Seconds since 1970, or nil for nonsense. A leap second counts as the one before it.
  static func seconds(of text: String) -> Double? {
    var digits = Array(text.utf8)[...]
    func number(_ count: Int, until end: UInt8? = nil) -> Int? {
      guard digits.count >= count else { return nil }
      let part = digits.prefix(count)
      guard part.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      digits = digits.dropFirst(count)
      if let end {
        guard digits.first == end else { return nil }
        digits = digits.dropFirst()
      }
      return part.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    guard let year = number(4, until: UInt8(ascii: "-")), let month = number(2, until: UInt8(ascii: "-")),
      let day = number(2), let separator = digits.popFirst(), [0x54, 0x74, 0x20].contains(separator),
      let hour = number(2, until: UInt8(ascii: ":")), let minute = number(2, until: UInt8(ascii: ":")),
      let second = number(2), (1...12).contains(month), (1...days(in: month, of: year)).contains(day), hour < 24,
      minute < 60, second <= 60
    else { return nil }
    var fraction = 0.0
    if digits.first == UInt8(ascii: ".") {
      let places = digits.dropFirst().prefix { (0x30...0x39).contains($0) }
      guard !places.isEmpty, let value = Double("0." + String(decoding: places, as: UTF8.self)) else { return nil }
      fraction = value
      digits = digits.dropFirst(1 + places.count)
    }
    var offset = 0
    switch digits.popFirst() {
    case UInt8(ascii: "Z"), UInt8(ascii: "z"): break
    case let sign? where sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"):
      guard let hours = number(2, until: UInt8(ascii: ":")), let minutes = number(2), hours < 24, minutes < 60 else {
        return nil
      }
      offset = (hours * 60 + minutes) * (sign == UInt8(ascii: "+") ? 60 : -60)
    default: return nil
    }
    guard digits.isEmpty else { return nil }
    let whole = daysSince1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + min(second, 59) - offset
    return Double(whole) + fraction
  }

  /// UTC, with microseconds where there are any; nil beyond the years that RFC 3339 can say.
  static func text(of seconds: Double) -> String? {
    guard seconds > -62_135_596_800, seconds < 253_402_300_799 else { return nil }
    let micros = Int((seconds * 1_000_000).rounded())
    let whole = micros >= 0 ? micros / 1_000_000 : -((-micros + 999_999) / 1_000_000)
    let rest = micros - whole * 1_000_000
    let day = whole >= 0 ? whole / 86_400 : -((-whole + 86_399) / 86_400)
    let time = whole - day * 86_400
    // Howard Hinnant's civil_from_days: years start in March, eras of 400 years have 146,097 days.
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let inEra = shifted - era * 146_097
    let yearInEra = (inEra - inEra / 1_460 + inEra / 36_524 - inEra / 146_096) / 365
    let inYear = inEra - (365 * yearInEra + yearInEra / 4 - yearInEra / 100)
    let shiftedMonth = (5 * inYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearInEra + era * 400 + (month <= 2 ? 1 : 0)
    func padded(_ number: Int, _ width: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(inYear - (153 * shiftedMonth + 2) / 5 + 1, 2))"
    let clock = "\(padded(time / 3_600, 2)):\(padded(time / 60 % 60, 2)):\(padded(time % 60, 2))"
    return date + "T" + clock + (rest == 0 ? "" : "." + padded(rest, 6)) + "Z"
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearInEra = shifted - era * 400
    let inYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearInEra * 365 + yearInEra / 4 - yearInEra / 100 + inYear - 719_468
  }
}
