import Testing

@testable import Model

struct DocumentTests {
  let queue = Origin(.queue("q"))

  @Test func jsonKeepsWholeNumbersApartAndSortsKeys() throws {
    let value = try Value(json: #"{"b":1,"a":1.5,"c":[true,null,"x\u0041\n"],"big":9007199254740993}"#)
    #expect(value.json() == #"{"a":1.5,"b":1,"big":9007199254740993,"c":[true,null,"xA\n"]}"#)
    #expect(try Value(json: value.json(pretty: true)) == value)
  }

  @Test func aBombOfBracketsIsAnErrorAndNotACrash() {
    #expect(throws: JSONError.self) { try Value(json: String(repeating: "[", count: 1_000_000)) }
    #expect(throws: JSONError.self) { try Value(json: "{\"a\":") }
  }

  @Test func laterTablesWinKeyByKeyAndNullRemoves() {
    let base = Node(["a": ["x": 1, "y": 2], "l": [1, 2]], queue)
    let over = Node(["a": ["y": 3], "l": [9], "n": 4], Origin(.run))
    #expect(base.overlaid(with: over).value == ["a": ["x": 1, "y": 3], "l": [9], "n": 4])
    #expect(base.overlaid(with: Node(["a": .null], Origin(.run))).value == ["l": [1, 2]])
  }

  @Test func anUnsetHoleRemovesItsKeyAndAFilledOneKeepsItsType() {
    let hole = Node.hole(Hole(name: "gpus", schema: Schema(.int(min: 1, max: 8))), queue)
    let node = Node.table(["gpus": hole, "other": Node(1, queue)], queue)
    #expect(node.filled(with: [:]).value == ["other": 1])
    #expect(node.filled(with: ["gpus": 4]).value == ["other": 1, "gpus": 4])
  }

  @Test func everyMisfitIsReportedAtOnceWithItsPath() {
    let schema = Schema(
      .table([
        .init(key: "gpus", schema: Schema(.int(min: 1, max: 8))),
        .init(key: "time", schema: Schema(.duration(min: nil, max: nil), isRequired: true)),
        .init(key: "env", schema: Schema(.map(Schema(.string(pattern: nil))))),
        .init(key: "token", schema: Schema(.secret)),
      ]))
    let node = Node(["gpus": 9, "env": ["A": 1], "token": "abc", "gpu": 1], queue)
    let misfits = schema.misfits(of: node)
    #expect(misfits.map(\.path.text) == ["env.A", "gpu", "gpus", "token", ""])
    #expect(misfits.map(\.sentence)[4] == "`time` is missing")
    #expect(misfits.map(\.sentence)[3].contains("never the text itself"))
  }

  @Test(arguments: [
    ("90s", 90.0), ("1h30m", 5400), ("12h", 43200), ("7d", 604800), ("250ms", 0.25), ("5", 5),
  ]) func durations(text: String, seconds: Double) {
    #expect(Quantity.seconds(text) == seconds)
  }

  @Test(arguments: [
    "", "h", "1x", "1h30", "-5s", "1..5s", ".5s", "1e9s", "9999999999999999999999999999999999999999999s",
  ])
  func noDurations(text: String) { #expect(Quantity.seconds(text) == nil) }

  @Test func sizes() {
    #expect(Quantity.bytes("512Mi") == 512 << 20)
    #expect(Quantity.bytes("4GiB") == 4 << 30)
    #expect(Quantity.bytes("10G") == 10_000_000_000)
    #expect(Quantity.bytes("64k") == 64_000)
    #expect(Quantity.bytes("99999999P") == nil)
  }

  @Test func macrosAreFilledAndUnknownOnesStay() {
    let value: Value = ["a": "x-${run_id}-${HOME}", "b": ["$${run_id}", "${"]]
    #expect(Macro.expand(value, ["run_id": "r1"]) == ["a": "x-r1-${HOME}", "b": ["${run_id}", "${"]])
    #expect(Macro.references(in: "${a}$${b}${c}") == ["a", "c"])
  }

  @Test func globsAreLinearAndRight() {
    #expect(Glob.matches("a-b-c", "a*c") && Glob.matches("abc", "a?c") && !Glob.matches("abd", "a?c"))
    #expect(!Glob.matches(String(repeating: "a", count: 5_000), String(repeating: "a*", count: 60) + "b"))
  }

  @Test func namesAreSafeEverywhere() {
    #expect(Name.safe("job-https://github.com/a/b train.py") == "job-https-github.com-a-b-train.py")
    #expect(Name.problem(with: "a/b") != nil && Name.problem(with: "-a") != nil && Name.problem(with: "a.b_c-1") == nil)
    #expect(JobReference("e/p/n:v3")?.version == 3)
    #expect(JobReference("n")?.alias == "latest")
    #expect(JobReference("a/b/c/d") == nil && JobReference("") == nil && JobReference("n:") == nil)
  }

  @Test func whatImpliesACapabilityIsFoundInHolesToo() {
    let schema = Schema(.table([.init(key: "gpus", schema: Schema(.int(min: 0, max: nil), implies: .gpu))]))
    #expect(schema.implied(by: Node(["gpus": 0], queue)).isEmpty)
    #expect(schema.implied(by: Node(["gpus": 2], queue)).map(\.capability) == [.gpu])
    let hole = Node.table(["gpus": .hole(Hole(name: "g", schema: Schema(.int(min: 0, max: 8))), queue)], queue)
    #expect(schema.implied(by: hole).map(\.path.text) == ["gpus"])
  }
}
