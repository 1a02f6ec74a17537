import Foundation
import Testing

@testable import Model

/// What is written by hand reads as `Codable` reads it, and the other way round: an agent and a server of two builds
/// must understand each other.
@Suite struct DirectJSONTests {
  private static let holding = Holding(run: "abcd1234", attempt: 3, epoch: 1 << 40)

  private static func lease() -> Lease {
    var run = Run(
      id: "abcd1234", name: "quiet-\"sea\"-7", entity: "e", project: "p", queue: QueueID(entity: "e", name: "q"),
      spec: RunSpec(
        job: JobVersion(
          entity: "e", project: "p", name: "j", version: 2, aliases: ["latest"],
          source: Source(kind: .code, manifest: "00ff", entryPoint: ["a.py"], python: "3.11"), digest: "d",
          author: "ann", createdAt: 5), source: Source(kind: .code, manifest: "00ff", entryPoint: ["a.py", "--x"]),
        overrides: Overrides(args: ["ü\n"], runConfig: ["lr": 0.1, "deep": ["a": [1, .null]]]), target: "process",
        resource: ["shell": true], needs: [Need(.driver(target: "process"), why: "because")], timeout: 60, grace: 10,
        retriesLost: true, generation: 4), author: "ann", createdAt: 1.5)
    run.attempt = 3
    run.epoch = 9
    run.leaseUntil = 100
    return Lease(run, now: 70)
  }

  /// - Parameter isFull: every member of the value has something, and so must be in its JSON: a member that was added
  ///   to the type and forgotten here would be lost on the way.
  private func holds<T: DirectJSON & Hashable>(_ value: T, isFull: Bool = false) throws {
    let byHand = JSON.bytes(of: value)
    if isFull {
      #expect(try Value(json: byHand).objectValue?.count == Mirror(reflecting: value).children.count, "\(T.self)")
    }
    #expect(try JSONDecoder().decode(T.self, from: Data(byHand)) == value, "read by Codable")
    let byCodable = [UInt8](try JSONEncoder().encode(value))
    #expect(try shape(Value(json: byHand)) == shape(Value(json: byCodable)), "every member, however deep")
    #expect(try JSON.decode(T.self, [UInt8](try JSONEncoder().encode(value))) == value, "written by Codable")
    #expect(try JSON.decode(T.self, byHand) == value)
  }

  /// A document with its texts and numbers left out, for one may be written in several ways.
  private func shape(_ value: Value) -> Value {
    switch value {
    case .object(let fields): .object(fields.mapValues(shape))
    case .array(let items): .array(items.map(shape))
    case .null: .null
    default: .bool(true)
    }
  }

  /// Members of a value, however deep, that have nothing.
  private func blanks(_ value: Any, _ path: String) -> [String] {
    if value is Value || value is Inputs { return [] }
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .optional, mirror.children.isEmpty { return [path] }
    return mirror.children.flatMap { blanks($0.value, "\(path).\($0.label ?? "")") }
  }

  /// A member that is added to one of these types has to be filled here, and then must be in the JSON.
  @Test func specs() throws {
    let image = try ImageReference("registry.example:5000/team/app:v1@sha256:" + String(repeating: "a", count: 64))
    let git = GitSource(
      url: "https://h/x", commit: String(repeating: "0", count: 40), ref: "main", folder: "a/b", secret: "git-h",
      user: "ann")
    let source = Source(
      kind: .git, manifest: "00ff", git: git, image: image, entryPoint: ["a.py", "--x"], python: "3.11",
      requirements: "requirements.txt")
    let inputs = try Inputs(schema: ["type": "object", "properties": ["lr": ["type": "number"]]])
    let place = Place(file: "q.lua", line: 3, column: 5, length: 7)
    let kinds: [Need.Kind] = [
      .driver(target: "slurm"), .capability(.gpu, target: "slurm"),
      .builder(source: .git, target: "slurm", name: "kaniko"),
    ]
    let spec = RunSpec(
      job: JobVersion(
        entity: "e", project: "p", name: "j", version: 2, aliases: ["latest", "good"], source: source, inputs: inputs,
        digest: "d", author: "ann", createdAt: 5.5),
      source: source, overrides: Overrides(args: ["a"], runConfig: ["k": [1, "x"]], entryPoint: ["b"]),
      target: "slurm", resource: ["a": [1.5]], needs: kinds.map { Need($0, why: "because", place: place) }, timeout: 60,
      grace: 10, retriesLost: true, generation: 4)
    #expect(blanks(spec, "spec") == [])
    try holds(spec, isFull: true)
    let retry = RetryPolicy(max: 3, on: Set(RetryPolicy.Cause.allCases), delay: 1.5, delayMax: 9)
    #expect(try RetryPolicy(json: retry.json()) == retry)
    #expect(try RetryPolicy(json: [UInt8](try JSONEncoder().encode(retry))) == retry)
    #expect(try JSONDecoder().decode(RetryPolicy.self, from: Data(retry.json())) == retry)
  }

  @Test func leases() throws {
    try holds(Self.lease(), isFull: true)
    try holds(Self.holding, isFull: true)
    try holds(LeaseRequest(room: 3, wait: 50, seen: 17), isFull: true)
    try holds(
      LeaseAnswer(leases: [Self.lease()], stops: [Self.holding], drain: true, seen: 4, notes: ["a \"note\""]),
      isFull: true)
    try holds(LeaseAnswer(leases: [], stops: [], drain: false, seen: 0))
  }

  @Test func reports() throws {
    let offer = Offer(
      drivers: [.init(target: "process", version: "1", provides: [.stop], probe: Probe(.healthy, detail: "ok"))])
    let updates = [
      RunUpdate(Self.holding, state: .building, message: "m", at: 1.25),
      RunUpdate(Self.holding, ending: Ending(.failed, .outOfMemory, exitCode: 137, signal: 9, message: "é"), at: 2),
      RunUpdate(Self.holding, at: 3),
    ]
    let sample = Sample(run: "r", at: 7.5, cpu: 1.5, memory: 1 << 33, gpu: 0.25, gpuMemory: 5)
    try holds(
      AgentReport(
        holding: [Self.holding], updates: updates, samples: [sample, Sample(run: "s", at: 1)], offer: offer,
        draining: true), isFull: true)
    try holds(sample, isFull: true)
    try holds(Ending(.failed, .outOfMemory, exitCode: 137, signal: 9, message: "é"), isFull: true)
    try holds(
      RunUpdate(Self.holding, state: .running, ending: .exited(3), message: "m", at: 1), isFull: true)
    try holds(AgentReport(holding: []))
  }

  @Test func receipts() throws {
    try holds(
      AgentReceipt(
        refusals: [nil, .unknown, .stale(attempt: 1, epoch: 2), .illegal(from: .queued, to: .succeeded)],
        gone: [Self.holding]), isFull: true)
  }

  /// What is missing or of another kind is an error that says where, and never a trap or a default.
  @Test(arguments: [
    #"{"run":"a","attempt":1}"#, #"{"run":1,"attempt":1,"epoch":1}"#, #"{"run":"a","attempt":1.5,"epoch":1}"#, "[]",
    #"{"run":"a","attempt":1,"epoch":1"#,
  ])
  func misfits(_ text: String) {
    #expect(throws: JSONError.self) { try JSON.decode(Holding.self, Array(text.utf8)) }
  }
}
