import Model
import Storage
import Testing

private let train = JobName(entity: "research", project: "vision", name: "train")

private func version(
  _ digest: String, of job: JobName = train, aliases: [String] = [], author: String = "ann"
) -> NewJobVersion {
  NewJobVersion(
    job, source: Source(kind: .code, manifest: digest, entryPoint: ["train.py"], python: "3.11"), digest: digest,
    aliases: aliases, author: author)
}

private func reference(_ text: String) throws -> JobReference { try #require(JobReference(text)) }

extension StoreSuite {
  @Test(arguments: StoreKind.all)
  func aJobHasANewVersionOnlyWhereItsContentChanged(kind: StoreKind) async throws {
    try await kind.with { store in
      let first = try await store.createJobVersion(version("one"), now: 1)
      let same = try await store.createJobVersion(version("one", author: "bob"), now: 2)
      let second = try await store.createJobVersion(version("two"), now: 3)
      let back = try await store.createJobVersion(version("one"), now: 4)
      #expect([first.created, same.created, second.created, back.created] == [true, false, true, true])
      #expect(same.version == first.version)
      #expect(first.version.version == 0)
      #expect(first.version.aliases == ["latest"])
      #expect(first.version.source.manifest == "one")
      #expect(back.version.version == 2)
      let versions = try await store.versions(of: train, after: nil, limit: 10)
      #expect(versions.items.map(\.version) == [2, 1, 0])
      #expect(versions.items.map(\.aliases) == [["latest"], [], []])
      #expect(versions.items.map(\.author) == ["ann", "ann", "ann"])
    }
  }

  @Test(arguments: StoreKind.all)
  func anAliasNamesOneVersionAtATime(kind: StoreKind) async throws {
    try await kind.with { store in
      _ = try await store.createJobVersion(version("one", aliases: ["best"]), now: 1)
      _ = try await store.createJobVersion(version("two"), now: 2)
      #expect(try await store.job(reference("train:best"), entity: "research", project: "vision").version == 0)
      try await store.setAlias("best", of: train, to: 1)
      #expect(try await store.job(reference("train:best"), entity: "research", project: "vision").version == 1)
      try await store.removeAlias("best", of: train)
      try await store.removeAlias("best", of: train)
      try await refuses(.notFound) { try await store.job(reference("train:best"), entity: "research", project: nil) }
      try await refuses(.notFound) { try await store.setAlias("best", of: train, to: 7) }
      try await refuses(.invalid) { try await store.setAlias("latest", of: train, to: 0) }
      try await refuses(.invalid) { try await store.removeAlias("latest", of: train) }
      try await refuses(.invalid) { try await store.setAlias("v1", of: train, to: 0) }
      try await refuses(.invalid) { try await store.createJobVersion(version("x", aliases: ["a b"]), now: 1) }
    }
  }

  @Test(arguments: StoreKind.all)
  func aReferenceFindsItsJob(kind: StoreKind) async throws {
    try await kind.with { store in
      let other = JobName(entity: "research", project: "audio", name: "train")
      let alone = JobName(entity: "research", project: "audio", name: "clean")
      for (job, digest) in [(train, "t0"), (train, "t1"), (other, "o0"), (alone, "c0")] {
        _ = try await store.createJobVersion(version(digest, of: job), now: 1)
      }
      func find(_ text: String, project: String?) async throws -> String {
        try await store.job(reference(text), entity: "research", project: project).reference
      }
      #expect(try await find("train", project: "vision") == "research/vision/train:v1")
      #expect(try await find("train:v0", project: "vision") == "research/vision/train:v0")
      #expect(try await find("train", project: "audio") == "research/audio/train:v0")
      #expect(try await find("audio/train", project: "vision") == "research/audio/train:v0")
      #expect(try await find("research/audio/train:latest", project: nil) == "research/audio/train:v0")
      #expect(try await find("clean", project: "vision") == "research/audio/clean:v0")
      #expect(try await find("clean", project: nil) == "research/audio/clean:v0")
      try await refuses(.ambiguous) { try await find("train", project: nil) }
      try await refuses(.ambiguous) { try await find("train", project: "text") }
      try await refuses(.notFound) { try await find("vision/clean", project: nil) }
      try await refuses(.notFound) { try await find("train:v9", project: "vision") }
      try await refuses(.notFound) { try await find("elsewhere/vision/train", project: nil) }
    }
  }

  @Test(arguments: StoreKind.all)
  func jobsAreListedByNameWithTheirNewestVersion(kind: StoreKind) async throws {
    try await kind.with { store in
      for name in ["d", "b", "a", "c"] {
        for project in ["vision", "audio"] {
          let job = JobName(entity: "research", project: project, name: name)
          _ = try await store.createJobVersion(version("\(name)0", of: job), now: 1)
          if name == "b" { _ = try await store.createJobVersion(version("\(name)1", of: job), now: 2) }
        }
      }
      _ = try await store.createJobVersion(
        version("x", of: JobName(entity: "other", project: "vision", name: "e")), now: 1)
      var names: [String] = []
      var cursor: Cursor?
      repeat {
        let page = try await store.jobs(entity: "research", project: nil, after: cursor, limit: 3)
        names += page.items.map { "\($0.project)/\($0.name):\($0.version)" }
        cursor = page.next
      } while cursor != nil
      #expect(
        names == [
          "audio/a:0", "audio/b:1", "audio/c:0", "audio/d:0", "vision/a:0", "vision/b:1", "vision/c:0", "vision/d:0",
        ])
      let one = try await store.jobs(entity: "research", project: "audio", after: nil, limit: 10)
      #expect(one.items.map(\.name) == ["a", "b", "c", "d"])
      #expect(one.next == nil)
      try await refuses(.invalid) {
        try await store.jobs(entity: "research", project: nil, after: Cursor("x"), limit: 1)
      }
    }
  }

  @Test(arguments: StoreKind.all)
  func versionsAreListedInPages(kind: StoreKind) async throws {
    try await kind.with { store in
      for number in 0..<5 { _ = try await store.createJobVersion(version("d\(number)"), now: 1) }
      let first = try await store.versions(of: train, after: nil, limit: 2)
      let second = try await store.versions(of: train, after: first.next, limit: 2)
      let third = try await store.versions(of: train, after: second.next, limit: 2)
      #expect([first, second, third].map { $0.items.map(\.version) } == [[4, 3], [2, 1], [0]])
      #expect(third.next == nil)
      try await refuses(.notFound) {
        try await store.versions(of: JobName(entity: "a", project: "b", name: "c"), after: nil, limit: 1)
      }
    }
  }

  @Test(arguments: StoreKind.all)
  func versionsMadeAtOnceAreNumberedWithoutGaps(kind: StoreKind) async throws {
    try await kind.with { store in
      let numbers = try await withThrowingTaskGroup(of: Int.self) { group in
        for index in 0..<20 {
          group.addTask { try await store.createJobVersion(version("d\(index)"), now: 1).version.version }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(numbers.sorted() == Array(0..<20))
    }
  }
}
