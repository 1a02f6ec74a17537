import FoundationEssentials
import Scripting
import Testing

@testable import Agent

/// Secrets are covered byte for byte, however a text is cut.
struct MaskTests {
  private static func mask(_ texts: String...) -> Mask { Mask(texts.map { Secret(name: "s", text: $0) }) }

  @Test func anOccurrenceBecomesAsManyAsterisks() {
    let mask = MaskTests.mask("hunter2", "s3cr3t-ü")
    #expect(mask.covering("key=hunter2; hunter2hunter2 hunter") == "key=*******; ************** hunter")
    #expect(mask.covering("s3cr3t-ü!") == "*********!")
    #expect(mask.covering("") == "")
  }

  @Test func occurrencesThatOverlapAreCoveredBoth() {
    #expect(MaskTests.mask("abcabc").covering("abcabcabc-abc") == "*********-abc")
    #expect(MaskTests.mask("left-mid", "mid-right").covering("left-mid-right") == "**************")
    #expect(MaskTests.mask("token", "token-long").covering("token-lon token-long") == "*****-lon **********")
  }

  @Test func whatIsTooShortIsLeftAlone() {
    #expect(MaskTests.mask("yes", "").isEmpty)
    #expect(MaskTests.mask("yes", "true").covering("yes, true") == "yes, ****")
  }

  @Test func theLinesOfASecretAreCoveredByThemselves() {
    let mask = MaskTests.mask("  first line\r\nab\nthird line\n\n")
    #expect(mask.covering("a first line b") == "a ********** b")
    #expect(mask.covering("ab third line") == "ab **********")
    #expect(mask.covering("first line\r\nab\n") == "**********\r\nab\n")
    let whole = "  first line\r\nab\nthird line"
    #expect(mask.covering(whole + "\n") == String(repeating: "*", count: whole.utf8.count) + "\n")
  }

  /// What programs make of a secret before they print it, without meaning to.
  @Test func encodedFormsAreCovered() throws {
    let text = "pa\"ss/wörd+\u{1F511}1"
    let mask = MaskTests.mask(text)
    let json = String(decoding: try JSONEncoder().encode([text]), as: UTF8.self)
    #expect(!mask.covering(json.replacing("\\/", with: "/")).contains("ss"))
    let encoded = "pa%22ss%2Fw%C3%B6rd%2B%F0%9F%94%911"
    #expect(
      mask.covering("https://u:\(encoded)@host") == "https://u:\(String(repeating: "*", count: encoded.count))@host")
    for (before, after) in [("", ""), ("u:", ""), ("us:", "\n"), ("use:", "ab"), ("user:", "abc")] {
      let encoded = Data((before + text + after).utf8).base64EncodedString()
      for shown in [encoded, encoded.replacing("+", with: "-").replacing("/", with: "_")] {
        let covered = mask.covering(shown)
        // At either end of the secret a letter has bits of its neighbours, and none but those may be left.
        let left = (before.utf8.count * 8 + 5) / 6
        #expect(covered.hasPrefix(shown.prefix(left)))
        #expect(covered.dropFirst(left).prefix { $0 == "*" }.count >= text.utf8.count * 8 / 6 - 1, "\(covered)")
      }
    }
  }

  @Test func aLongSecretIsCoveredInPieces() {
    let text = String((0..<1_000).map { "\($0 * 7_919 % 10_007)/" }.joined().prefix(1_000))
    let mask = MaskTests.mask(text)
    #expect(mask.covering("<\(text)>") == "<\(String(repeating: "*", count: 1_000))>")
    // A part that was printed is as good as a key.
    let shown = mask.covering(String(text.prefix(300)))
    #expect(shown == String(repeating: "*", count: 256) + text.prefix(300).suffix(44))
    var stream = MaskedStream(mask)
    _ = stream.take(Array(text.utf8.prefix(900)))
    #expect(stream.heldCount < Mask.pieceBytes)
  }

  @Test func onlyWhatMayBeTheBeginningOfASecretWaits() {
    var stream = MaskedStream(MaskTests.mask("hunter2"))
    #expect(stream.take(Array("all of it\n".utf8)) == Array("all of it\n".utf8))
    #expect(stream.take(Array("it is h".utf8)) == Array("it is ".utf8))
    #expect(stream.take(Array("unter".utf8)) == [])
    #expect(stream.take(Array("2!".utf8)) == Array("*******!".utf8))
    #expect(stream.take(Array("hunt".utf8)) == [])
    #expect(stream.end() == Array("hunt".utf8))
    #expect(stream.end() == [])
  }

  @Test func secretsThatBecomeKnownLaterAreCoveredFromThenOn() {
    var stream = MaskedStream()
    #expect(stream.take(Array("hunter2 ".utf8)) == Array("hunter2 ".utf8))
    stream.mask = MaskTests.mask("hunter2")
    #expect(stream.take(Array("hunter2".utf8)) == Array("*******".utf8))
  }

  @Test func nothingShowsTheTexts() {
    let mask = MaskTests.mask("hunter2")
    var text = "\(mask) \(MaskedStream(mask))"
    dump(mask, to: &text)
    dump(MaskedStream(mask), to: &text)
    #expect(!text.contains("hunter2"))
  }

  /// Few letters, so that occurrences are many, overlap, and begin everywhere; against the plain definition.
  @Test(arguments: 0..<200) func anyCutsGiveWhatTheWholeTextGives(seed: UInt64) {
    var random = Numbers(state: seed)
    let secrets = (0..<Int.random(in: 1...4, using: &random)).map { _ in
      MaskTests.text(Int.random(in: 4...9, using: &random), &random)
    }
    let text = MaskTests.text(Int.random(in: 0...400, using: &random), &random)
    var isCovered = [Bool](repeating: false, count: text.count)
    for secret in secrets where secret.count <= text.count {
      for start in 0...(text.count - secret.count) where Array(text[start..<start + secret.count]) == secret {
        for index in start..<start + secret.count { isCovered[index] = true }
      }
    }
    let wanted = zip(text, isCovered).map { $1 ? UInt8(ascii: "*") : $0 }

    var stream = MaskedStream(Mask(texts: secrets))
    var seen: [UInt8] = []
    var rest = text[...]
    while !rest.isEmpty {
      let chunk = rest.prefix(Int.random(in: 1...12, using: &random))
      rest = rest.dropFirst(chunk.count)
      seen += stream.take(Array(chunk))
      #expect(seen.count + stream.heldCount == text.count - rest.count)
      #expect(stream.heldCount < secrets.map(\.count).max() ?? 0)
    }
    seen += stream.end()
    #expect(seen == wanted, "\(secrets.map { String(decoding: $0, as: UTF8.self) })")
  }

  private static func text(_ count: Int, _ random: inout Numbers) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 97...98, using: &random) }
  }

  /// SplitMix64.
  private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }
}
