import Agent
import Glibc
import Model
import Processes
import Testing

@Suite struct SecretsTests {
  private let folder = "/tmp/lunaport-test-\(UInt64.random(in: 0...UInt64.max))"

  init() throws { try Disk.makeFolder(folder) }

  @Test(arguments: [("text", "text"), ("text\n", "text"), ("text\r\n", "text"), ("a\nb\n\n", "a\nb\n"), ("", "")])
  func oneLineEndIsNotPartOfIt(_ file: String, _ text: String) throws {
    defer { try? Disk.remove(folder) }
    try Disk.write("\(folder)/token", Array(file.utf8))
    try FileSecrets(folder: folder).secret("token").open { #expect($0 == text) }
  }

  @Test func aFileThatOthersMayReadIsRefused() throws {
    defer { try? Disk.remove(folder) }
    try Disk.write("\(folder)/token", [65])
    chmod("\(folder)/token", 0o640)
    #expect(throws: SecretFailure.self) { try FileSecrets(folder: folder).secret("token") }
    #expect(throws: SecretFailure.self) { try FileSecrets(folder: folder).secret("../token") }
    #expect(throws: SecretFailure.self) { try FileSecrets(folder: folder, variable: { _ in nil }).secret("other") }
  }
}
