import Glibc
import Testing

@testable import Hashing

@Suite struct SigningTests {
  private func hex(_ bytes: [UInt8]) -> String { Digest(bytes: bytes).hex }

  @Test func hmacIsThatOfTheStandard() throws {
    // RFC 4231, 4.2, 4.3 and 4.7.
    let short = try Signing.hmac(key: [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8))
    #expect(hex(short) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    let text = try Signing.hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
    #expect(hex(text) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let long = try Signing.hmac(
      key: [UInt8](repeating: 0xaa, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
    #expect(hex(long) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    #expect(try Signing.hmac(key: [], []).count == 32)
  }

  /// The signing key of AWS's own example, a chain of four.
  @Test func hmacDerivesTheKeyOfAWSsExample() throws {
    var key = Array("AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".utf8)
    for part in ["20120215", "us-east-1", "iam", "aws4_request"] { key = try Signing.hmac(key: key, Array(part.utf8)) }
    #expect(hex(key) == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d")
  }

  @Test(arguments: ["rsa", "pkcs1"]) func openSSLVerifiesWhatIsSigned(form: String) throws {
    let folder = "/tmp/lunaport-sign-\(UInt64.random(in: 0...UInt64.max))"
    mkdir(folder, 0o700)
    defer { system("rm -r \(folder)") }
    let traditional = form == "pkcs1" ? "-traditional" : ""
    try #require(
      system(
        """
        cd \(folder) && openssl genrsa \(traditional) -out key.pem 2048 2>/dev/null &&
        openssl rsa -in key.pem -pubout -out public.pem 2>/dev/null
        """) == 0)
    let message = [UInt8](0...255)
    let signature = try Signing.rs256(pem: read(folder + "/key.pem"), message)
    #expect(signature.count == 256)
    try write(message, folder + "/message")
    try write(signature, folder + "/signature")
    let verify = "cd \(folder) && openssl dgst -sha256 -verify public.pem -signature signature message >/dev/null"
    #expect(system(verify) == 0)
    try write(message + [1], folder + "/message")
    #expect(system(verify) != 0)
  }

  @Test func onlyAPlainPrivateRSAKeySigns() throws {
    let folder = "/tmp/lunaport-sign-\(UInt64.random(in: 0...UInt64.max))"
    mkdir(folder, 0o700)
    defer { system("rm -r \(folder)") }
    try #require(
      system(
        """
        cd \(folder) && openssl ecparam -name prime256v1 -genkey -noout -out ec.pem &&
        openssl genrsa -aes128 -passout pass:x -out locked.pem 2048 2>/dev/null &&
        openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -out public.pem 2>/dev/null
        """) == 0)
    for (name, words) in [("ec", "no RSA key"), ("locked", "no private key"), ("public", "no private key")] {
      let error = #expect(throws: SigningError.self) { try Signing.rs256(pem: read("\(folder)/\(name).pem"), [1]) }
      #expect(error?.description.contains(words) == true)
    }
    #expect(throws: SigningError.self) { try Signing.rs256(pem: [], [1]) }
    #expect(throws: SigningError.self) { try Signing.rs256(pem: Array("-----BEGIN PRIVATE KEY-----\n".utf8), [1]) }
  }

  private func read(_ path: String) throws -> [UInt8] {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes[..<count])
  }

  private func write(_ bytes: [UInt8], _ path: String) throws {
    let file = try #require(fopen(path, "w"))
    defer { fclose(file) }
    #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  }
}
