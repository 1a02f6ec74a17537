import Hashing
import Testing

@Suite struct HashTests {
  @Test func knownTextsHaveTheirPublishedDigests() throws {
    // FIPS 180-2 appendix B and RFC 1321 appendix A.5.
    #expect(
      try Hash.of("abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(try Hash.of("").hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(try Hash.of("message digest", .md5).hex == "f96b697d7cb7938d525a2f31aaf161d0")
    #expect(try Hash.of("", .md5).hex == "d41d8cd98f00b204e9800998ecf8427e")
  }

  @Test func piecesHashAsTheWhole() throws {
    let whole = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var hash = try Hash(.sha256)
    var rest = whole[...]
    var length = 0
    while !rest.isEmpty {
      hash.update(Array(rest.prefix(length)))
      rest = rest.dropFirst(length)
      length = length * 2 + 1
    }
    #expect(hash.finish() == (try Hash.of(whole)))
  }

  @Test func aDigestIsReadFromItsTextAndFromNothingElse() throws {
    let digest = try Hash.of("abc")
    #expect(Digest(hex: digest.hex) == digest)
    #expect(Digest(hex: digest.hex.uppercased()) == digest)
    #expect(Digest(hex: String(digest.hex.dropLast())) == nil)
    #expect(Digest(hex: "g" + digest.hex.dropFirst()) == nil)
    #expect(Digest(hex: digest.hex, .md5) == nil)
    #expect(Digest(hex: "../../../../../../etc/passwd-and-then-up-to-64-characters-aaaaa") == nil)
  }
}
