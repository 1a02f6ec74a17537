import ClientTesting
import Dispatch
import Glibc
import HTTP
import Testing

@testable import Client

/// Unix sockets and TLS.
@Suite(.timeLimit(.minutes(1))) struct HTTPClientConnectionTests {
  @Test func aUnixSocketIsReached() async throws {
    let path = "/tmp/lunaport-client-\(UInt64.random(in: 0...UInt64.max))"
    defer { unlink(path) }
    let server = ScriptedServer(path: path, [.read(), .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")])
    defer { server.stop() }
    var request = HTTPClient.Request(.get, "http://engine/v1.41/info")
    request.unixSocket = path
    let answer = try await HTTPClient().send(request)
    #expect(answer.status == 200)
    #expect(server.received[0].hasPrefix("GET /v1.41/info HTTP/1.1\r\nHost: engine\r\n"))
  }

  @Test func aUnixSocketThatIsNotThereIsUnreachable() async throws {
    var request = HTTPClient.Request(.get, "http://engine/")
    request.unixSocket = "/nonexistent/socket"
    let error = await #expect(throws: HTTPClientError.self) { try await HTTPClient().send(request) }
    #expect(error?.code == .unreachable)
    #expect(error?.requestSent == false)
  }

  @Test(arguments: [
    ([:], "localhost,127.0.0.1,::1"),
    (["no_proxy": "a.example,10.0.0.0/8"], "a.example,10.0.0.0/8,localhost,127.0.0.1,::1"),
    (["NO_PROXY": "b.example"], "b.example,localhost,127.0.0.1,::1"),
    (["no_proxy": "*"], "*"),
  ])
  func thisMachineIsNeverReachedThroughAProxy(environment: [String: String], hosts: String) {
    #expect(CurlTransfer.directHosts { environment[$0] } == hosts)
  }

  @Test func aServerWithoutTLSIsToldApart() async throws {
    let server = ScriptedServer([.send("HTTP/1.1 400 Bad Request\r\n\r\n"), .untilClosed])
    defer { server.stop() }
    let error = await #expect(throws: HTTPClientError.self) {
      try await HTTPClient().send(.init(.post, "https://127.0.0.1:\(server.port)/", body: .bytes([1])))
    }
    #expect(error?.code == .tls)
    #expect(error?.requestSent == false)
  }

  @Test func onlyTrustedCertificatesAreTaken() async throws {
    let server = try TLSServer(clients: 2)
    let stranger = await #expect(throws: HTTPClientError.self) {
      try await HTTPClient().send(.init(.get, server.url))
    }
    #expect(stranger?.code == .tls)
    #expect(stranger?.requestSent == false)
    var configuration = HTTPClient.Configuration()
    configuration.authorityFile = server.certificate
    #expect(try await HTTPClient(configuration).send(.init(.get, server.url)).status == 200)
  }

  @Test func aCertificateForAnotherNameIsRefused() async throws {
    let server = try TLSServer(clients: 1, name: "127.0.0.2")
    var configuration = HTTPClient.Configuration()
    configuration.authorityFile = server.certificate
    let error = await #expect(throws: HTTPClientError.self) {
      try await HTTPClient(configuration).send(.init(.get, server.url))
    }
    #expect(error?.code == .tls)
  }

  @Test func theClientShowsItsOwnCertificate() async throws {
    let server = try TLSServer(clients: 2, asksForCertificate: true)
    var configuration = HTTPClient.Configuration()
    configuration.authorityFile = server.certificate
    let without = await #expect(throws: HTTPClientError.self) {
      try await HTTPClient(configuration).send(.init(.get, server.url))
    }
    #expect(without != nil)
    configuration.certificateFile = server.certificate
    configuration.keyFile = server.key
    #expect(try await HTTPClient(configuration).send(.init(.get, server.url)).status == 200)
  }
}

/// OpenSSL's test server with a certificate of its own making. It ends by itself after `clients` connections.
private final class TLSServer {
  struct Failed: Error {
    let command: String
  }

  let certificate: String
  let key: String
  let url: String
  private let folder: String
  private let pipe: UnsafeMutablePointer<FILE>

  init(clients: Int, name: String = "127.0.0.1", asksForCertificate: Bool = false) throws {
    folder = "/tmp/lunaport-tls-\(UInt64.random(in: 0...UInt64.max))"
    mkdir(folder, 0o700)
    certificate = folder + "/certificate.pem"
    key = folder + "/key.pem"
    let make = """
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=test -addext subjectAltName=IP:\(name) \
      -days 1 -nodes -keyout \(key) -out \(certificate) 2>/dev/null
      """
    let serve = """
      exec openssl s_server -accept 127.0.0.1:0 -naccept \(clients) -www -cert \(certificate) -key \(key) \
      \(asksForCertificate ? "-Verify 1 -verify_return_error -CAfile \(certificate)" : "") 2>/dev/null </dev/null
      """
    guard system(make) == 0, let pipe = popen(serve, "r") else { throw Failed(command: make) }
    self.pipe = pipe
    var line = [CChar](repeating: 0, count: 256)
    var port: Substring?
    while port == nil, fgets(&line, Int32(line.count), pipe) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if text.hasPrefix("ACCEPT") { port = text.split(separator: ":").last?.prefix { $0.isNumber } }
    }
    guard let port else { throw Failed(command: serve) }
    url = "https://127.0.0.1:\(port)/"
  }

  deinit {
    pclose(pipe)
    unlink(certificate)
    unlink(key)
    rmdir(folder)
  }
}
