import Testing

@testable import Scripting

@Test func aSecretNeverShowsItsText() {
  let secret = Secret(name: "token", text: "hunter2")
  var dumped = ""
  dump(secret, to: &dumped)
  #expect(!"\(secret) \(String(reflecting: secret)) \(dumped)".contains("hunter2"))
  #expect(secret.open { $0 } == "hunter2")
}
