import FoundationEssentials
import Hashing
import Model
import Storage
import Testing

@testable import Server

/// What is older than it is kept goes, all of it, and nothing that somebody may need.
struct RetentionTests {
  private static let day: Double = 86_400

  @Test func oldRunsGoWithTheirLogsAndUnusedContent() async throws {
    let clock = ManualClock()
    try await TestAPI.with(clock: clock.serverClock) { api in
      let service = api.service
      let used = try await api.upload(["train.py": "print(1)"])
      let unused = try await service.blobs.put(Array("nobody's".utf8), expecting: nil).sha256
      let young = try await service.blobs.put(Array("young".utf8), expecting: nil).sha256
      for digest in used + [unused] { try api.age(digest, by: 2 * Self.day) }
      let old = try await api.finished()
      clock.advance(by: 10 * Self.day)
      let new = try await api.finished()
      for run in [old, new] {
        _ = try await service.logs.append(Array("hello".utf8), at: 0, run: run, attempt: 1)
      }

      let retention = service.retention(keep: 5 * Self.day)
      try await retention.sweep()
      #expect(try await service.store.run(old) == nil)
      #expect(try await service.store.run(new) != nil)
      #expect(try await service.logs.size(run: old, attempt: 1).stored == 0)
      #expect(try await service.logs.size(run: new, attempt: 1).stored == 5)
      #expect(service.blobs.file(unused) == nil)
      for digest in used + [young] { #expect(service.blobs.file(digest) != nil) }
      let metrics = try await service.metricsText()
      #expect(metrics.contains("lunaport_removed_total{kind=\"run\"} 1\n"))
      #expect(metrics.contains("lunaport_removed_total{kind=\"log\"} 1\n"))
      #expect(metrics.contains("lunaport_removed_bytes_total{kind=\"blob\"} 8\n"))

      // Killed after the rows were deleted: the next sweep finds the logs.
      while try await !service.store.prune(endedBefore: clock.now + 1).isDone {}
      try await retention.sweep()
      #expect(try await service.logs.size(run: new, attempt: 1).stored == 0)
    }
  }

  /// Nobody can tell then what the job is made from.
  @Test func nothingIsRemovedWhereAManifestCannotBeRead() async throws {
    try await TestAPI.with { api in
      let service = api.service
      let used = try await api.upload(["train.py": "print(1)"])
      let unused = try await service.blobs.put(Array("nobody's".utf8), expecting: nil).sha256
      for digest in used + [unused] { try api.age(digest, by: 2 * Self.day) }
      let manifest = try #require(service.blobs.file(used[0]))
      try Data("no manifest".utf8).write(to: URL(filePath: manifest))
      await #expect(throws: ServiceError.self) { try await service.retention(keep: 1).sweep() }
      #expect(service.blobs.file(unused) != nil)
    }
  }
}

extension TestAPI {
  /// Makes a job of files; gives the digests of its manifest and of these.
  fileprivate func upload(_ files: [String: String]) async throws -> [Digest] {
    var digests: [Digest] = []
    var entries: [Manifest.File] = []
    for (path, text) in files {
      let blob = try await service.blobs.put(Array(text.utf8), expecting: nil)
      digests.append(blob.sha256)
      entries.append(Manifest.File(path: path, sha256: blob.sha256.hex, size: blob.size, executable: false))
    }
    let bytes = Array(try JSONEncoder().encode(Manifest(files: entries)))
    let manifest = try await service.blobs.put(bytes, expecting: nil).sha256
    _ = try await service.store.createJobVersion(
      NewJobVersion(
        JobName(entity: "default", project: "p", name: "train"),
        source: Source(kind: .code, manifest: manifest.hex, entryPoint: ["train.py"]), digest: "d", author: "ann"),
      now: 1)
    return [manifest] + digests
  }

  fileprivate func age(_ digest: Digest, by seconds: Double) throws {
    let path = try #require(service.blobs.file(digest))
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: path)
  }

  /// A run that has just ended.
  fileprivate func finished() async throws -> String {
    let (store, now) = (service.store, service.clock.now())
    _ = try await store.register(
      .test(), id: "a", entity: "default", account: "robot", refusal: nil, now: now)
    let queue = QueueID(entity: "default", name: "q")
    let spec = RunSpec(
      job: nil, source: Source(kind: .code, manifest: "00", entryPoint: ["a"]), overrides: Overrides(),
      target: "process", resource: [:], needs: [], timeout: nil, grace: 1, retriesLost: false, generation: 1)
    let run = Run(
      id: "", name: "", entity: "default", project: "p", queue: queue, spec: spec, author: "ann", createdAt: now)
    _ = try await store.enqueue([NewRun(run)], identity: .random, now: now)
    let leased = try await store.lease(
      to: "a", from: [LeaseQueue(queue, covers: { _ in true })], room: 1, now: now)
    let held = try #require(leased.first)
    let holding = Holding(run: held.id, attempt: held.attempt, epoch: held.epoch)
    let updates = [
      RunUpdate(holding, state: .starting, at: now), RunUpdate(holding, ending: .exited(0), at: now),
    ]
    _ = try await store.report(AgentReport(holding: [], updates: updates), from: "a", now: now)
    return held.id
  }
}
