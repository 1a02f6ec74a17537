import Hashing
import Model
import Storage
import Testing

extension StoreSuite {
  @Test(arguments: StoreKind.all)
  func aKeyAuthenticatesItsAccountUntilItIsRevoked(kind: StoreKind) async throws {
    try await kind.with { store in
      let ann = Account(name: "ann", role: .member, entities: ["audio", "research"])
      try await store.putAccount(ann, now: 1)
      let digest = try Hash.of("a-secret-key")
      let key = try await store.addKey(sha256: digest, account: "ann", label: "laptop", now: 2)
      let other = try await store.addKey(sha256: Hash.of("another"), account: "ann", label: "", now: 3)
      #expect(try await store.authenticate(sha256: digest, now: 10) == ann)
      #expect(try await store.authenticate(sha256: Hash.of("wrong"), now: 10) == nil)
      try await refuses(.exists) { try await store.addKey(sha256: digest, account: "ann", label: "", now: 3) }
      try await refuses(.notFound) { try await store.addKey(sha256: Hash.of("x"), account: "bob", label: "", now: 3) }
      try await store.revokeKey(key.id, now: 20)
      try await store.revokeKey(key.id, now: 30)
      #expect(try await store.authenticate(sha256: digest, now: 21) == nil)
      #expect(try await store.keys(account: "ann").map(\.id) == [other.id, key.id])
      #expect(try await store.keys(account: nil).map(\.revokedAt) == [nil, 20])
      #expect(try await store.keys(account: "bob").isEmpty)
      try await refuses(.notFound) { try await store.revokeKey(999, now: 1) }
    }
  }

  @Test(arguments: StoreKind.all)
  func theLastUseOfAKeyIsNoted(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.putAccount(Account(name: "ann", role: .admin), now: 1)
      let digest = try Hash.of("key")
      _ = try await store.addKey(sha256: digest, account: "ann", label: "", now: 2)
      #expect(try await store.keys(account: nil).map(\.usedAt) == [nil])
      _ = try await store.authenticate(sha256: digest, now: 100)
      var used: Double?
      for _ in 0..<10_000 where used == nil {
        used = try await store.keys(account: nil)[0].usedAt
        await Task.yield()
      }
      #expect(used == 100)
    }
  }

  @Test(arguments: StoreKind.all)
  func anAccountIsChangedInPlaceAndTakesItsKeysAlong(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.putAccount(Account(name: "ann", role: .member, entities: ["research"]), now: 1)
      try await store.putAccount(Account(name: "bob", role: .agent, entities: ["research", "research"]), now: 1)
      try await store.createEntity("empty", now: 2)
      try await store.createEntity("empty", now: 3)
      #expect(
        try await store.entities() == [
          Entity(name: "empty", members: [], createdAt: 2),
          Entity(name: "research", members: ["ann", "bob"], createdAt: 1),
        ])
      let changed = Account(name: "ann", role: .admin, entities: ["empty"])
      try await store.putAccount(changed, now: 4)
      #expect(try await store.account("ann") == changed)
      #expect(try await store.account("nobody") == nil)
      #expect(try await store.accounts().map(\.name) == ["ann", "bob"])
      let digest = try Hash.of("key")
      _ = try await store.addKey(sha256: digest, account: "ann", label: "", now: 4)
      try await store.removeAccount("ann")
      try await store.removeAccount("ann")
      #expect(try await store.authenticate(sha256: digest, now: 5) == nil)
      #expect(try await store.keys(account: nil).isEmpty)
      #expect(try await store.entities().map(\.members) == [[], ["bob"]])
      try await refuses(.invalid) { try await store.putAccount(Account(name: "a b", role: .member), now: 1) }
      try await refuses(.invalid) { try await store.createEntity("../x", now: 1) }
    }
  }

  @Test(arguments: StoreKind.all)
  func queuesOfTheAPIAreKeptAsTheyWereGiven(kind: StoreKind) async throws {
    try await kind.with { store in
      let document: Value = [
        "target": "process", "concurrency": 3, "ratio": 0.5, "text": "größe\n\"x\"", "none": .null,
      ]
      try await store.createQueue(gpu, definition: document, author: "ann", now: 5)
      try await store.createQueue(cpu, definition: [:], author: "bob", now: 6)
      try await refuses(.exists) { try await store.createQueue(gpu, definition: [:], author: "ann", now: 7) }
      #expect(
        try await store.createdQueues() == [
          CreatedQueue(id: cpu, definition: [:], author: "bob", createdAt: 6),
          CreatedQueue(id: gpu, definition: document, author: "ann", createdAt: 5),
        ])
      let run = try await store.enqueue(newRun(gpu))[0]
      try await store.deleteQueue(gpu)
      try await refuses(.notFound) { try await store.deleteQueue(gpu) }
      #expect(try await store.createdQueues().map(\.id) == [cpu])
      #expect(try await store.require(run.id).state == .queued)
      try await store.createQueue(gpu, definition: [:], author: "ann", now: 8)
    }
  }
}
