import Glibc
import Model
import Processes
import Testing

@testable import EndToEndTesting

/// Secrets reach the program, and nobody else.
struct SecretTests {
  static let text = "s3cr3t-\(UInt64.random(in: 0...UInt64.max))"

  @Test func aSecretReachesTheProgramAndNothingElse() async throws {
    try await scenario { bench in
      try bench.queue("local", "resource = { env = { TOKEN = secret \"token\" } },")
      let up = try await bench.up("--no-agent")
      let secret = try bench.write("one/secrets/token", SecretTests.text + "\n")
      let gate = bench.gate("gate")
      // It tells that it has the secret without telling the secret.
      try await bench.job("use", "printf %s \"$TOKEN\" | sha256sum | cut -c1-64; read _ <\(gate)")

      // A file that others may read is refused.
      let agent = try await bench.agent("one", ["local"])
      let refused = try await bench.end(of: try await bench.launch("use").id)
      #expect(refused.state == .failed && refused.reason == .start)
      #expect(refused.message?.contains("chmod 600") == true, "\(refused.message ?? "")")
      chmod(secret, 0o600)

      let run = try await bench.launch("use").id
      try await bench.run(run, is: .running)
      // While it runs everything that is kept of it lies about.
      let digest = try await Command(
        ["sh", "-c", "printf %s \(SecretTests.text) | sha256sum | cut -c1-64"], timeout: 10
      ).run().output
      try await bench.printed(run)
      var places: [String: String] = [:]
      for words in [
        ["run", "show", run], ["run", "show", run, "--json"], ["plan", "local", "use", "--json"],
        ["queue", "show", "local", "--json"], ["queue", "export", "local"], ["explain", run], ["agents", "--json"],
      ] {
        let outcome = try await bench.lunaport(words)
        #expect(outcome.code == 0 || words[0] == "plan", "\(words): \(outcome.errors)")
        places[words.joined(separator: " ")] = outcome.output + outcome.errors
      }
      places["metrics"] = try await bench.request(.get, "/metrics").text
      places["history"] = try await bench.request(.get, "/api/v1/runs/\(run)/history").text
      #expect(try await SecretTests.files(bench) == [secret])
      bench.open("gate")
      #expect(try await bench.end(of: run).state == .finished)
      #expect(Array(try await bench.log(run).utf8) == digest)
      places["agent's log"] = agent.output.text + agent.errors.text
      places["server's log"] = up.output.text + up.errors.text
      for (place, text) in places { #expect(!text.contains(SecretTests.text), "the secret is in: \(place)") }

      #expect(try await SecretTests.files(bench) == [secret])
    }
  }

  /// What a program prints of it is covered while it runs, also where the agent dies when half of it is printed.
  @Test func aSecretThatAProgramPrintsIsCovered() async throws {
    try await scenario { bench in
      try bench.queue("local", "resource = { env = { TOKEN = secret \"token\" } },")
      try await bench.serve()
      chmod(try bench.write("one/secrets/token", SecretTests.text + "\n"), 0o600)
      let gate = bench.gate("gate")
      try await bench.job(
        "print", "printf 'one %s, two %.6s' $TOKEN $TOKEN; read _ <\(gate); printf '%s end\\n' ${TOKEN#??????}")
      let first = try await bench.agent("one", ["local"])
      let run = try await bench.launch("print").id
      let stars = String(repeating: "*", count: SecretTests.text.utf8.count)
      try await bench.printed(run, bytes: "one \(stars), two ".utf8.count)
      #expect(try await bench.log(run) == "one \(stars), two ")

      try await first.crash()
      _ = try await bench.agent("one", ["local"])
      bench.open("gate")
      #expect(try await bench.end(of: run).state == .finished)
      #expect(try await bench.log(run) == "one \(stars), two \(stars) end\n")
    }
  }

  /// Files of the bench that the secret stands in. Some may vanish while they are looked through.
  static func files(_ bench: Bench) async throws -> [String] {
    let found = try await Command(["grep", "-rlsF", SecretTests.text, bench.root], timeout: 20).run()
    return String(decoding: found.output, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test func aRunMayNotNameASecretOfItsOwn() async throws {
    try await scenario { bench in
      try bench.queue("local", "override = \"any\",")
      try await bench.serve()
      try await bench.job("quick", "true")
      let answer = try await bench.request(
        .post, "/api/v1/runs",
        [
          "job": "quick", "queue": "local", "project": "p",
          "resource_args": ["process": ["env": ["TOKEN": ["$secret": "token"]]]],
        ])
      #expect(answer.status == 422, "\(answer.text)")
    }
  }
}
