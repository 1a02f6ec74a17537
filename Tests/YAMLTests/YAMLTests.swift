import Model
import Testing

@testable import YAML

@Suite struct YAMLTests {
  private func read(_ text: String) throws -> Value { try Value(yaml: Array(text.utf8)) }

  private func failure(_ text: String) -> String {
    do throws(YAMLError) {
      _ = try Value(yaml: Array(text.utf8))
      return "none"
    } catch {
      return error.description
    }
  }

  @Test func aKubeconfigIsRead() throws {
    let value = try read(
      """
      apiVersion: v1
      kind: Config
      current-context: "dev"   # a comment
      clusters:
      - name: dev
        cluster: { server: https://10.0.0.1:6443, insecure-skip-tls-verify: true }
      users:
      - name: me
        user:
          exec:
            command: aws
            args: [eks, get-token]
            env: null
          token: |
            line one
            line two
      """)
    #expect(value["clusters"]?[0]?["cluster"]?["server"] == "https://10.0.0.1:6443")
    #expect(value["clusters"]?[0]?["cluster"]?["insecure-skip-tls-verify"] == true)
    #expect(value["users"]?[0]?["user"]?["exec"]?["args"] == ["eks", "get-token"])
    #expect(value["users"]?[0]?["user"]?["exec"]?["env"] == .null)
    #expect(value["users"]?[0]?["user"]?["token"] == "line one\nline two")
  }

  @Test(
    arguments: [
      ("", .null), ("~", .null), ("null", .null), ("true", true), ("False", false), ("yes", "yes"), ("on", "on"),
      ("0", 0), ("-12", -12), ("+3", 3), ("0x1F", 31), ("0o17", 15), ("017", 17), ("1.5", 1.5), ("-.5e2", -50.0),
      ("1.", 1.0), ("6e3", 6000.0), ("1e", "1e"), (".", "."), ("1.2.3", "1.2.3"), ("-", [.null]), ("1_000", "1_000"),
      (".inf", ".inf"), ("99999999999999999999", 99_999_999_999_999_999_999.0), ("2026-11-20", "2026-11-20"),
      ("\"12\"", "12"), ("'true'", "true"), ("!!str 12", "12"), ("0x", "0x"),
    ] as [(String, Value)]) func scalarsAreThoseOfTheCoreSchema(text: String, value: Value) throws
  {
    #expect(try read(text) == value)
  }

  @Test func anchorsAndMergesAreFollowed() throws {
    let value = try read(
      """
      base: &base { a: 1, b: [x] }
      other: &other { a: 2, c: 3 }
      copy: *base
      merged: { <<: *base, b: own }
      both: { <<: [*base, *other] }
      quoted: { "<<": 1 }
      """)
    #expect(value["copy"] == ["a": 1, "b": ["x"]])
    #expect(value["merged"] == ["a": 1, "b": "own"])
    #expect(value["both"] == ["a": 1, "b": ["x"], "c": 3])
    #expect(value["quoted"] == ["<<": 1])
  }

  @Test func theFirstDocumentCounts() throws {
    #expect(try read("---\na: 1\n---\nb: 2\n") == ["a": 1])
    #expect(try read("# nothing\n") == .null)
    #expect(try read("%YAML 1.1\n---\nx\n") == "x")
  }

  /// Nine lines that would unfold into a billion values.
  @Test func aBombOfAliasesIsRefusedBeforeItUnfolds() {
    var text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    for level in 1...9 {
      text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
    }
    #expect(failure(text).contains("unfolds into more than 200000 values"))
    let long =
      "a: &a \"\(String(repeating: "x", count: 1 << 20))\"\nb: ["
      + Array(repeating: "*a", count: 40).joined(separator: ", ") + "]\n"
    #expect(failure(long).contains("unfolds into more than 33554432 bytes"))
  }

  @Test func deepNestingIsRefused() {
    #expect(failure(String(repeating: "[", count: 100_000)).contains("nested deeper"))
    #expect(failure(String(repeating: "{a: ", count: 100_000)).contains("nested deeper"))
    var text = "a0: &a0 [1]\n"
    for level in 1...200 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(failure(text).contains("nested deeper"))
  }

  @Test(arguments: [
    ("a: [1, 2", "at line"), ("a: 1\n b: 2", "at line 2"), ("a: 1\na: 2", "the key `a` comes twice"),
    ("[1]: 2", "a key is no text"), ("a: *nothing", "`nothing` names nothing"), ("a: &a [*a]", "`a` names nothing"),
    ("<<: 1", "merges tables alone"), ("\u{0}", "not valid YAML"), ("a: \"\\q\"", "at line 1"), ("\t- a", "at line"),
  ]) func nonsenseIsRefusedWithItsPlace(text: String, words: String) {
    #expect(failure(text).contains(words), "\(failure(text))")
  }

  @Test func bytesThatAreNoTextAreRefused() {
    for bytes in [[0x61, 0x3a, 0x20, 0xff], [0xff, 0xfe, 0x61], [0x80]] as [[UInt8]] {
      #expect(throws: YAMLError.self) { try Value(yaml: bytes) }
    }
    #expect(throws: YAMLError.self) { try Value(yaml: Array(repeating: 0x20, count: YAMLReader.bytesMax + 1)) }
  }

  /// Whatever comes, it is read or refused.
  @Test func chanceNeverBreaksIt() {
    var chance = SystemRandomNumberGenerator()
    let pieces = [
      "a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "<<: ", "\"", "'", "|", "#", "!!", "?",
    ]
    for _ in 0..<2_000 {
      let text = (0..<20).map { _ in pieces.randomElement(using: &chance) ?? "" }.joined()
      _ = failure(text)
    }
  }
}
