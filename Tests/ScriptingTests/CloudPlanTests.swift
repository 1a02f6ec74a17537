import Model
import Testing

@testable import Scripting

/// What SageMaker and Vertex AI are asked for: within their limits, or refused before they are asked.
struct CloudPlanTests {
  private let bench: PluginHostTests.Bench

  init() throws { bench = try PluginHostTests.Bench() }

  private func plan(
    _ target: String, _ resource: Value = [:], _ change: (inout PlanRequest) -> Void = { _ in }
  ) async throws(DriverFailure) -> Value {
    let driver: LuaDriver
    let fixture: Fixture
    do {
      driver = try await bench.driver(target)
      let path = GoldenTests.repository.appending(path: "plugins/\(target)/spec/conformance.lua").path
      fixture = try Fixture(reading: SourceFile.read(path, as: "conformance.lua").get())
    } catch {
      throw DriverFailure(.bug, "\(error)")
    }
    var request = PlanRequest(
      run: "abcd1234", name: "calm-sea-1", attempt: 2, entity: "Team A", project: "p", queue: "q", author: "me",
      job: nil, entryPoint: [], environment: ["LUNAPORT_RUN_ID": "abcd1234"], image: "image:1",
      resource: Node(fixture.resource, Origin(.run)).overlaid(with: Node(resource, Origin(.run))).value)
    change(&request)
    return try await driver.plan(request)
  }

  private func refused(
    _ target: String, _ resource: Value = [:], _ change: (inout PlanRequest) -> Void = { _ in }
  ) async throws -> String {
    do throws(DriverFailure) {
      let document = try await plan(target, resource, change)
      Issue.record("it planned \(document.json())")
      return ""
    } catch {
      #expect(error.code == .configInvalid && error.retry == .never, "\(error)")
      return error.message
    }
  }

  // MARK: SageMaker

  @Test func aVariableThatIsTooLongComesInPieces() async throws {
    // Of several bytes each, so that a cut may fall into one.
    let long = String(repeating: "ü", count: 700)
    let spec = try await plan("sagemaker") { $0.environment["CONFIG"] = long }
    let environment = try #require(spec["Environment"]?.objectValue)
    #expect(environment["CONFIG"] == nil)
    let pieces = (0..<3).map { environment["CONFIG_\($0)"]?.stringValue ?? "" }
    #expect(pieces.joined() == long)
    #expect(pieces.allSatisfy { $0.utf8.count <= 512 && !$0.isEmpty })
    #expect(environment["CONFIG_3"] == nil)
  }

  @Test func whatSageMakerWouldNotTakeIsRefusedWithItsName() async throws {
    let tooLong = try await refused("sagemaker", ["Environment": ["A": .string(String(repeating: "x", count: 513))]])
    #expect(tooLong.contains("variable A"))
    let badName = try await refused("sagemaker", ["Environment": ["A-B": "1"]])
    #expect(badName.contains("`A-B`"))
    let tooMany = try await refused("sagemaker") { request in
      for number in 0..<100 { request.environment["V\(number)"] = "1" }
    }
    #expect(tooMany.contains("101"))
    let word = try await refused("sagemaker") { $0.args = [String(repeating: "x", count: 257)] }
    #expect(word.contains("ContainerArguments"))
    let lines = try await refused("sagemaker") { $0.args = ["a\nb"] }
    #expect(lines.contains("line break"))
    let parameter = try await refused(
      "sagemaker", ["HyperParameters": ["p": .string(String(repeating: "x", count: 2501))]])
    #expect(parameter.contains("hyperparameter p"))
    let image = try await refused("sagemaker") { $0.image = nil }
    #expect(image.contains("no image"))
  }

  @Test func theCommandIsTheRunsAndElseTheQueues() async throws {
    let own: Value = [
      "AlgorithmSpecification": ["ContainerEntrypoint": ["queue"], "ContainerArguments": ["of", "it"]]
    ]
    let none = try await plan("sagemaker", own)["AlgorithmSpecification"]
    #expect(none?["ContainerEntrypoint"] == ["queue"] && none?["ContainerArguments"] == ["of", "it"])
    let args = try await plan("sagemaker", own) { $0.args = ["run"] }["AlgorithmSpecification"]
    #expect(args?["ContainerEntrypoint"] == ["queue"] && args?["ContainerArguments"] == ["run"])
    let entry = try await plan("sagemaker", own) { $0.entryPoint = ["run"] }["AlgorithmSpecification"]
    #expect(entry?["ContainerEntrypoint"] == ["run"] && entry?["ContainerArguments"] == nil)
    #expect(entry?["TrainingImage"] == "image:1" && entry?["TrainingInputMode"] == "File")
  }

  @Test(
    arguments: [
      (nil, ["MaxRuntimeInSeconds": 3600], 3600), (60.0, ["MaxRuntimeInSeconds": 3600], 660), (60.0, [:], 660),
      (7200.0, ["MaxRuntimeInSeconds": 3600], 3600), (nil, [:], 86400),
      // For spot machines the wait must not be shorter than the run.
      (7200.0, ["MaxWaitTimeInSeconds": 7000], 7000),
    ] as [(Double?, Value, Int64)])
  func sageMakerEndsAJobThatNobodyIsLeftToStop(timeout: Double?, given: Value, limit: Int64) async throws {
    let spec = try await plan("sagemaker") { request in
      request.timeout = timeout
      request.resource =
        Node(request.resource, Origin(.run))
        .overlaid(with: Node(["StoppingCondition": ["MaxRuntimeInSeconds": .null]], Origin(.run)))
        .overlaid(with: Node(["StoppingCondition": given], Origin(.run))).value
    }
    #expect(spec["StoppingCondition"]?["MaxRuntimeInSeconds"] == .int(limit))
  }

  @Test func numbersBecomeTextWhereTheServiceTakesText() async throws {
    let spec = try await plan("sagemaker", ["HyperParameters": ["epochs": 3, "on": true], "Environment": ["N": 4]])
    #expect(spec["HyperParameters"] == ["epochs": "3", "on": "true"])
    #expect(spec["Environment"]?["N"] == "4")
    let tags = try #require(spec["Tags"]?.arrayValue)
    #expect(tags.contains(["Key": "lunaport-entity", "Value": "Team A"]))
  }

  // MARK: Vertex AI

  @Test func everyPoolGetsTheRunsContainerAndKeepsItsOwn() async throws {
    let machine: Value = ["machineType": "n1-standard-4"]
    let pools: Value = [
      ["machineSpec": machine],
      ["machineSpec": machine, "containerSpec": ["imageUri": "own:1", "env": [["name": "A", "value": "pool"]]]],
      ["machineSpec": machine, "pythonPackageSpec": ["pythonModule": "train"]],
    ]
    let spec = try await plan("vertex", ["workerPoolSpecs": pools]) {
      $0.entryPoint = ["python"]
      $0.args = ["train.py"]
      $0.environment = ["A": "run", "B": "run"]
    }
    let made = try #require(spec["jobSpec"]?["workerPoolSpecs"]?.arrayValue)
    #expect(made.map { $0["containerSpec"]?["imageUri"]?.stringValue } == ["image:1", "own:1", nil])
    #expect(made[0]["containerSpec"]?["command"] == ["python"] && made[0]["containerSpec"]?["args"] == ["train.py"])
    #expect(
      made[1]["containerSpec"]?["env"] == [["name": "A", "value": "pool"], ["name": "B", "value": "run"]])
    let tooMany = try await refused("vertex") { request in
      for number in 0..<100 { request.environment["V\(number)"] = "1" }
    }
    #expect(tooMany.contains("101"))
  }

  @Test func whatIsOfTheJobStandsBesideItsSpec() async throws {
    let spec = try await plan(
      "vertex", ["labels": ["team": "vision"], "encryptionSpec": ["kmsKeyName": "k"], "network": "n"]
    ) { $0.timeout = 60.5 }
    #expect(spec["displayName"] == "calm-sea-1 (abcd1234-2)")
    #expect(spec["encryptionSpec"] == ["kmsKeyName": "k"])
    #expect(spec["labels"]?["team"] == "vision" && spec["labels"]?["lunaport_entity"] == "team-a")
    let job = try #require(spec["jobSpec"]?.objectValue)
    #expect(job["labels"] == nil && job["encryptionSpec"] == nil && job["network"] == "n")
    #expect(job["scheduling"] == ["timeout": "661s"])
  }
}
