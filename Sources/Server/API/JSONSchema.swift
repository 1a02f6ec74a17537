import Model

/// What a JSON value of the API may be: one description from which requests are judged and the OpenAPI document is
/// written, so that neither can say what the other does not.
struct JSONSchema: Sendable {
  indirect enum Kind: Sendable {
    case any
    case text(TextForm)
    case integer(ClosedRange<Int64>)
    case number(ClosedRange<Double>)
    case boolean
    case choice([String])
    case list(JSONSchema, ClosedRange<Int>)
    /// These members; others are refused.
    case object([Member])
    /// Any names, values of one schema, so many at most.
    case map(JSONSchema, Int)
    /// The first schema whose kind of value fits judges the value.
    case either([JSONSchema])
    /// The value, or null.
    case nullable(JSONSchema)
    /// A schema with a name of its own in the document.
    case named(String)
  }

  struct Member: Sendable {
    var name: String
    var schema: JSONSchema
    var isRequired: Bool
  }

  var kind: Kind
  var doc: String?

  init(_ kind: Kind, doc: String? = nil) {
    self.kind = kind
    self.doc = doc
  }

  /// This schema with a sentence for the document.
  func saying(_ doc: String) -> JSONSchema { JSONSchema(kind, doc: doc) }
}

/// The forms of text in the API, each as a pattern for the document and as code.
enum TextForm: Sendable, Hashable {
  /// Any text of at most so many characters.
  case free(Int)
  /// One line without control characters.
  case line(Int)
  /// Any text without a NUL, which no program can be given.
  case argument
  case name
  case runID
  /// `v3`, `latest`, `name:alias`, with its project and entity before it.
  case jobReference
  /// A name, or an entity and a name with a slash between.
  case queueReference
  case sha256
  /// The whole hash of a git commit.
  case commit
  case timestamp

  /// Bytes are bounded by the body; this is what a person may write into one field.
  static let argumentLength = 131_072

  var pattern: String? {
    let name = "[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
    return switch self {
    case .free: nil
    case .line: #"^[^\x00-\x1f\x7f]*$"#
    case .argument: #"^[^\x00]*$"#
    case .name: "^\(name)$"
    case .runID: "^[a-z0-9]{8}$"
    case .jobReference: "^(\(name)/){0,2}\(name)(:\(name))?$"
    case .queueReference: "^(\(name)/)?\(name)$"
    case .sha256: "^[0-9a-f]{64}$"
    case .commit: "^([0-9a-f]{40}|[0-9a-f]{64})$"
    case .timestamp: nil
    }
  }

  /// Characters at most, where the document says so.
  var lengthMax: Int? {
    switch self {
    case .free(let max): max == .max ? nil : max
    case .line(let max): max
    case .argument, .name, .runID, .jobReference, .queueReference, .sha256, .commit, .timestamp: nil
    }
  }

  /// What fits, to follow "must be".
  var words: String {
    switch self {
    case .free(let max): "text of at most \(max) characters"
    case .line(let max): "one line of at most \(max) characters"
    case .argument: "text of at most \(TextForm.argumentLength) characters without a NUL"
    case .name: "a name: letters, digits, `-`, `_` and `.`, starting with a letter or digit, at most 128"
    case .runID: "a run's id: 8 lower-case letters and digits"
    case .jobReference: "a job, such as `train`, `train:v3` or `team/project/train`"
    case .queueReference: "a queue's name, or `entity/name`"
    case .sha256: "a SHA-256 in lower-case hexadecimal"
    case .commit: "the whole hash of a commit: 40 or 64 lower-case hexadecimal digits"
    case .timestamp: "a time such as 2026-01-31T12:00:00.000Z"
    }
  }

  func matches(_ text: String) -> Bool {
    switch self {
    case .free(let max): return text.unicodeScalars.count <= max
    case .line(let max):
      return text.unicodeScalars.count <= max && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    case .argument:
      return text.unicodeScalars.count <= TextForm.argumentLength && !text.unicodeScalars.contains("\0")
    case .name: return Name.problem(with: text) == nil
    case .runID:
      return text.utf8.count == 8
        && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }
    case .jobReference: return JobReference(text) != nil
    case .queueReference:
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      return parts.count <= 2 && parts.allSatisfy { Name.problem(with: String($0)) == nil }
    case .sha256:
      return text.utf8.count == 64
        && text.utf8.allSatisfy { (0x61...0x66).contains($0) || (0x30...0x39).contains($0) }
    case .commit: return GitSource.isCommit(text)
    case .timestamp: return Timestamp.seconds(text) != nil
    }
  }
}

// MARK: Writing schemas

extension JSONSchema {
  static let any = JSONSchema(.any)
  static let boolean = JSONSchema(.boolean)
  static let name = JSONSchema(.text(.name))
  static let runID = JSONSchema(.text(.runID))
  static let sha256 = JSONSchema(.text(.sha256))
  static let timestamp = JSONSchema(.text(.timestamp))
  /// Text that the server wrote.
  static let text = JSONSchema(.text(.free(.max)))

  static func text(_ form: TextForm) -> JSONSchema { JSONSchema(.text(form)) }
  static func integer(_ range: ClosedRange<Int64> = 0...Int64(1) << 53) -> JSONSchema { JSONSchema(.integer(range)) }
  static func number(_ range: ClosedRange<Double> = 0...1e15) -> JSONSchema { JSONSchema(.number(range)) }
  static func choice<Word: RawRepresentable & CaseIterable>(_: Word.Type) -> JSONSchema where Word.RawValue == String {
    JSONSchema(.choice(Word.allCases.map(\.rawValue)))
  }
  static func choice(_ words: [String]) -> JSONSchema { JSONSchema(.choice(words)) }
  static func list(_ item: JSONSchema, _ count: ClosedRange<Int> = 0...Int.max) -> JSONSchema {
    JSONSchema(.list(item, count))
  }
  static func map(_ item: JSONSchema, max: Int = .max) -> JSONSchema { JSONSchema(.map(item, max)) }
  static func object(_ members: [Member]) -> JSONSchema { JSONSchema(.object(members)) }
  static func either(_ schemas: JSONSchema...) -> JSONSchema { JSONSchema(.either(schemas)) }
  static func named(_ name: String) -> JSONSchema { JSONSchema(.named(name)) }

  /// The value, or null.
  var orNull: JSONSchema { JSONSchema(.nullable(JSONSchema(kind)), doc: doc) }

  /// A member that must be there.
  static func field(_ name: String, _ schema: JSONSchema, _ doc: String? = nil) -> Member {
    Member(name: name, schema: doc.map(schema.saying) ?? schema, isRequired: true)
  }

  /// A member that may be left out or null.
  static func maybe(_ name: String, _ schema: JSONSchema, _ doc: String? = nil) -> Member {
    Member(name: name, schema: (doc.map(schema.saying) ?? schema).orNull, isRequired: false)
  }
}

// MARK: The document

extension JSONSchema {
  /// This schema as JSON Schema (the 2020-12 dialect, which is OpenAPI 3.1's).
  var document: Value {
    var fields: [String: Value] = [:]
    switch kind {
    case .any: break
    case .text(let form):
      fields["type"] = "string"
      fields["pattern"] = form.pattern.map(Value.string)
      fields["maxLength"] = form.lengthMax.map { .int(Int64($0)) }
      if form == .timestamp { fields["format"] = "date-time" }
    case .integer(let range):
      fields = ["type": "integer", "minimum": .int(range.lowerBound), "maximum": .int(range.upperBound)]
    case .number(let range):
      fields = ["type": "number", "minimum": .double(range.lowerBound), "maximum": .double(range.upperBound)]
    case .boolean: fields["type"] = "boolean"
    case .choice(let words): fields = ["type": "string", "enum": .array(words.map(Value.string))]
    case .list(let item, let count):
      fields = ["type": "array", "items": item.document]
      if count.upperBound < .max { fields["maxItems"] = .int(Int64(count.upperBound)) }
      if count.lowerBound > 0 { fields["minItems"] = .int(Int64(count.lowerBound)) }
    case .object(let members):
      fields = [
        "type": "object", "additionalProperties": false,
        "properties": .object(
          Dictionary(members.map { ($0.name, $0.schema.document) }, uniquingKeysWith: { first, _ in first })),
      ]
      let required = members.filter(\.isRequired).map { Value.string($0.name) }
      if !required.isEmpty { fields["required"] = .array(required) }
    case .map(let item, let max):
      fields = ["type": "object", "additionalProperties": item.document]
      if max < .max { fields["maxProperties"] = .int(Int64(max)) }
    case .either(let schemas): fields["anyOf"] = .array(schemas.map(\.document))
    case .nullable(let schema): fields = schema.nullableDocument
    case .named(let name): fields["$ref"] = .string("#/components/schemas/\(name)")
    }
    fields["description"] = doc.map(Value.string)
    return .object(fields)
  }

  private var nullableDocument: [String: Value] {
    guard case .object(var fields) = document else { return [:] }
    switch kind {
    case .any: return fields
    case .choice(let words):
      fields["type"] = ["string", "null"]
      fields["enum"] = .array(words.map(Value.string) + [.null])
    default:
      guard let type = fields["type"] else { return ["anyOf": [.object(fields), ["type": "null"]]] }
      fields["type"] = .array([type, "null"])
    }
    return fields
  }
}
