import Model

/// Documents as Lua source, for queues that are exported and for those made through the API. Everything that comes from
/// outside ends up inside a quoted string or a checked key: no value can write Lua of its own.
enum LuaText {
  /// A queue's declaration. - Parameter settings: the words of a queue file, as `QueueSettings` reads and writes them.
  static func queue(_ id: QueueID, settings: [String: Value]) -> String {
    var out = "queue \(quoted(id.name)) {\n"
    out += "  entity = \(quoted(id.entity)),\n"
    let known = words.filter { settings[$0] != nil }
    let others = settings.keys.filter { !words.contains($0) }.sorted()
    for key in known + others {
      guard let value = settings[key], !value.isNull else { continue }
      out += "  \(self.key(key)) = \(text(value, indent: 2)),\n"
    }
    return out + "}\n"
  }

  /// In the order in which people write them.
  private static let words = [
    "target", "builder", "doc", "requires", "priorities", "concurrency", "retry", "timeout", "queue_timeout", "grace",
    "override", "links", "hooks", "resource",
  ]

  /// A value as an expression. - Parameter indent: columns at which the line that it stands on begins.
  static func text(_ value: Value, indent: Int = 0) -> String {
    switch value {
    case .null: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .int(let number): return String(number)
    case .double(let number): return number.isFinite ? "\(number)" : "null"
    case .string(let text): return quoted(text)
    case .array(let items):
      return brackets(items.map { text($0, indent: indent + 2) }, indent: indent)
    case .object(let fields):
      if let variable = VariableDocument(value) { return variable.lua }
      if fields.count == 1, let name = fields[Node.secretKey]?.stringValue { return "secret \(quoted(name))" }
      return brackets(
        fields.keys.sorted().map { "\(key($0)) = \(text(fields[$0] ?? .null, indent: indent + 2))" }, indent: indent)
    }
  }

  private static func brackets(_ parts: [String], indent: Int) -> String {
    if parts.isEmpty { return "{}" }
    let line = "{ " + parts.joined(separator: ", ") + " }"
    if line.utf8.count + indent <= lineWidth, !line.utf8.contains(UInt8(ascii: "\n")) { return line }
    let pad = String(repeating: " ", count: indent + 2)
    return "{\n" + parts.map { "\(pad)\($0),\n" }.joined() + String(repeating: " ", count: indent) + "}"
  }

  private static let lineWidth = 80

  private static let reserved: Set<String> = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not",
    "or", "repeat", "return", "then", "true", "until", "while",
  ]

  /// A key of a table constructor.
  static func key(_ key: String) -> String {
    let bytes = Array(key.utf8)
    let isName =
      !bytes.isEmpty && !(0x30...0x39).contains(bytes[0]) && !reserved.contains(key)
      && bytes.allSatisfy {
        (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
      }
    return isName ? key : "[\(quoted(key))]"
  }

  /// A string literal of one line.
  static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7F {
          let digits = String(scalar.value)
          out += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + "\""
  }
}
