/// What a value may be: the type that a plugin declares for its settings and resource, and a queue for its variables.
public struct Schema: Sendable, Hashable, Codable {
  public indirect enum Kind: Sendable, Hashable, Codable {
    case string(pattern: String?)
    case int(min: Int64?, max: Int64?)
    case number(min: Double?, max: Double?)
    case bool
    case choice([Value])
    /// Text such as `12h`, kept as written; compared in seconds.
    case duration(min: Double?, max: Double?)
    /// Text such as `4Gi` or a number of bytes.
    case size(min: Int64?, max: Int64?)
    /// Only `secret "name"` fits; never a plain text.
    case secret
    case list(Schema, min: Int?, max: Int?)
    /// Any keys, values of one schema.
    case map(Schema)
    /// These keys and no others.
    case table([Field])
    /// An open document: anything, the target's own API judges it.
    case any
    case oneOf([Schema])
  }

  public struct Field: Sendable, Hashable, Codable {
    public var key: String
    public var schema: Schema
    public init(key: String, schema: Schema) {
      self.key = key
      self.schema = schema
    }
  }

  public var kind: Kind
  public var isRequired: Bool
  public var defaultValue: Value?
  public var doc: String?
  /// A capability that the target must provide where this is set to anything but false, 0, nothing or an empty list.
  public var implies: Capability?
  /// Where the schema was declared.
  public var place: Place?

  public init(
    _ kind: Kind, isRequired: Bool = false, defaultValue: Value? = nil, doc: String? = nil,
    implies: Capability? = nil, place: Place? = nil
  ) {
    self.kind = kind
    self.isRequired = isRequired
    self.defaultValue = defaultValue
    self.doc = doc
    self.implies = implies
    self.place = place
  }

  /// The fields of a table; empty for other kinds.
  public var fields: [Field] {
    if case .table(let fields) = kind { fields } else { [] }
  }

  /// What fits, as people read it: `integer, 1 to 8`, `one of "a", "b"`, `duration such as 12h`.
  public var text: String {
    switch kind {
    case .string(let pattern): pattern.map { "text that matches `\($0)`" } ?? "text"
    case .int(let min, let max): "integer" + range(min.map { "\($0)" }, max.map { "\($0)" })
    case .number(let min, let max): "number" + range(min.map(Schema.text), max.map(Schema.text))
    case .bool: "true or false"
    case .choice(let values): "one of " + values.map { $0.json() }.joined(separator: ", ")
    case .duration(let min, let max):
      "duration such as \"12h\""
        + range(min.map { Quantity.text(seconds: $0) }, max.map { Quantity.text(seconds: $0) })
    case .size(let min, let max):
      "size such as \"4Gi\"" + range(min.map { Quantity.text(bytes: $0) }, max.map { Quantity.text(bytes: $0) })
    case .secret: "secret \"name\""
    case .list(let item, _, _): "list of \(item.text)"
    case .map(let item): "table of \(item.text)"
    case .table(let fields): "table with " + fields.map { "`\($0.key)`" }.joined(separator: ", ")
    case .any: "anything"
    case .oneOf(let schemas): schemas.map(\.text).joined(separator: ", or ")
    }
  }

  /// A number without the `.0` of a whole one.
  private static func text(_ number: Double) -> String {
    Int64(exactly: number).map(String.init) ?? String(number)
  }

  private func range(_ min: String?, _ max: String?) -> String {
    switch (min, max) {
    case (let min?, let max?): ", \(min) to \(max)"
    case (let min?, nil): ", \(min) or more"
    case (nil, let max?): ", \(max) or less"
    case (nil, nil): ""
    }
  }
}
