import Model

/// What an edit of the files would change, in words: declared against running.
public struct ConfigurationDiff: Sendable {
  public enum Change: Sendable, Hashable {
    case added(QueueID)
    case removed(QueueID)
    case changed(QueueID, [Difference])
  }

  public struct Difference: Sendable, Hashable {
    public var path: String
    /// As JSON; nil where it is not there.
    public var before: String?
    public var after: String?
  }

  public var changes: [Change]
  public var isEmpty: Bool { changes.isEmpty }

  /// Compares what queues say, in the words of their files.
  public init(from old: [QueueID: Value], to new: [QueueID: Value]) {
    changes = Set(old.keys).union(new.keys).sorted().compactMap { id in
      switch (old[id], new[id]) {
      case (nil, _?): return .added(id)
      case (_?, nil): return .removed(id)
      case (let before?, let after?):
        let differences = Self.differences(before, after)
        return differences.isEmpty ? nil : .changed(id, differences)
      case (nil, nil): return nil
      }
    }
  }

  public func render() -> String {
    if isEmpty { return "no difference\n" }
    var out = ""
    for change in changes {
      switch change {
      case .added(let id): out += "+ queue \(id.text)\n"
      case .removed(let id): out += "- queue \(id.text)\n"
      case .changed(let id, let differences):
        out += "~ queue \(id.text)\n"
        for difference in differences {
          switch (difference.before, difference.after) {
          case (nil, let after?): out += "    + \(difference.path) = \(after)\n"
          case (let before?, nil): out += "    - \(difference.path) = \(before)\n"
          case (let before?, let after?): out += "    ~ \(difference.path): \(before) -> \(after)\n"
          case (nil, nil): break
          }
        }
      }
    }
    return out
  }

  public var json: Value {
    .array(
      changes.map { change in
        switch change {
        case .added(let id): ["change": "added", "queue": .string(id.text)]
        case .removed(let id): ["change": "removed", "queue": .string(id.text)]
        case .changed(let id, let differences):
          [
            "change": "changed", "queue": .string(id.text),
            "differences": .array(
              differences.map {
                [
                  "path": .string($0.path), "before": $0.before.map(Value.string) ?? .null,
                  "after": $0.after.map(Value.string) ?? .null,
                ]
              }),
          ]
        }
      })
  }

  private static func differences(_ before: Value, _ after: Value, _ path: Path = []) -> [Difference] {
    if means(before, after) { return [] }
    if case .object(let old) = before, case .object(let new) = after {
      return Set(old.keys).union(new.keys).sorted().flatMap { key -> [Difference] in
        let inner = path + [.key(key)]
        switch (old[key], new[key]) {
        case (let old?, let new?): return differences(old, new, inner)
        case (let old?, nil): return [Difference(path: inner.text, before: old.json(), after: nil)]
        case (nil, let new?): return [Difference(path: inner.text, before: nil, after: new.json())]
        case (nil, nil): return []
        }
      }
    }
    return [Difference(path: path.text, before: before.json(), after: after.json())]
  }

  /// Whether two values say the same. 64 and 64.0 do: which one it is depends on how a value travelled.
  private static func means(_ one: Value, _ other: Value) -> Bool {
    switch (one, other) {
    case (.int, .double), (.double, .int): one.doubleValue == other.doubleValue
    case (.array(let items), .array(let others)):
      items.count == others.count && zip(items, others).allSatisfy { means($0, $1) }
    case (.object(let fields), .object(let others)):
      fields.count == others.count && fields.allSatisfy { key, value in others[key].map { means(value, $0) } ?? false }
    default: one == other
    }
  }
}
