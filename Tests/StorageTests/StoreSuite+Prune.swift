import Model
import Storage
import Testing

/// Runs are deleted when they have been over for long enough, and nothing else is.
extension StoreSuite {
  private static func end(_ store: any Store, _ runs: Run..., at now: Double, samples: Int = 0) async throws {
    try await end(store, runs, at: now, samples: samples)
  }

  private static func end(_ store: any Store, _ runs: [Run], at now: Double, samples: Int = 0) async throws {
    let taken = runs.flatMap { run in (0..<samples).map { Sample(run: run.id, at: now - Double($0) / 10, cpu: 1) } }
    let running = runs.flatMap { (run) -> [RunUpdate] in
      [RunState.building, .starting, .running].map { RunUpdate(run.holding, state: $0, at: now) }
    }
    let endings = runs.map { RunUpdate($0.holding, ending: .exited(0), at: now) }
    for report in [
      AgentReport(holding: [], updates: running), AgentReport(holding: [], samples: taken),
      AgentReport(holding: [], updates: endings),
    ] {
      let receipt = try await store.report(report, from: "a1", now: now)
      #expect(receipt.refusals.allSatisfy { $0 == nil })
    }
  }

  /// Calls until nothing is left to do; gives how many runs went and how many calls that took.
  private static func prune(_ store: any Store, endedBefore time: Double) async throws -> (runs: Int, calls: Int) {
    var result = (runs: 0, calls: 0)
    while true {
      let pruned = try await store.prune(endedBefore: time)
      result.runs += pruned.runs
      result.calls += 1
      if pruned.isDone { return result }
    }
  }

  @Test(arguments: StoreKind.all)
  func onlyRunsThatEndedBeforeGo(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let made = try await store.enqueue(
        newRun(key: "old"), newRun(), newRun(), newRun(), newRun(gpu))
      let leased = try await store.lease("a1", cpu, room: 3)
      try await StoreSuite.end(store, leased[0], at: 1_010, samples: 3)
      try await StoreSuite.end(store, leased[1], at: 1_020)
      _ = try await store.update("a1", leased[2], .building)

      #expect(try await StoreSuite.prune(store, endedBefore: 1_010).runs == 0)
      #expect(try await StoreSuite.prune(store, endedBefore: 1_011).runs == 1)
      #expect(try await store.run(made[0].id) == nil)
      try await refuses(.notFound) { try await store.events(of: made[0].id) }
      try await refuses(.notFound) { try await store.usage(of: made[0].id, points: 10) }
      #expect(try await store.known(runs: made.map(\.id) + ["nothing1"]) == Set(made.dropFirst().map(\.id)))
      #expect(try await store.events(after: 0, limit: 1_000).allSatisfy { $0.run != made[0].id })
      let counts = try await store.counts(queue: cpu).filter { $0.state == .succeeded && $0.count > 0 }
      #expect(counts.map(\.count) == [1])

      // However far time goes on: what waits or lives stays.
      #expect(try await StoreSuite.prune(store, endedBefore: 9_000).runs == 1)
      let left = try await store.runs(RunFilter(), after: nil, limit: 10).items
      #expect(Set(left.map(\.id)) == Set(made.dropFirst(2).map(\.id)))
      // The submit key is free again, and no number is given out twice.
      let again = try await store.enqueue(newRun(name: "", key: "old"))[0]
      #expect(again.id != made[0].id)
      #expect(!made.map(\.name).contains(again.name))
    }
  }

  @Test(arguments: StoreKind.all)
  func aRunWithManySamplesGoesInPieces(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let made = try await store.enqueue(newRun(), newRun())
      for run in try await store.lease("a1", cpu, room: 2) {
        try await StoreSuite.end(store, run, at: 1_010, samples: run.id == made[0].id ? 5_000 : 0)
      }
      #expect(try await store.prune(endedBefore: 2_000) == Pruned(runs: 0, isDone: false))
      #expect(try await store.run(made[0].id) != nil)
      let rest = try await StoreSuite.prune(store, endedBefore: 2_000)
      #expect(rest.runs == 2 && rest.calls <= 4)
    }
  }

  @Test(arguments: StoreKind.all)
  func manyRunsGoInBoundedBatches(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let many = (0..<600).map { _ in newRun() }
      _ = try await store.enqueue(many, identity: .random, now: 1_000)
      try await StoreSuite.end(store, try await store.lease("a1", cpu, room: 600), at: 1_010)
      let first = try await store.prune(endedBefore: 2_000)
      #expect(!first.isDone && first.runs > 50 && first.runs < 300)
      #expect(try await StoreSuite.prune(store, endedBefore: 2_000).runs == 600 - first.runs)
    }
  }

  @Test(arguments: StoreKind.all)
  func theManifestsOfAllVersionsAreKnown(kind: StoreKind) async throws {
    try await kind.with { store in
      for (manifest, digest) in [("aa", "1"), ("bb", "2"), ("aa", "3")] {
        _ = try await store.createJobVersion(
          NewJobVersion(
            JobName(entity: "research", project: "vision", name: "train"),
            source: Source(kind: .code, manifest: manifest, entryPoint: ["a"]), digest: digest, author: "ann"),
          now: 1_000)
      }
      _ = try await store.createJobVersion(
        NewJobVersion(
          JobName(entity: "research", project: "vision", name: "image"),
          source: Source(kind: .image, entryPoint: []), digest: "4", author: "ann"),
        now: 1_000)
      #expect(try await store.manifests() == ["aa", "bb"])
    }
  }
}
