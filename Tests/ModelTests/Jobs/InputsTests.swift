import Testing

@testable import Model

struct InputsTests {
  private let config: [String: Value] = [
    "lr": 0.1, "epochs": 3, "name": "x", "fast": true, "note": .null, "sizes": [1, 2], "mixed": [1, 0.5],
    "any": [1, "a"],
    "opt": ["name": "adam", "decay": 0.5],
  ]

  @Test func typesAreInferredAndValuesBecomeDefaults() {
    let inputs = Inputs(inferredFrom: config)
    #expect(
      inputs.fields.mapValues(\.text) == [
        "lr": "number", "epochs": "integer", "name": "text", "fast": "true or false", "note": "anything",
        "sizes": "list of integer", "mixed": "list of number", "any": "list", "opt": "table",
      ])
    #expect(inputs.completed([:]) == config)
    #expect(inputs.problems(in: config).isEmpty)
  }

  @Test func whatARunSetsWinsOverTheDefaultKeyByKey() {
    let whole = Inputs(inferredFrom: config).completed(["lr": 1, "opt": ["name": "sgd"], "sizes": []])
    #expect(whole["lr"] == 1)
    #expect(whole["opt"] == ["name": "sgd", "decay": 0.5])
    #expect(whole["sizes"] == [])
    #expect(whole["epochs"] == 3)
  }

  @Test func everyMisfitIsToldWithItsPath() {
    let problems = Inputs(inferredFrom: config).problems(in: [
      "lrr": 1, "epochs": 1.5, "name": 3, "fast": "yes", "sizes": [1, "2"], "opt": ["nam": 1, "decay": "x"],
      "lr": 2, "note": ["anything"],
    ])
    #expect(
      problems.map { "\($0.code) \($0.message)\($0.help.map { "; \($0)" } ?? "")" } == [
        "S0017 the job's input `epochs` must be integer, not number 1.5; where fractions are meant, write the default as "
          + "1.0 in the config that the job is made with",
        #"S0017 the job's input `fast` must be true or false, not text "yes""#,
        "S0016 the job has no input `lrr`; did you mean `lr`? (number)",
        "S0017 the job's input `name` must be text, not integer 3",
        #"S0017 the job's input `opt.decay` must be number, not text "x""#,
        "S0016 the job has no input `opt.nam`; did you mean `opt.name`? (text)",
        #"S0017 the job's input `sizes[1]` must be integer, not text "2""#,
      ])
  }

  @Test func theyAreJSONSchemaAndReadBack() throws {
    let inputs = Inputs(inferredFrom: config)
    #expect(try Inputs(schema: inputs.schema) == inputs)
    #expect(inputs.schema["additionalProperties"] == false)
    #expect(inputs.schema["properties"]?["lr"] == ["type": "number", "default": 0.1])
    #expect(inputs.schema["properties"]?["opt"]?["properties"]?["name"] == ["type": "string", "default": "adam"])
  }

  @Test func rulesOfASchemaAreKept() throws {
    let inputs = try Inputs(
      schema: [
        "type": "object", "required": ["lr"],
        "properties": [
          "lr": ["type": "number", "minimum": 0, "maximum": 1], "mode": ["enum": ["a", "b"]],
          "seed": ["type": ["integer", "null"]],
        ],
      ])
    #expect(inputs.isOpen, "JSON Schema takes other names unless it says that it does not")
    #expect(inputs.problems(in: ["lr": 0.5, "mode": "a", "seed": .null, "more": 1]).isEmpty)
    #expect(
      inputs.problems(in: ["mode": "c", "seed": "x"]).map(\.message) == [
        #"the job's input `mode` must be one of "a", "b", not text "c""#,
        #"the job's input `seed` must be integer or null, not text "x""#, "the job's input `lr` is missing",
      ])
    #expect(
      inputs.problems(in: ["lr": 2]).map(\.message) == ["the job's input `lr` must be number, 0 to 1, not integer 2"])
    #expect(try Inputs(schema: inputs.schema) == inputs)
  }

  @Test(
    arguments: [
      ["type": "array"], ["type": "object", "properties": ["a": ["type": "int"]]],
      ["type": "object", "properties": ["a": ["type": "string", "pattern": "x"]]],
      ["type": "object", "required": ["a"]], ["type": "object", "properties": ["a": 1]], 1,
      ["type": "object", "properties": 1], ["type": "object", "required": "a"],
      ["type": "object", "additionalProperties": "no"],
      ["type": "object", "properties": ["a": ["type": "integer", "minimum": "3"]]],
      ["type": "object", "properties": ["a": ["type": "integer", "maximum": .null]]],
      ["type": "object", "properties": ["a": ["enum": "x"]]],
    ] as [Value])
  func aRuleThatWouldNotBeKeptIsRefused(_ schema: Value) {
    #expect(throws: SourceProblem.self) { try Inputs(schema: schema) }
  }
}
