import ClientTesting
import Glibc
import HTTP
import Hashing
import Testing

@testable import Client

/// Certificates of single requests, and signatures for AWS.
@Suite(.timeLimit(.minutes(1))) struct HTTPCredentialTests {
  private let client = HTTPClient()

  private func failure(_ request: HTTPClient.Request) async -> HTTPClientError? {
    await #expect(throws: HTTPClientError.self) { try await client.send(request) }
  }

  private func read(_ path: String) throws -> [UInt8] {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes[..<count])
  }

  /// One client, whose connections must not be lent from one identity to the next.
  @Test func eachRequestComesWithItsOwnCertificates() async throws {
    let server = try TLSServer(clients: 3, asksForCertificate: true)
    let authority = try read(server.certificate)
    let key = try read(server.key)
    var request = HTTPClient.Request(.get, server.url)
    #expect(await failure(request)?.code == .tls)
    request.tls = HTTPClient.TLS(authorities: authority, certificate: authority, key: key)
    #expect(try await client.send(request).status == 200)
    request.tls = HTTPClient.TLS(authorities: authority)
    #expect(await failure(request) != nil)
  }

  @Test func whoIsTrustedIsTheRequestsToSay() async throws {
    let server = try TLSServer(clients: 3)
    let other = try TLSServer(clients: 1)
    var request = HTTPClient.Request(.get, server.url)
    request.tls = HTTPClient.TLS(authorities: try read(other.certificate))
    #expect(await failure(request)?.code == .tls)
    request.tls = HTTPClient.TLS(trustsAnybody: true)
    #expect(try await client.send(request).status == 200)
    request.tls = HTTPClient.TLS()
    #expect(await failure(request)?.code == .tls)
    _ = try await HTTPClient().send(
      {
        var last = HTTPClient.Request(.get, other.url)
        last.tls = HTTPClient.TLS(trustsAnybody: true)
        return last
      }())
  }

  @Test func theCertificateMayBeForAnotherName() async throws {
    let server = try TLSServer(clients: 2, name: "DNS:engine.invalid")
    var request = HTTPClient.Request(.get, server.url)
    request.tls = HTTPClient.TLS(authorities: try read(server.certificate))
    #expect(await failure(request)?.code == .tls)
    request.tls?.serverName = "engine.invalid"
    #expect(try await client.send(request).status == 200)
    request.tls?.serverName = "not a/name"
    #expect(await failure(request)?.code == .invalidRequest)
  }

  @Test func aKeyThatIsNoKeyIsRefusedAndAsksNobody() async throws {
    let server = try TLSServer(clients: 1)
    var request = HTTPClient.Request(.get, server.url)
    request.tls = HTTPClient.TLS(certificate: try read(server.certificate), key: Array("nonsense".utf8))
    let error = await failure(request)
    #expect(error?.code == .tls)
    #expect(error?.requestSent == false)
  }

  // MARK: AWS

  private static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

  /// Works the signature out again from what arrived, as the AWS documentation has it, and compares.
  private func isSigned(_ text: String, body: [UInt8], service: String) throws -> Bool {
    let head = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)[0]
    let lines = head.split(separator: "\r\n").map(String.init)
    let first = lines[0].split(separator: " ").map(String.init)
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
      headers[parts[0].lowercased()] = parts.count == 2 ? parts[1].drop { $0 == " " }.description : ""
    }
    let authorization = try #require(headers["authorization"])
    func field(_ name: String) throws -> String {
      let part = try #require(authorization.split(separator: name + "=").last)
      return String(part.prefix { $0 != "," })
    }
    let signed = try field("SignedHeaders").split(separator: ";").map(String.init)
    #expect(signed.allSatisfy { headers[$0] != nil }, "signs a field that it does not send")
    let (path, query) = (first[1].split(separator: "?").first ?? "", first[1].split(separator: "?").dropFirst().first)
    let canonical =
      ([first[0], String(path), String(query ?? "")] + signed.map { "\($0):\(headers[$0] ?? "")" }
      + ["", signed.joined(separator: ";"), headers["x-amz-content-sha256"] ?? ""]).joined(separator: "\n")
    #expect(headers["x-amz-content-sha256"] == (try Hash.of(body).hex))
    let time = try #require(headers["x-amz-date"])
    let scope = "\(time.prefix(8))/eu-west-1/\(service)/aws4_request"
    let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(try Hash.of(canonical).hex)"
    var key = Array("AWS4\(Self.secret)".utf8)
    for part in scope.split(separator: "/") { key = try Signing.hmac(key: key, Array(part.utf8)) }
    #expect(try field("Credential") == "AKIDEXAMPLE/\(scope)")
    return try field("Signature") == Digest(bytes: Signing.hmac(key: key, Array(text.utf8))).hex
  }

  private func request(_ method: HTTPMethod, _ url: String, body: [UInt8]?, service: String) throws
    -> HTTPClient.Request
  {
    var request = HTTPClient.Request(method, url, body: body.map { .bytes($0) } ?? .none)
    request.awsSignature = HTTPClient.AWSSignature(
      region: "eu-west-1", service: service, key: "AKIDEXAMPLE", secret: Self.secret,
      bodyDigest: try Hash.of(body ?? []).hex)
    return request
  }

  @Test func requestsAreSignedAsAWSWantsIt() async throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    let body = Array(#"{"TrainingJobName":"a"}"#.utf8)
    let server = ScriptedServer([
      .read(body: body.count), .send(answer), .read(), .send(answer), .read(), .send(answer), .read(), .send(answer),
      .untilClosed,
    ])
    defer { server.stop() }
    var create = try request(.post, server.url + "/", body: body, service: "sagemaker")
    create.headers = [
      "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.CreateTrainingJob",
      "X-Amz-Security-Token": "abc/def+==",
    ]
    let list = try request(
      .get, server.url + "/bucket/a%20b?list-type=2&prefix=a%2Fb", body: nil, service: "s3")
    let put = try request(.put, server.url + "/bucket/empty", body: nil, service: "s3")
    let delete = try request(.delete, server.url + "/bucket/a", body: nil, service: "s3")
    for one in [create, list, put, delete] { #expect(try await client.send(one).status == 200) }
    var rest = server.received[0]
    for (one, service) in [(create, "sagemaker"), (list, "s3"), (put, "s3"), (delete, "s3")] {
      let end = try #require(rest.firstRange(of: "\r\n\r\n")).upperBound
      let head = String(rest[..<end])
      rest = String(rest[end...])
      var sent: [UInt8] = []
      if case .bytes(let bytes) = one.body {
        sent = bytes
        rest = String(rest.dropFirst(bytes.count))
      }
      #expect(head.hasPrefix("\(one.method) "))
      #expect(!head.contains("Expect:"))
      #expect(try isSigned(head, body: sent, service: service), "\(head)")
    }
  }

  // MARK: addresses

  @Test(arguments: [
    ("http://Host/p", "host", 80), ("https://user:pw@a.b:8443/x?q#f", "a.b", 8443), ("HTTP://[::1]:1/", "[::1]", 1),
    ("http://good@evil/", "evil", 80), ("http://evil#good", "evil", 80), ("http://evil?good", "evil", 80),
    ("http://0x7f.1/", "127.0.0.1", 80), ("http:///evil", "evil", 80),
  ]) func aURLLeadsWhereLibcurlConnects(url: String, host: String, port: Int) {
    let address = HTTPAddress(url)
    #expect(address?.host == host)
    #expect(address?.port == port)
  }

  @Test(arguments: ["", "host", "/x", "ftp://host/", "file:///etc/passwd", "http://", "http://a b/", "x://y"])
  func whatIsNoURLLeadsNowhere(url: String) { #expect(HTTPAddress(url) == nil) }
}
