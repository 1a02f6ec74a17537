import Model

/// What `plan` shows: the merged resource with who wrote each value, and the driver's own document.
public struct PlanText: Sendable {
  public var queue: Queue
  public var resource: Node
  /// The target's own document, where the driver could be asked.
  public var document: Value?

  public init(queue: Queue, resource: Node, document: Value? = nil) {
    self.queue = queue
    self.resource = resource
    self.document = document
  }

  public func render() -> String {
    var out = "queue \(queue.name) of \(queue.entity), target \(queue.target)\n\nresource:\n"
    let rows = self.rows
    let keyWidth = rows.map(\.path.count).max() ?? 0
    let valueWidth = min(44, rows.map(\.value.count).max() ?? 0)
    if rows.isEmpty { out += "  (nothing)\n" }
    for row in rows {
      let key = row.path.padded(to: keyWidth)
      out += "  \(key)  \(row.value.padded(to: valueWidth))  \(row.origin)\n"
    }
    if let document {
      out += "\ndocument of \(queue.target):\n"
      out += document.json(pretty: true).split(separator: "\n").map { "  \($0)\n" }.joined()
    }
    return out
  }

  /// `{"queue", "entity", "target", "resource", "origins": {path: origin}, "document"}`
  public var json: Value {
    [
      "queue": .string(queue.name), "entity": .string(queue.entity), "target": .string(queue.target),
      "resource": resource.value,
      "origins": .object(
        Dictionary(rows.map { ($0.path, .string($0.origin)) }, uniquingKeysWith: { first, _ in first })),
      "document": document ?? .null,
    ]
  }

  /// One row a leaf, in the order of the paths.
  private var rows: [(path: String, value: String, origin: String)] {
    var rows: [(path: String, value: String, origin: String)] = []
    resource.walk { path, node in
      switch node {
      case .leaf(let value, let origin): rows.append((path.text, value.json(), origin.text))
      case .secret(let name, let origin): rows.append((path.text, "secret \"\(name)\"", origin.text))
      case .hole(let hole, let origin):
        rows.append((path.text, "(not set: variable \(hole.name))", origin.text))
      case .list(let items, let origin) where items.isEmpty: rows.append((path.text, "[]", origin.text))
      case .table(let fields, let origin) where fields.isEmpty && !path.isEmpty:
        rows.append((path.text, "{}", origin.text))
      default: break
      }
    }
    return rows
  }
}

extension String {
  /// This text with spaces behind it, up to `width` characters.
  func padded(to width: Int) -> String {
    count >= width ? self : self + String(repeating: " ", count: width - count)
  }
}
