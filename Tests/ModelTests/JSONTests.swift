import FoundationEssentials
import Model
import Testing

@Suite struct JSONTests {
  @Test(
    arguments: [
      ("0", Value.int(0)), ("-0", 0), ("-12", -12), ("9223372036854775807", .int(.max)),
      ("-9223372036854775808", .int(.min)), ("9223372036854775808", .double(9_223_372_036_854_775_808)),
      ("1.0", .double(1)), ("1e3", .double(1_000)), ("-1.5E-2", .double(-0.015)), (" [ ] ", []), ("{ }", [:]),
      (#""\u00e9\ud83d\ude00\/\b\f""#, .string("é😀/\u{8}\u{c}")), (#"{"a":1,"a":2}"#, ["a": 2]), ("null", .null),
      ("\n[true,\tfalse\r]", [true, false]),
    ] as [(String, Value)])
  func documentsAreRead(text: String, value: Value) throws {
    #expect(try Value(json: text) == value)
  }

  @Test(arguments: [
    "", " ", "01", "-", "1.", ".5", "1e", "1e+", "+1", "0x1", "1e999", "NaN", "tru", "nul", "[1,]", "[1 2]", "[", "]",
    "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:2}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
    "\"\\ud800\\u0041\"",
    "\"\\udc00\"", "\"a\nb\"", "1 2", "[1]]", "'a'", "/**/1", "\u{FEFF}1",
  ])
  func whatIsNoDocumentIsRefused(text: String) {
    #expect(throws: JSONError.self) { try Value(json: text) }
  }

  @Test func bytesThatAreNoTextAreRefused() {
    for bytes in [[0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0x5C, 0x6E, 0xED, 0xA0, 0x80, 0x22]] as [[UInt8]] {
      #expect(throws: JSONError.self) { try Value(json: bytes) }
    }
  }

  @Test func theErrorSaysWhere() {
    #expect(throws: JSONError("not valid JSON: `,` or `]` should be here, at byte 4")) { try Value(json: "[12 3]") }
    #expect(throws: JSONError("not valid JSON: it ends where a value should be, at byte 5")) {
      try Value(json: "{\"a\":")
    }
  }

  @Test func nestingIsTakenUpToItsLimit() throws {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    #expect(try Value(json: nested(Limits.messageDepth)).json() == nested(Limits.messageDepth))
    #expect(throws: JSONError.self) { try Value(json: nested(Limits.messageDepth + 1)) }
  }

  @Test func prettyTextIsIndented() {
    let value: Value = ["b": [1, ["c": "x\u{1}\"\\"]], "a": [:], "z": []]
    #expect(
      value.json(pretty: true) == """
        {
          "a": {},
          "b": [
            1,
            {
              "c": "x\\u0001\\"\\\\"
            }
          ],
          "z": []
        }
        """)
  }

  /// Random documents are read as Foundation reads them, and damaged ones are refused where it refuses them.
  @Test func readingAgreesWithFoundation() throws {
    var random = Random(seed: 42)
    for _ in 0..<2_000 {
      let value = random.value(depth: 4)
      var bytes = Array(value.json(pretty: Bool.random(using: &random)).utf8)
      #expect(try Value(json: bytes) == value)
      if Bool.random(using: &random), !bytes.isEmpty {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        bytes[index] = UInt8.random(in: 0x09...0x7E, using: &random)
      }
      let ours = try? Value(json: bytes)
      let theirs = try? JSONDecoder().decode(Value.self, from: Data(bytes))
      #expect((ours == nil) == (theirs == nil), "\(String(decoding: bytes, as: UTF8.self))")
    }
  }

  @Test func aSpecIsWrittenAndReadAsCodableDoesIt() throws {
    let source = Source(
      kind: .code, manifest: "00ff", entryPoint: ["a", "ü \"q\""], python: "3.11", requirements: "requirements.txt")
    let job = JobVersion(
      entity: "e", project: "p", name: "n", version: 3, aliases: ["latest"], source: source, digest: "d", author: "a",
      createdAt: 1_760_000_000.25)
    let place = Place(file: "q.lua", line: 3, column: 4, length: 5)
    let needs = [
      Need(.driver(target: "t"), why: "w", place: place), Need(.capability(.gpu, target: "t"), why: ""),
      Need(.builder(source: .git, target: "t"), why: "x"),
      Need(.builder(source: .code, target: "t", name: "kaniko"), why: "y"),
    ]
    let overrides = Overrides(
      args: [], runConfig: ["lr": 0.1, "n": [1, .null, ["x": false]], "big": .int(.min)], entryPoint: ["e"])
    let full = RunSpec(
      job: job, source: source, overrides: overrides, target: "process", resource: ["a": [1.5]], needs: needs,
      timeout: 1.5, grace: 10, retriesLost: true, generation: 7)
    let least = RunSpec(
      job: nil, source: Source(kind: .image, entryPoint: []), overrides: Overrides(), target: "", resource: .null,
      needs: [], timeout: nil, grace: 0, retriesLost: false, generation: 0)
    var git = full
    git.source = Source(
      kind: .git,
      git: GitSource(
        url: "https://h/x", commit: "00ff", ref: "main", folder: "a/b", secret: "git-h", user: "bot"), entryPoint: ["a"]
    )
    git.job?.inputs = Inputs(inferredFrom: ["lr": 0.5, "opt": ["name": "adam"]])
    var image = full
    image.source = Source(kind: .image, image: try ImageReference("alpine:3.20"), entryPoint: [])
    for spec in [full, least, git, image] {
      #expect(try RunSpec(json: spec.json()) == spec)
      #expect(try RunSpec(json: Array(JSONEncoder().encode(spec))) == spec)
      #expect(try JSONDecoder().decode(RunSpec.self, from: Data(spec.json())) == spec)
    }
    var later = try #require(Value(json: full.json()).objectValue)
    later["colour"] = ["unknown": [1, 2]]
    #expect(try RunSpec(json: Array(Value.object(later).json().utf8)) == full)
    later["target"] = nil
    #expect(throws: JSONError.self) { try RunSpec(json: Array(Value.object(later).json().utf8)) }
  }

  /// What was stored before queues could name their builders.
  @Test func aNeedOfAnyBuilderIsWrittenAsItEverWas() throws {
    let stored = #"[{"kind":{"builder":{"source":"git","target":"t"}},"why":"x"}]"#
    let needs = [Need(.builder(source: .git, target: "t"), why: "x")]
    #expect(try JSONDecoder().decode([Need].self, from: Data(stored.utf8)) == needs)
    #expect(try Value(encoding: needs) == Value(json: stored))
    let spec = RunSpec(
      job: nil, source: Source(kind: .git, entryPoint: []), overrides: Overrides(), target: "t", resource: .null,
      needs: needs, timeout: nil, grace: 0, retriesLost: false, generation: 0)
    #expect(try Value(json: spec.json())["needs"] == Value(json: stored))
    #expect(try RunSpec(json: spec.json()).builder == nil)
  }
}

extension JSONTests {
  @Test func aRetryPolicyIsWrittenAndReadAsCodableDoesIt() throws {
    for policy in [.never, RetryPolicy(max: 3, on: Set(RetryPolicy.Cause.allCases), delay: 1.5, delayMax: 60)] {
      #expect(try RetryPolicy(json: policy.json()) == policy)
      #expect(try RetryPolicy(json: Array(JSONEncoder().encode(policy))) == policy)
      #expect(try JSONDecoder().decode(RetryPolicy.self, from: Data(policy.json())) == policy)
    }
    #expect(throws: JSONError.self) { try RetryPolicy(json: Array(#"{"on":["whim"]}"#.utf8)) }
  }
}

/// SplitMix64: the same seed gives the same numbers everywhere.
private struct Random: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func value(depth: Int) -> Value {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &self) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &self))
    case 2: return .int(Int64.random(in: -1_000...1_000, using: &self))
    case 3: return .int(Int64(bitPattern: next()))
    case 4: return .double(Double.random(in: -1e6...1e6, using: &self))
    case 5: return .string(text())
    case 6: return .array((0..<Int.random(in: 0..<4, using: &self)).map { _ in value(depth: depth - 1) })
    default:
      var fields: [String: Value] = [:]
      for _ in 0..<Int.random(in: 0..<4, using: &self) { fields[text()] = value(depth: depth - 1) }
      return .object(fields)
    }
  }

  mutating func text() -> String {
    let alphabet = Array("ab\"\\/\n\t\u{1}é😀{}[]:, ")
    return String(
      (0..<Int.random(in: 0..<8, using: &self)).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &self)] })
  }
}
