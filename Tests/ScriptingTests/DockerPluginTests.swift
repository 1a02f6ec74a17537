import FoundationEssentials
import Lua
import Model
import Testing

@testable import Scripting

/// The parts of the plugin `docker` that need no engine.
struct DockerPluginTests {
  /// What the helper of this test has: a password for one registry, a token for another.
  private static let helper = """
    #!/bin/sh
    read -r registry
    echo "$1 $registry $AWS_PROFILE" >>"${0%/*}/asked"
    case $registry in
      gcr.io) echo '{"ServerURL": "gcr.io", "Username": "ada", "Secret": "p:w"}' ;;
      https://index.docker.io/v1/) echo '{"Username": "<token>", "Secret": "tok"}' ;;
      broken.example) echo '{"Secret": "s3cret", "Oops": "ada"}' ;;
      locked.example) echo "the keychain is locked"; exit 1 ;;
      *) echo "credentials not found in native keychain"; exit 1 ;;
    esac
    """

  /// A plugin with the docker plugin's files, an `auth_file` of this text and a helper on its PATH. The folder is to be
  /// removed by who asks for it.
  private static func bed(_ config: String, _ act: String) async throws -> (bed: PluginBed, folder: URL) {
    let folder = FileManager.default.temporaryDirectory.appending(path: "docker-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data(config.utf8).write(to: folder.appending(path: "config.json"))
    let program = folder.appending(path: "docker-credential-test")
    try Data(helper.utf8).write(to: program)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
    let name = "registries.lua"
    let source = try Data(contentsOf: GoldenTests.repository.appending(path: "plugins/docker/\(name)"))
    let bed = try await PluginBed(
      needs: ["read:$auth_file", "exec:docker-credential-*", "env:AWS_*", "env:PATH"],
      settings: ["auth_file": .string(folder.appending(path: "config.json").path)],
      environment: ["PATH": "\(folder.path):/usr/bin:/bin", "AWS_PROFILE": "ml"],
      files: [name: String(decoding: source, as: UTF8.self)],
      "local registries = require \"registries\"\n" + act)
    return (bed, folder)
  }

  private static let read = """
    local header, failure = registries.credentials(ctx, ...)
    if failure then return nil, failure end
    return { login = header and host.json.decode(host.base64.decode((header:gsub("-", "+"):gsub("_", "/")))) }
    """

  private static let hub = "https://index.docker.io/v1/"
  /// `ada:file`
  private static let written = #""auth": "YWRhOmZpbGU=""#

  @Test(
    "a registry's own helper goes before the one for all, and that before the file",
    arguments: [
      (
        #"{"credsStore": "test"}"#, "gcr.io/team/app",
        ["username": "ada", "password": "p:w", "serveraddress": "gcr.io"]
      ),
      (
        #"{"credHelpers": {"https://gcr.io": "test"}, "credsStore": "other"}"#, "gcr.io/app:1",
        ["username": "ada", "password": "p:w", "serveraddress": "gcr.io"]
      ),
      (#"{"credsStore": "test"}"#, "alpine", ["identitytoken": "tok", "serveraddress": .string(hub)]),
      (#"{"credsStore": "test"}"#, "quay.example/app", nil),
      (#"{"credHelpers": {"gcr.io": "test"}}"#, "alpine", nil),
      (
        #"{"credsStore": "test", "auths": {"quay.example": {\#(written)}, "gcr.io": {}}}"#, "quay.example/app",
        ["username": "ada", "password": "file", "serveraddress": "quay.example"]
      ),
      (
        #"{"credsStore": "", "auths": {"gcr.io": {"auth": "MDA6", "identitytoken": "t"}}}"#, "gcr.io/app",
        ["identitytoken": "t", "serveraddress": "gcr.io"]
      ),
    ] as [(String, String, Value?)])
  func logins(_ config: String, _ image: String, _ wanted: Value?) async throws {
    let (bed, folder) = try await Self.bed(config, Self.read)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(try await bed.act(.string(image)).document().get()["login"] == wanted)
  }

  @Test func theHelperIsGivenTheRegistryAndWhatCloudsLookFor() async throws {
    let (bed, folder) = try await Self.bed(#"{"credsStore": "test"}"#, Self.read)
    defer { try? FileManager.default.removeItem(at: folder) }
    _ = try await bed.act(.string("gcr.io/app"))
    let asked = try Data(contentsOf: folder.appending(path: "asked"))
    #expect(String(decoding: asked, as: UTF8.self) == "get gcr.io ml\n")
  }

  @Test(
    "a helper that fails is told in its words, without what may be a password",
    arguments: [
      (
        #"{"credsStore": "none"}"#, "gcr.io/app", DriverFailure.Code.notFound,
        "there is no `docker-credential-none` here, which `auth_file` names for gcr.io"
      ),
      (
        #"{"credsStore": "test"}"#, "locked.example/app", .auth,
        "`docker-credential-test` gives no password for locked.example: the keychain is locked"
      ),
      (
        #"{"credsStore": "test"}"#, "broken.example/app", .auth,
        "`docker-credential-test` gives no password for broken.example: its answer is none of a helper"
      ),
      (#"{"credsStore": "../sh"}"#, "gcr.io/app", .configInvalid, "`../sh`, which `auth_file` names,"),
      ("no json", "gcr.io/app", .configInvalid, "is no JSON"),
    ])
  func failures(_ config: String, _ image: String, _ code: DriverFailure.Code, _ words: String) async throws {
    let (bed, folder) = try await Self.bed(config, Self.read)
    defer { try? FileManager.default.removeItem(at: folder) }
    let failure = try #require(await bed.failure(.string(image)))
    #expect(failure.code == code)
    #expect(failure.message.contains(words), "\(failure.message)")
    #expect(failure.hint != nil && !"\(failure)".contains("s3cret"))
  }

  @Test func aBuildGetsAllPasswordsThoughOneHelperFails() async throws {
    let (bed, folder) = try await Self.bed(
      #"""
      {"credHelpers": {"gcr.io": "test", "locked.example": "test"},
       "auths": {"https://index.docker.io/v1/": {"auth": "YWRhOmZpbGU="}}}
      """#,
      """
      local header = registries.all_credentials(ctx)
      return host.json.decode(host.base64.decode((header:gsub("-", "+"):gsub("_", "/"))))
      """)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(
      try await bed.act().document().get() == [
        "gcr.io": ["username": "ada", "password": "p:w", "serveraddress": "gcr.io"],
        "https://index.docker.io/v1/": ["username": "ada", "password": "file", "serveraddress": .string(Self.hub)],
      ])
    #expect(bed.logged.all.contains { $0.hasPrefix("note: ") && $0.contains("the keychain is locked") })
  }
}
