import Testing

@testable import Model

/// What a submitter may change of a queue's resource, and nothing more.
struct SubmissionTests {
  private static let origin = Origin(.queue("q"))

  private static func hole(_ name: String, _ kind: Schema.Kind, default value: Value? = nil) -> Node {
    .hole(Hole(name: name, schema: Schema(kind, defaultValue: value)), origin)
  }

  /// A queue whose variables are those of its holes.
  private static func queue(_ resource: [String: Node], _ override: Queue.Override = .variables) -> Queue {
    let node = Node.table(resource, origin)
    return Queue(
      name: "q", entity: "e", target: "t", resource: node, override: override,
      variables: Dictionary(node.holes.map { ($0.hole.name, $0.hole.schema) }) { first, _ in first })
  }

  private static func codes(_ submission: Submission, _ queue: Queue, _ schema: Schema? = nil) -> [String] {
    submission.resource(in: queue, schema: schema).problems.map(\.code)
  }

  private static func submission(_ variables: [String: Value]? = nil, _ arguments: Value? = nil) -> Submission {
    Submission(job: "j", queue: "q", resourceArgs: arguments.map { ["t": $0] }, variables: variables)
  }

  // MARK: secrets

  @Test(
    "no run names a secret of its own, whatever stands beside the name",
    arguments: [
      ["x": ["$secret": "root"]], ["x": ["$secret": "root", "gone": .null]], ["x": ["$secret": "root", "more": 1]],
      ["x": [["$secret": "root", "gone": .null]]], ["x": ["$join": ["a", ["$secret": "root", "gone": .null]]]],
      ["x": ["$base64": ["$secret": "root", "gone": .null]]], ["$secret": "root", "gone": .null],
    ] as [Value])
  func secretInArguments(_ arguments: Value) {
    let queue = Self.queue(["x": .table([:], Self.origin)], .any)
    #expect(Self.codes(Self.submission(nil, arguments), queue) == ["S0014"])
  }

  @Test(
    "a variable that takes anything takes no secret",
    arguments: [
      ["$secret": "root"], ["$secret": "root", "gone": .null], ["deep": [["$secret": "root"]]], ["$join": ["a"]],
    ] as [Value])
  func secretInVariable(_ value: Value) {
    let queue = Self.queue(["x": Self.hole("v", .any), "y": Self.hole("m", .map(Schema(.any)))])
    #expect(Self.codes(Self.submission(["v": value]), queue) == ["S0014"])
    #expect(Self.codes(Self.submission(["m": ["k": value]]), queue) == ["S0014"])
  }

  @Test func aVariableOfThatTypeTakesASecretAndNothingThatHidesOne() {
    let either = Schema.Kind.oneOf([Schema(.secret), Schema(.any)])
    let queue = Self.queue(["x": Self.hole("v", .secret), "y": Self.hole("w", either)])
    let (node, problems) = Self.submission(["v": ["$secret": "mine"]]).resource(in: queue)
    #expect(problems.isEmpty, "\(problems)")
    #expect(node.value["x"] == ["$secret": "mine"])
    #expect(Self.codes(Self.submission(["v": ["$secret": "a", "b": .null]]), queue) == ["S0003", "S0014"])
    #expect(Self.codes(Self.submission(["w": ["$secret": "a", "b": .null]]), queue) == ["S0014"])
    #expect(Self.codes(Self.submission(["v": "text"]), queue) == ["S0003"])
  }

  // MARK: bounds

  @Test(arguments: [9, .null, "4", ["a": 1]] as [Value])
  func theBoundsOfAVariableHoldWhicheverWayItIsGiven(_ value: Value) {
    let queue = Self.queue(["gpus": Self.hole("gpus", .int(min: 1, max: 8), default: 1)], .only(["gpus"]))
    #expect(Self.codes(Self.submission(["gpus": value]), queue) == ["S0003"])
    #expect(Self.codes(Self.submission(nil, ["gpus": value]), queue) == ["S0003"])
  }

  @Test func aKeyThatIsAHoleOfItsNameIsSetAsThatVariableIs() {
    let queue = Self.queue(["gpus": Self.hole("gpus", .int(min: 1, max: 8), default: 1)], .only(["gpus"]))
    let (node, problems) = Self.submission(nil, ["gpus": 4]).resource(in: queue)
    #expect(problems.isEmpty, "\(problems)")
    #expect(node.value == ["gpus": 4])
  }

  @Test func aNameInOverrideThatIsAVariableOpensNoOtherKey() {
    let limits = Node.table(["gpu": Self.hole("gpus", .int(min: 1, max: 8), default: 1)], Self.origin)
    let queue = Self.queue(["limits": limits, "gpus": Node("all", Self.origin)], .only(["gpus"]))
    #expect(Self.codes(Self.submission(nil, ["gpus": "none"]), queue) == ["S0002"])
    #expect(Self.codes(Self.submission(["gpus": 2]), queue).isEmpty)
    #expect(Self.codes(Self.submission(nil, ["limits": ["gpu": 99]]), queue) == ["S0002"])
    var open = queue
    open.override = .only(["limits"])
    #expect(Self.codes(Self.submission(nil, ["limits": ["gpu": 99]]), open).isEmpty, "the whole key was opened")
  }

  @Test func everyHoleOfAVariableKeepsItsOwnBounds() {
    let queue = Self.queue([
      "a": Self.hole("n", .int(min: nil, max: 8)), "b": Self.hole("n", .int(min: nil, max: 4)),
    ])
    #expect(Self.codes(Self.submission(["n": 4]), queue).isEmpty)
    #expect(Self.codes(Self.submission(["n": 6]), queue) == ["S0003"])
  }

  @Test func nothingIsSetWhereTheQueueOpensNothing() {
    let shut = Self.queue(["n": Self.hole("n", .int(min: nil, max: nil))], .none)
    #expect(Self.codes(Self.submission(["n": 1], ["n": 1]), shut) == ["S0002", "S0002"])
    let plain = Self.queue(["n": Self.hole("n", .int(min: nil, max: nil)), "k": Node(1, Self.origin)])
    #expect(Self.codes(Self.submission(nil, ["k": 2]), plain) == ["S0002"])
    #expect(Self.codes(Self.submission(nil, ["new": 2]), plain) == ["S0002"])
    #expect(Self.codes(Submission(job: "j", queue: "q", resourceArgs: ["other": [:]]), plain) == ["S0004"])
    #expect(Self.codes(Self.submission(nil, [1]), plain) == ["S0005"])
    #expect(Self.codes(Self.submission(["m": 1]), plain) == ["S0001"])
  }

  @Test func aVariableWithoutAValueAndAResourceThatDoesNotFitAreTold() {
    var hole = Hole(name: "n", schema: Schema(.int(min: nil, max: nil)))
    hole.schema.isRequired = true
    let queue = Self.queue(["n": .hole(hole, Self.origin)])
    #expect(Self.codes(Self.submission(), queue) == ["S0006"])
    let schema = Schema(.table([.init(key: "n", schema: Schema(.int(min: 1, max: 8)))]))
    #expect(Self.codes(Self.submission(["n": 9]), queue, schema) == ["S0007"])
    #expect(Self.codes(Self.submission(["n": 8]), queue, schema).isEmpty)
  }

  // MARK: numbers

  @Test func wholeNumbersStandAsSuchWhereTheTargetWantsThem() {
    let schema = Schema(
      .table([
        .init(key: "gpus", schema: Schema(.int(min: nil, max: nil))),
        .init(key: "ports", schema: Schema(.list(Schema(.int(min: nil, max: nil)), min: nil, max: nil))),
        .init(key: "share", schema: Schema(.number(min: nil, max: nil))),
      ]))
    // `8 / 2` of a Lua file is 4.0, and targets refuse that for an integer.
    let resource = Node(["gpus": .double(4), "ports": [.double(80)], "share": .double(1)], Self.origin)
    var queue = Self.queue([:])
    queue.resource = resource
    let (node, problems) = Self.submission().resource(in: queue, schema: schema)
    #expect(problems.isEmpty)
    #expect(node.value.json() == #"{"gpus":4,"ports":[80],"share":1.0}"#)
  }

  @Test func aChoiceAmongNumbersDoesNotTellOneFromOnePointNought() {
    let choice = Schema(.choice([1, 2, "4"]))
    #expect(choice.misfits(of: Node(.double(2), Self.origin)).isEmpty)
    #expect(!choice.misfits(of: Node(.double(2.5), Self.origin)).isEmpty)
    #expect(!choice.misfits(of: Node(4, Self.origin)).isEmpty, "a text is no number")
    #expect(Value.int(.max).isSame(as: .int(.max)) && !Value.int(.max).isSame(as: .int(.max - 1)))
    #expect(!Value.int(9_007_199_254_740_993).isSame(as: .double(9_007_199_254_740_992)))
  }

  // MARK: holes

  @Test(
    "a hole whose values can never fit is a misfit where it is written",
    arguments: [
      (Schema.Kind.int(min: nil, max: nil), Schema.Kind.string(pattern: nil)), (.int(min: nil, max: nil), .bool),
      (.secret, .string(pattern: nil)), (.string(pattern: nil), .secret), (.bool, .choice(["on", "off"])),
      (.list(Schema(.any), min: nil, max: nil), .map(Schema(.any))), (.choice(["a"]), .int(min: nil, max: nil)),
      (.table([]), .list(Schema(.any), min: nil, max: nil)),
      (.oneOf([Schema(.bool), Schema(.secret)]), .string(pattern: nil)),
    ])
  func unfitHole(_ wanted: Schema.Kind, _ given: Schema.Kind) {
    #expect(Schema(wanted).misfits(of: Self.hole("v", given)).count == 1)
  }

  @Test(
    "a hole some of whose values fit is none",
    arguments: [
      (Schema.Kind.number(min: nil, max: nil), Schema.Kind.int(min: nil, max: nil)),
      (.size(min: nil, max: nil), .string(pattern: nil)), (.duration(min: nil, max: nil), .int(min: nil, max: nil)),
      (.string(pattern: nil), .choice(["a", 1])), (.int(min: nil, max: nil), .any), (.secret, .any),
      (.oneOf([Schema(.bool), Schema(.secret)]), .secret), (.choice(["a", "b"]), .string(pattern: nil)),
      (.map(Schema(.any)), .table([])),
      (.int(min: nil, max: nil), .oneOf([Schema(.bool), Schema(.int(min: 1, max: 2))])),
    ])
  func fitHole(_ wanted: Schema.Kind, _ given: Schema.Kind) {
    #expect(Schema(wanted).misfits(of: Self.hole("v", given)).isEmpty)
  }

  @Test func aListHasAsManyItemsAsItsTypeSays() {
    let list = Schema(.list(Schema(.any), min: 1, max: 2))
    let counts = (0...3).map { count in
      list.misfits(of: Node(.array(Array(repeating: 1, count: count)), Self.origin)).count
    }
    #expect(counts == [1, 0, 0, 1])
  }

  // MARK: depth

  @Test func whatWrapsTheDeepestDocumentCanStillBeRead() throws {
    var document: Value = 1
    for _ in 0..<Limits.documentDepth { document = ["k": document] }
    #expect(document.depth == Limits.documentDepth)
    for _ in 0..<(Limits.messageDepth - Limits.documentDepth) { document = [document] }
    #expect(try Value(json: document.json()) == document)
    #expect(throws: JSONError.self) { try Value(json: Value.array([document]).json()) }
  }
}
