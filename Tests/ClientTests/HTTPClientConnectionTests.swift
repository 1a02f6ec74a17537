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
    let server = try TLSServer(clients: 1, name: "IP:127.0.0.2")
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
