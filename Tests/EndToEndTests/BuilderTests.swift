import Model
import Testing

@testable import EndToEndTesting

/// Two builders that can both build for a queue, and the queue says which of them does.
struct BuilderTests {
  @Test func theQueuesBuilderBuilds() async throws {
    try await scenario { bench in
      let both = try bench.plugins(with: ["alpha", "beta"], in: "both")
      let one = try bench.plugins(with: ["alpha"], in: "one")
      try bench.queue("local", "builder = \"beta\",")
      try await bench.serve(plugins: both)
      try await bench.builtJob("built")

      // An agent that could build it in another way only does not get it.
      _ = try await bench.agent("poor", ["local"], plugins: one)
      try await bench.polls("poor", "local")
      let first = try await bench.launch("built").id
      #expect(try await bench.client.run(first).state == .idle)
      let why = try await bench.lunaport("explain", first)
      #expect(
        why.output.contains(
          "agent poor lacks builder beta of code for process (needed because the job declares dependencies "
            + "(requirements.txt), and the queue names its builder): no builder `beta` is installed; installed: alpha"),
        "\(why.output)")
      _ = try await bench.agent("rich", ["local"], plugins: both)
      #expect(try await bench.end(of: first).state == .finished)
      #expect(try await bench.log(first).hasSuffix("beta\n"))

      // A run keeps the builder that its queue had when it was queued; later ones get the new one.
      let shown = try await bench.lunaport("queue", "show", "local")
      #expect(shown.output.contains("builder = \"beta\""), "\(shown.output)")
      try bench.queue("local", "builder = \"alpha\",")
      _ = try await bench.configuration("is swapped") { $0.generation == 2 }
      let second = try await bench.launch("built").id
      #expect(try await bench.end(of: second).state == .finished)
      #expect(try await bench.log(second).hasSuffix("alpha\n"))
    }
  }

  @Test func aQueueThatBuildsNothingRunsWhatNeedsNoBuild() async throws {
    try await scenario { bench in
      try bench.queue("local", "builder = \"noop\",")
      try await bench.serve("up", plugins: try bench.plugins(with: ["alpha"], in: "plugins"))
      try await bench.builtJob("built")
      let refused = try await bench.lunaport("launch", "-j", "built", "-q", "local", "-p", "p")
      #expect(refused.code == 2, "\(refused)")
      for part in ["error[S0009]", "`local` builds nothing", "queues/local.lua:1:1", "leave the dependencies out"] {
        #expect(refused.errors.contains(part), "`\(part)` is missing in: \(refused.errors)")
      }
      #expect(try await bench.runs(on: "local").isEmpty)
      try await bench.job("plain", "echo as it is")
      let run = try await bench.launch("plain").id
      #expect(try await bench.end(of: run).state == .finished)
      #expect(try await bench.log(run) == "as it is\n")
    }
  }
}

extension Bench {
  /// A folder of plugins: local processes, and builders that only leave their name.
  fileprivate func plugins(with builders: [String], in folder: String) throws -> String {
    for name in builders {
      try write(
        "\(folder)/\(name)/plugin.lua",
        """
        return builder {
          name = "\(name)", version = "1.0.0", api = { 1 },
          builds = { "code" }, targets = { "process" }, needs = { "files" },
        }
        """)
      try write(
        "\(folder)/\(name)/builder.lua",
        """
        local builder = {}
        function builder.probe() return { health = "healthy" } end
        function builder.key() return "all" end
        function builder.build(ctx, _, key)
          host.files.write(key .. "/bin/made-by", "\(name)\\n")
          return { prefix = ctx.data .. "/" .. key }
        end
        return builder
        """)
    }
    return try plugins(["process"], in: folder)
  }

  /// A job that declares dependencies, and prints who built its environment.
  fileprivate func builtJob(_ name: String) async throws {
    try write("\(name)/requirements.txt", "something\n")
    try await job(name, "cat \"${PATH%%:*}/made-by\"")
  }
}
