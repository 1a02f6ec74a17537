/// What a `Range` header asks of a body (RFC 9110, section 14).
enum ByteRange: Equatable {
  /// No range, one of another unit, a malformed one, or several: the whole body is the answer.
  case whole
  case part(Range<Int>)
  /// Nothing of the body lies in the range: 416.
  case unsatisfiable

  init(header: String?, size: Int) {
    self = header.flatMap { ByteRange.parse($0, size: size) } ?? .whole
  }

  private static func parse(_ header: String, size: Int) -> ByteRange? {
    guard let equals = header.firstIndex(of: "="), header[..<equals].lowercased() == "bytes" else { return nil }
    let spec = header[header.index(after: equals)...].filter { $0 != " " && $0 != "\t" }
    let bounds = spec.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard bounds.count == 2, !spec.contains(","), let (first, last) = numbers(bounds[0], bounds[1]) else { return nil }
    switch (first, last) {
    case (nil, nil): return nil
    case (nil, let suffix?):
      guard suffix > 0, size > 0 else { return .unsatisfiable }
      return .part(max(0, size - suffix)..<size)
    case (let first?, let last):
      if let last, last < first { return nil }
      guard first < size else { return .unsatisfiable }
      return .part(first..<(min(last ?? size - 1, size - 1) + 1))
    }
  }

  /// Both bounds as numbers, where there are any; `nil` when one is neither absent nor a number.
  private static func numbers(_ first: Substring, _ last: Substring) -> (Int?, Int?)? {
    func isNumber(_ text: Substring) -> Bool { text.utf8.allSatisfy { (0x30...0x39).contains($0) } }
    guard isNumber(first), isNumber(last) else { return nil }
    // A number too large for Int lies beyond any file; it saturates.
    return (
      first.isEmpty ? nil : Int(first) ?? .max - 1,
      last.isEmpty ? nil : Int(last) ?? .max - 1
    )
  }
}
