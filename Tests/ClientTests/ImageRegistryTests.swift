import ClientTesting
import HTTP
import Model
import Testing

@testable import Client

@Suite(.timeLimit(.minutes(1))) struct ImageRegistryTests {
  private static let digest = "sha256:" + String(repeating: "0a", count: 32)
  private static let found = "HTTP/1.1 200 OK\r\nDocker-Content-Digest: \(digest)\r\nContent-Length: 9\r\n\r\n"

  private func closed(_ status: String, _ headers: String = "", body: String = "") -> ScriptedServer.Step {
    .send("HTTP/1.1 \(status)\r\n\(headers)Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)")
  }

  /// The first script of each server is for the try with TLS, which such a server does not speak.
  private func digest(
    _ server: ScriptedServer, _ login: RegistryLogin? = nil
  ) async throws -> String {
    let image = try ImageReference("127.0.0.1:\(server.port)/team/app:1.0")
    return try await ImageRegistry(http: HTTPClient()) { _ in login }.digest(of: image)
  }

  @Test func anOpenRegistryTellsTheDigest() async throws {
    let server = ScriptedServer([], [.read(), .send(Self.found)])
    defer { server.stop() }
    #expect(try await digest(server) == Self.digest)
    #expect(server.received[1].hasPrefix("HEAD /v2/team/app/manifests/1.0 HTTP/1.1\r\n"))
    #expect(server.received[1].contains("application/vnd.oci.image.index.v1+json"))
  }

  @Test func aTokenIsFetchedWhereTheRegistryWantsOneAndTheLoginGoesThereAlone() async throws {
    let tokens = ScriptedServer([.read(), closed("200 OK", body: #"{"token": "tok-1"}"#)])
    let server = ScriptedServer(
      [],
      [
        .read(),
        closed(
          "401 Unauthorized",
          "WWW-Authenticate: Bearer realm=\"\(tokens.url)/token\",service=\"reg\",scope=\"repository:team/app:pull\"\r\n"
        ),
      ], [.read(), .send(Self.found)])
    defer {
      tokens.stop()
      server.stop()
    }
    #expect(try await digest(server, RegistryLogin(encoded: "dXNlcjpwdw==")) == Self.digest)
    #expect(!server.received[1].contains("Authorization"), "nothing is sent before it is asked for")
    #expect(tokens.received[0].hasPrefix("GET /token?scope=repository%3Ateam%2Fapp%3Apull&service=reg HTTP/1.1\r\n"))
    #expect(tokens.received[0].contains("Authorization: Basic dXNlcjpwdw==\r\n"))
    #expect(server.received[2].contains("Authorization: Bearer tok-1\r\n"))
    #expect(!server.received[2].contains("dXNlcjpwdw"))
  }

  @Test(
    "why there is no digest is told in words",
    arguments: [
      ("404 Not Found", "has no image"), ("403 Forbidden", "without a login"), ("429 Too Many Requests", "no more"),
      ("500 Oops", "answers 500"), ("200 OK", "does not tell the digest"),
    ])
  func told(_ status: String, _ words: String) async {
    let server = ScriptedServer([], [.read(), closed(status)])
    defer { server.stop() }
    let failure = await #expect(throws: ImageRegistry.Failure.self) { try await digest(server) }
    #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
  }

  @Test func whoeverHasLoggedInWithDockerIsKnown() throws {
    let config: Value = [
      "auths": ["registry.example:5000": ["auth": "YTpi"], "https://index.docker.io/v1/": ["auth": "Yzpk"], "x": [:]]
    ]
    #expect(RegistryLogin(config, registry: "registry.example:5000") != nil)
    #expect(RegistryLogin(config, registry: "docker.io") != nil)
    #expect(RegistryLogin(config, registry: "x") == nil)
    #expect(RegistryLogin(config, registry: "elsewhere.example") == nil)
  }

  @Test func challengesAreRead() {
    let challenge = Challenge(#"Bearer realm="https://a/token",service="s, t",scope="repository:x:pull",error=none"#)
    #expect(challenge?.scheme == "bearer")
    #expect(
      challenge?.parameters == [
        "realm": "https://a/token", "service": "s, t", "scope": "repository:x:pull", "error": "none",
      ])
    #expect(Challenge("Basic")?.scheme == "basic")
    #expect(Challenge("") == nil)
  }
}
