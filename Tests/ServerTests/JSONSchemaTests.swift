import Model
import Testing

@testable import Server

struct JSONSchemaTests {
  private func messages(_ schema: JSONSchema, _ value: Value) -> [String] {
    schema.problems(in: value).map(\.message)
  }

  @Test func everyProblemOfABodyIsToldWithItsPlace() {
    let found = messages(
      .named("Submission"),
      ["queue": "a b", "priority": "hihg", "overrides": ["args": ["x", 4]], "jbo": "train", "name": .null])
    #expect(
      found == [
        "the body has no `job`",
        "`queue` must be a queue's name, or `entity/name`, not text \"a b\"",
        "`overrides.args[1]` must be text of at most 131072 characters without a NUL, not integer 4",
        "`priority` must be one of critical, high, medium, low, not text \"hihg\"",
        "the body has the unknown member `jbo`",
      ])
  }

  @Test func aSlipOfTheFingerIsNamed() {
    let problems = JSONSchema.named("Submission").problems(in: ["job": "j", "queue": "q", "prioritys": "high"])
    #expect(problems.map(\.help) == ["did you mean `priority`?"])
  }

  @Test func anItemOfABulkIsNamedByItsPlace() {
    let bulk = JSONSchema.either(.named("Submission"), .list(.named("Submission"), 1...3))
    #expect(messages(bulk, [["job": "j", "queue": "q"], ["job": "j"]]) == ["item 1 has no `queue`"])
    #expect(messages(bulk, []) == ["the body must have 1 to 3 items, not 0"])
    #expect(messages(bulk, 4) == ["the body must be a table or a list, not integer 4"])
  }

  @Test func wholeFractionsAreIntegersAndOthersAreNot() {
    #expect(JSONSchema.integer(0...10).fits(.double(4)))
    #expect(!JSONSchema.integer(0...10).fits(.double(4.5)))
    #expect(!JSONSchema.integer(0...10).fits(11))
    #expect(!JSONSchema.integer(0...10).fits(.double(1e300)))
    #expect(JSONSchema.number(0...10).fits(4))
  }

  @Test func aBodyThatIsWrongThroughoutIsNotToldAThousandTimes() {
    let many = Value.array((0..<10_000).map { _ in 4 })
    #expect(JSONSchema.list(.name).problems(in: many).count == JSONSchema.problemsMax)
  }

  /// The pattern in the document and the code that judges must agree, else clients are told one thing and held to
  /// another.
  @Test(arguments: [
    "a", "A-b_c.9", ".a", "-a", "", "a b", "a/b", "a/b/c", "a/b/c/d", "a:v1", "a/b:latest", "a/b:", ":v1", "é", "a\n",
    "0123456789abcdef", "abcdefgh", "ABCDEFGH", String(repeating: "a", count: 128), String(repeating: "a", count: 129),
    String(repeating: "0", count: 64), String(repeating: "g", count: 64), "a\0b", "tab\there",
  ]) func patternsSayWhatTheCodeDoes(text: String) throws {
    for form in [
      TextForm.line(1_000), .argument, .name, .runID, .jobReference, .queueReference, .sha256,
    ] {
      let pattern = try Regex(try #require(form.pattern)).asciiOnlyCharacterClasses().asciiOnlyDigits()
      #expect(form.matches(text) == (text.wholeMatch(of: pattern) != nil), "\(form) \(text.debugDescription)")
    }
  }
}
