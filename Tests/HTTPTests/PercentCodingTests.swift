import HTTP
import Testing

@Suite struct PercentCodingTests {
  @Test func whatIsEncodedDecodesToItself() {
    for text in ["", "plain", "a b/c?d#e&f=g+h%", "훈련 学習", "~-._"] {
      #expect(PercentCoding.decode(PercentCoding.encode(text)) == text)
    }
    #expect(PercentCoding.encode("a b/c+~") == "a%20b%2Fc%2B~")
  }

  @Test(arguments: ["%", "%4", "%zz", "a%2", "%C3", "%FF", "x%00y"]) func malformedEscapesAreRefused(text: String) {
    #expect(PercentCoding.decode(text) == nil)
  }
}

@Suite struct HTTPHeadersTests {
  @Test func namesCompareWithoutCase() {
    var headers: HTTPHeaders = ["Content-Type": "a"]
    headers.add("X-Many", "1")
    headers.add("x-many", "2")
    #expect(headers["content-TYPE"] == "a")
    #expect(headers.values("X-MANY") == ["1", "2"])
    headers["x-Many"] = "3"
    #expect(headers.values("X-Many") == ["3"])
    headers["content-type"] = nil
    #expect(headers["Content-Type"] == nil)
    #expect(headers["X-Man"] == nil)
  }
}
