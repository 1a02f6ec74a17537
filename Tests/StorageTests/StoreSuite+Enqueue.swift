import Model
import Storage
import Synchronization
import Testing

extension StoreSuite {
  @Test(arguments: StoreKind.all)
  func aQueuedRunReadsBackAsItWasGiven(kind: StoreKind) async throws {
    try await kind.with { store in
      var new = newRun(priority: .high, needs: [need("process")], retry: RetryPolicy(max: 2, on: [.lost, .failed]))
      new.run.message = "waits for its turn"
      let run = try await store.enqueue(new)[0]
      #expect(run.id.count == 8)
      #expect(run.name.hasSuffix("-1"))
      #expect(run.spec == new.run.spec)
      #expect(try await store.run(run.id) == run)
      #expect(try await store.run("nowhere1") == nil)
    }
  }

  @Test(arguments: StoreKind.all)
  func namesAreNumberedWithinEachProject(kind: StoreKind) async throws {
    try await kind.with { store in
      let first = try await store.enqueue(newRun(), newRun(project: "audio"), newRun(), newRun(name: "mine"))
      let second = try await store.enqueue(newRun(), newRun(project: "audio"))
      #expect(first.map { $0.name.split(separator: "-").last } == ["1", "1", "2", "mine"])
      #expect(second.map { $0.name.split(separator: "-").last } == ["4", "2"])
    }
  }

  @Test(arguments: StoreKind.all)
  func theSameSubmitKeyOfTheSameAuthorIsTheFirstRun(kind: StoreKind) async throws {
    try await kind.with { store in
      let first = try await store.enqueue([newRun(key: "k1")], identity: .random, now: 1)
      try await store.join("a1")
      _ = try await store.lease("a1", cpu)
      let again = try await store.enqueue(
        [newRun(key: "k1"), newRun(author: "bob", key: "k1"), newRun(key: "k2")], identity: .random, now: 2)
      #expect(first.map(\.created) == [true])
      #expect(again.map(\.created) == [false, true, true])
      #expect(again[0].run.id == first[0].run.id)
      #expect(again[0].run.state == .leased)
      #expect(again[0].run.spec == first[0].run.spec)
      #expect(try await store.runs(RunFilter(), after: nil, limit: 10).items.count == 3)
    }
  }

  @Test(arguments: StoreKind.all)
  func theSameKeyTwiceInOneCallIsOneRun(kind: StoreKind) async throws {
    try await kind.with { store in
      let runs = try await store.enqueue([newRun(key: "k"), newRun(key: "k")], identity: .random, now: 1)
      #expect(runs.map(\.created) == [true, false])
      #expect(runs[0].run.id == runs[1].run.id)
    }
  }

  @Test(arguments: StoreKind.all)
  func aTakenIdIsTriedAgainWithAFreshOne(kind: StoreKind) async throws {
    try await kind.with { store in
      let next = Mutex(0)
      let ids = ["same", "same", "same", "other"]
      let identity = RunIdentity(
        id: {
          next.withLock { index in
            defer { index += 1 }
            return ids[min(index, ids.count - 1)]
          }
        }, name: { "run-\($0)" })
      let runs = try await store.enqueue([newRun(), newRun()], identity: identity, now: 1)
      #expect(runs.map(\.run.id) == ["same", "other"])
      #expect(runs.map(\.run.name) == ["run-1", "run-2"])
    }
  }

  @Test(arguments: StoreKind.all)
  func aGivenIdThatIsTakenIsRefusedAndNothingOfTheCallIsKept(kind: StoreKind) async throws {
    try await kind.with { store in
      _ = try await store.enqueue(newRun(id: "mine0001"))
      try await refuses(.exists) { try await store.enqueue(newRun(key: "k"), newRun(id: "mine0001")) }
      #expect(try await store.runs(RunFilter(), after: nil, limit: 10).items.map(\.id) == ["mine0001"])
      // The key of the run that was taken back is free again, and so is its number.
      let later = try await store.enqueue([newRun(key: "k")], identity: .random, now: 1)
      #expect(later[0].created)
      #expect(later[0].run.name.hasSuffix("-2"))
    }
  }

  @Test(arguments: StoreKind.all)
  func aBrokenGeneratorOfIdsIsAnErrorAndNoLoop(kind: StoreKind) async throws {
    try await kind.with { store in
      let stuck = RunIdentity(id: { "stuck" }, name: { _ in "x" })
      try await refuses(.defect) { try await store.enqueue([newRun(), newRun()], identity: stuck, now: 1) }
      #expect(try await store.counts(queue: nil).isEmpty)
    }
  }

  @Test(arguments: StoreKind.all)
  func aDrainingQueueTakesNoNewRunsAndAPausedOneDoes(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.setGate(.draining, of: cpu)
      try await refuses(.closed) { try await store.enqueue(newRun(gpu), newRun(cpu)) }
      #expect(try await store.counts(queue: nil).isEmpty)
      try await store.setGate(.paused, of: cpu)
      #expect(try await store.enqueue(newRun(cpu)).count == 1)
    }
  }

  @Test(arguments: StoreKind.all)
  func tooManyRunsAtOnceAreRefused(kind: StoreKind) async throws {
    try await kind.with { store in
      let many = Array(repeating: newRun(), count: Limits.bulkRunsMax + 1)
      try await refuses(.tooLarge) { try await store.enqueue(many, identity: .random, now: 1) }
      #expect(try await store.enqueue([], identity: .random, now: 1).isEmpty)
    }
  }
}
