import Testing

@testable import Model

struct ImageReferenceTests {
  private static let digest = "sha256:" + String(repeating: "0a", count: 32)

  @Test(
    "images are read as Docker reads them",
    arguments: [
      ("alpine", "docker.io/library/alpine:latest"),
      ("alpine:3.20", "docker.io/library/alpine:3.20"),
      ("team/app", "docker.io/team/app:latest"),
      ("docker.io/alpine", "docker.io/library/alpine:latest"),
      ("index.docker.io/team/app:1", "docker.io/team/app:1"),
      ("localhost/busy", "localhost/busy:latest"),
      ("localhost:5000/busy", "localhost:5000/busy:latest"),
      ("registry.example/a/b/c:v1.2_x", "registry.example/a/b/c:v1.2_x"),
      ("registry.example:5000/app", "registry.example:5000/app:latest"),
      ("Host/app", "Host/app:latest"),
      ("a__b/c-d.e---f:1", "docker.io/a__b/c-d.e---f:1"),
      ("app@\(digest)", "docker.io/library/app@\(digest)"),
      ("app:1@\(digest)", "docker.io/library/app:1@\(digest)"),
    ])
  func read(_ text: String, _ whole: String) throws {
    let image = try ImageReference(text)
    #expect(image.text == whole)
    #expect(try ImageReference(whole) == image, "what is whole reads back")
    #expect(try ImageReference(image.short) == image, "what is short reads back")
  }

  @Test(
    "what is no image is refused, with what to write",
    arguments: [
      ("", "has a name"), ("https://docker.io/alpine", "without https://"), ("Team/App", "capital letters in `App`"),
      ("ALPINE", "write library/alpine"), ("a//b", "empty part"), ("a/", "empty part"), ("a:", "no tag"),
      ("a:b:c", "no tag"), ("a:.x", "no tag"), ("a:\(String(repeating: "x", count: 129))", "no tag"),
      ("a@sha256:12", "no digest"), ("a@b@c", "no digest"), ("-a", "cannot be part"), ("a-", "cannot be part"),
      ("a..b", "cannot be part"), ("a._b", "cannot be part"), ("a___b", "cannot be part"), ("a b", "cannot be part"),
      ("host:0/a", "no host"), ("host.example:+80/a", "no host"), ("host:99999/a", "no host"),
      ("-host.example/a", "no host"), ("ä", "cannot be part"),
      (String(repeating: "a", count: 256), "longer than 255"),
    ])
  func refused(_ text: String, _ words: String) {
    let problem = #expect(throws: SourceProblem.self) { try ImageReference(text) }
    let text = "\(problem?.message ?? ""); \(problem?.hint ?? "")"
    #expect(text.contains(words), "\(text)")
  }

  @Test func aTargetGetsADigestOrATagAndNeverBoth() throws {
    #expect(try ImageReference("app:1").pinned == "docker.io/library/app:1")
    #expect(try ImageReference("app:1@\(Self.digest)").pinned == "docker.io/library/app@\(Self.digest)")
  }

  @Test(arguments: [
    ("localhost/a", true), ("localhost:5000/a", true), ("127.0.0.1:5000/a", true), ("127.1.2.3/a", true),
    ("127.0.0.1.example/a", false), ("127.example:5000/a", false), ("localhost.example/a", false), ("a", false),
  ])
  func onlyThisMachineIsTrustedWithoutTLS(_ text: String, _ isLocal: Bool) throws {
    #expect(try ImageReference(text).isLocal == isLocal)
  }

  @Test(arguments: [
    ("app:3.20", "3.20"), ("app", nil), ("app:latest", nil), ("app:v3", "tag-v3"), ("app:v3.1", "v3.1"),
    ("app:_x", "x"), ("app@\(digest)", nil),
  ])
  func aTagIsAnAliasThatNobodyTakesForAVersion(_ text: String, _ alias: String?) throws {
    #expect(try ImageReference(text).alias == alias)
  }

  @Test func aTagThatMovedToTheSameImageIsNoChange() throws {
    func source(_ image: String) throws -> Source {
      Source(kind: .image, image: try ImageReference(image), entryPoint: [])
    }
    #expect(try source("a:1@\(Self.digest)").identity == source("a:1.0@\(Self.digest)").identity)
    #expect(try source("a:1").identity != source("a:2").identity, "what is not pinned is known by its tag only")
    #expect(try source("team/app:1").jobName == "job-team-app")
    #expect(try source("alpine:1").jobName == "job-alpine")
  }
}
