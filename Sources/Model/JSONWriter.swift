/// Writes JSON into bytes, piece by piece. What is written between `{` and `}` are pairs of a key and a value; the writer
/// sets the commas.
public struct JSONWriter {
  public private(set) var bytes: [UInt8] = []
  /// Nil for one line.
  private let indentation: Int?
  private var depth = 0
  private var isFirst = true
  private var isMember = false

  /// - Parameter pretty: one item a line, indented by two spaces.
  public init(pretty: Bool = false) { indentation = pretty ? 2 : nil }

  public var text: String { String(decoding: bytes, as: UTF8.self) }

  private mutating func prepare() {
    if isMember {
      isMember = false
      return
    }
    if depth == 0 { return }
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
    newLine()
  }

  private mutating func newLine() {
    guard let indentation else { return }
    bytes.append(0x0A)
    for _ in 0..<indentation * depth { bytes.append(0x20) }
  }

  private mutating func open(_ bracket: UInt8) {
    prepare()
    bytes.append(bracket)
    depth += 1
    isFirst = true
  }

  private mutating func close(_ bracket: UInt8) {
    depth -= 1
    if !isFirst { newLine() }
    bytes.append(bracket)
    isFirst = false
  }
}

extension JSONWriter {
  public mutating func object(_ members: (inout JSONWriter) -> Void) {
    open(UInt8(ascii: "{"))
    members(&self)
    close(UInt8(ascii: "}"))
  }

  public mutating func array<T>(_ items: [T], _ item: (inout JSONWriter, T) -> Void) {
    open(UInt8(ascii: "["))
    for value in items { item(&self, value) }
    close(UInt8(ascii: "]"))
  }

  public mutating func key(_ key: String) {
    prepare()
    quote(key)
    bytes.append(UInt8(ascii: ":"))
    if indentation != nil { bytes.append(0x20) }
    isMember = true
  }

  public mutating func string(_ text: String) {
    prepare()
    quote(text)
  }

  public mutating func int(_ number: Int64) {
    prepare()
    append("\(number)")
  }

  /// A whole number keeps a `.0`, so that it is read as a fraction again. What JSON cannot say becomes null.
  public mutating func double(_ number: Double) {
    prepare()
    if !number.isFinite {
      append("null")
    } else if let whole = Int64(exactly: number) {
      append("\(whole).0")
    } else {
      append("\(number)")
    }
  }

  public mutating func bool(_ flag: Bool) {
    prepare()
    append(flag ? "true" : "false")
  }

  public mutating func null() {
    prepare()
    append("null")
  }

  /// Keys are sorted, so that the same value always gives the same bytes.
  public mutating func value(_ value: Value) {
    switch value {
    case .null: null()
    case .bool(let flag): bool(flag)
    case .int(let number): int(number)
    case .double(let number): double(number)
    case .string(let text): string(text)
    case .array(let items): array(items) { $0.value($1) }
    case .object(let fields):
      object { writer in
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
          writer.key(key)
          writer.value(value)
        }
      }
    }
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { source in
      var start = 0
      for (index, byte) in source.enumerated() {
        guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
        bytes.append(contentsOf: source[start..<index])
        escape(byte)
        start = index + 1
      }
      bytes.append(contentsOf: source[start...])
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func escape(_ byte: UInt8) {
    bytes.append(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    default:
      append("u00")
      bytes.append(contentsOf: [byte >> 4, byte & 15].map { $0 < 10 ? $0 + 0x30 : $0 - 10 + 0x61 })
    }
  }
}
