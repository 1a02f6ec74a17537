import Model
import Testing

@testable import lunaport

/// `plan` on every target: a shared config that a queue extends and a run changes, who wrote each value, and the
/// target's own document.
@Suite struct PlanTests {
  private static let here = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    .joined(separator: "/")
  private static let options = [
    "--queues", "\(here)/Golden/plan/queues.d", "--plugins", "\(here)/../../plugins",
  ]

  /// What a run changes, for each target, where its queue lets it; and how that stands in the target's own document.
  private static let changes: [String: (given: String, becomes: String)] = [
    "process": (#"{"env": {"FROM": "run"}}"#, #""FROM": "run""#),
    "docker": (#"{"Env": {"FROM": "run"}, "PidsLimit": 50}"#, #""PidsLimit": 50"#),
    "kubernetes": (#"{"metadata": {"labels": {"team": "run"}}}"#, #""team": "run""#),
    "slurm": (#"{"nice": 20}"#, #""nice": 20"#),
    "sagemaker": (
      #"{"Environment": {"FROM": "run"}, "StoppingCondition": {"MaxRuntimeInSeconds": 600}}"#, #""FROM": "run""#
    ),
    "vertex": (#"{"labels": {"team": "run"}, "scheduling": {"strategy": "SPOT"}}"#, #""team": "run""#),
  ]

  private func job(_ folder: TestFolder) throws -> String {
    try folder.write("job/train.sh", "#!/bin/sh\necho hello\n", executable: true)
  }

  /// Lines of plugin.lua move whenever a plugin changes, and say nothing here.
  private func settled(_ text: String) -> String {
    text.replacing(/(plugins\/[a-z]+\/plugin\.lua):\d+:\d+/) { "\($0.output.1)" }
  }

  @Test(arguments: changes.keys.sorted()) func everyValueSaysWhoWroteIt(target: String) async throws {
    let folder = TestFolder()
    let change = try #require(Self.changes[target])
    let file = try folder.write(
      "c.json", #"{"overrides": {"args": ["--epochs"]}, "resource_args": {"\#(target)": \#(change.given)}}"#)
    let plan = try Child.run(
      [Site.lunaport, "plan", target, try job(folder), "-c", file, "-v", "cores=2"] + Self.options)
    #expect(plan.code == 0, "\(plan.errors)")
    let parts = plan.output.split(separator: "\ndocument of \(target):\n", maxSplits: 1).map(String.init)
    try #require(parts.count == 2, "\(plan.output)")
    // The driver's own tests look at its document; here it is there, with what the run says.
    try Golden.check(settled(parts[0] + "\n"), "plan/\(target)")
    #expect(parts[1].contains(change.becomes) && parts[1].contains("--epochs"), "\(parts[1])")
  }

  @Test func whatTheOperatorAllowsIsReadFromTheAgentsSettings() throws {
    let folder = TestFolder()
    try folder.write("q/k.lua", #"queue "k" { target = "kubernetes", resource = { namespace = "jobs" } }"#)
    let words = [
      Site.lunaport, "plan", "k", try job(folder), "--queues", folder.path + "/q", "--plugins",
      "\(Self.here)/../../plugins",
    ]
    let refused = try Child.run(words)
    #expect(refused.code == 2 && refused.errors.contains("does not use the namespace `jobs`"), "\(refused.errors)")
    let settings = try folder.write("s.json", #"{"kubernetes": {"namespaces": ["jobs"]}}"#)
    let plan = try Child.run(words + ["--settings", settings])
    #expect(plan.output.contains(#""namespace": "jobs""#), "\(plan.errors)")
  }

  @Test(arguments: changes.keys.sorted()) func aHoleThatNobodyFillsTakesItsDefault(target: String) async throws {
    let folder = TestFolder()
    let words = ["plan", target, try job(folder), "--json"] + Self.options
    let plan = try Child.run([Site.lunaport] + words)
    #expect(plan.code == 0, "\(plan.errors)")
    let origins = try #require(try Value(json: plan.output)["origins"]?.objectValue)
    #expect(origins.values.contains { $0.stringValue?.hasPrefix("variable cores, its default") == true }, "\(origins)")
  }

  @Test(arguments: changes.keys.sorted()) func aValueThatDoesNotFitIsRefusedBeforeAnyDriverSeesIt(target: String) throws
  {
    let folder = TestFolder()
    let plan = try Child.run(
      [Site.lunaport, "plan", target, try job(folder), "-v", "cores=0"] + Self.options)
    #expect(plan.code == 1 && plan.errors.contains("error[S0003]"), "\(plan.errors)")
    let unknown = try Child.run(
      [Site.lunaport, "plan", target, try job(folder), "-v", "corse=1"] + Self.options)
    #expect(unknown.code == 1 && unknown.errors.contains("has no variable `corse`"), "\(unknown.errors)")
  }
}
