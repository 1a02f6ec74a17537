import Model
import Storage
import Testing

extension StoreSuite {
  /// Runs of two queues, projects and authors in every state that the store can bring them to, oldest first.
  private func population(_ store: any Store) async throws -> [Run] {
    try await store.join("a1")
    let job = try await store.createJobVersion(
      NewJobVersion(
        JobName(entity: "research", project: "vision", name: "train"), source: Source(kind: .code, entryPoint: ["t"]),
        digest: "d", author: "ann"), now: 1
    ).version
    var news: [NewRun] = []
    for index in 0..<48 {
      var new = newRun(
        index % 2 == 0 ? cpu : gpu, project: index % 3 == 0 ? "audio" : "vision", author: index % 5 == 0 ? "bob" : "ann"
      )
      if index % 7 == 0 { new.run.spec.job = job }
      new.run.entity = index % 11 == 10 ? "other" : "research"
      news.append(new)
    }
    let ids = try await store.enqueue(news, identity: .random, now: 1_000).map(\.run.id)
    let live = try await store.lease("a1", cpu, gpu, room: 40)
    for (index, run) in live.enumerated() {
      let now = 1_000 + Double(index)
      let depth = index % 9
      for state in [RunState.building, .starting, .running].prefix(depth) {
        _ = try await store.update("a1", run, state, now: now)
      }
      switch depth {
      case 4: _ = try await store.update("a1", run, ending: .exited(0), now: now)
      case 5: _ = try await store.update("a1", run, ending: .exited(1), now: now)
      case 6: _ = try await store.update("a1", run, ending: .signalled(9), now: now)
      case 7: _ = try await store.update("a1", run, ending: Ending(.stopped, .stopped), now: now)
      case 8: _ = try await store.update("a1", run, ending: Ending(.lost, .lost), now: now)
      default: break
      }
    }
    var runs: [Run] = []
    for id in ids { runs.append(try await store.require(id)) }
    return runs
  }

  @Test(arguments: StoreKind.all)
  func everyFilterGivesWhatFitsNewestFirst(kind: StoreKind) async throws {
    try await kind.with { store in
      let all = try await population(store).reversed()
      let filters: [(RunFilter, (Run) -> Bool)] = [
        (RunFilter(), { _ in true }),
        (RunFilter(entity: "other"), { $0.entity == "other" }),
        (RunFilter(project: "audio"), { $0.project == "audio" }),
        (RunFilter(entity: "research", project: "audio"), { $0.entity == "research" && $0.project == "audio" }),
        (RunFilter(queue: gpu), { $0.queue == gpu }),
        (RunFilter(author: "bob"), { $0.author == "bob" }),
        (RunFilter(job: "train"), { $0.spec.job?.name == "train" }),
        (RunFilter(states: [.queued]), { $0.state == .queued }),
        (RunFilter(states: [.running]), { $0.state == .running }),
        (RunFilter(states: [.succeeded]), { $0.state == .succeeded }),
        (RunFilter(states: [.failed, .lost]), { $0.state == .failed || $0.state == .lost }),
        (RunFilter(states: Set(RunState.allCases)), { _ in true }),
        (
          RunFilter(queue: cpu, states: [.queued, .building, .succeeded, .stopped], author: "ann"),
          { $0.queue == cpu && $0.author == "ann" && [.queued, .building, .succeeded, .stopped].contains($0.state) }
        ),
        (RunFilter(project: "nowhere"), { _ in false }),
        (RunFilter(job: "nothing"), { _ in false }),
        (RunFilter(queue: QueueID(entity: "research", name: "none")), { _ in false }),
      ]
      for (filter, fits) in filters {
        let page = try await store.runs(filter, after: nil, limit: 100)
        #expect(page.items == all.filter(fits), "\(filter)")
        #expect(page.next == nil)
      }
    }
  }

  @Test(arguments: StoreKind.all)
  func pagesFollowOneAnotherAndNewRunsDoNotShiftThem(kind: StoreKind) async throws {
    try await kind.with { store in
      let all = try await population(store).reversed()
      for filter in [RunFilter(), RunFilter(states: [.queued, .failed, .succeeded, .running])] {
        var cursor: Cursor?
        var seen: [String] = []
        repeat {
          let page = try await store.runs(filter, after: cursor, limit: 7)
          seen += page.items.map(\.id)
          cursor = page.next
          #expect(page.items.count == 7 || cursor == nil)
          _ = try await store.enqueue(newRun())
        } while cursor != nil
        #expect(seen == all.filter { filter.states.isEmpty || filter.states.contains($0.state) }.map(\.id))
        // What was added meanwhile must not be in the way of the second round.
        for run in try await store.runs(RunFilter(), after: nil, limit: 1_000).items
        where !all.contains(where: { $0.id == run.id }) {
          _ = try await store.requestStop(run: run.id, by: "ann", now: 1)
        }
        if filter.states.isEmpty { continue }
      }
      try await refuses(.invalid) { try await store.runs(RunFilter(), after: Cursor("nonsense"), limit: 1) }
    }
  }

  @Test(arguments: StoreKind.all)
  func countsAreThoseOfTheRuns(kind: StoreKind) async throws {
    try await kind.with { store in
      let all = try await population(store)
      let counts = try await store.counts(queue: nil)
      for queue in [cpu, gpu] {
        for state in RunState.allCases {
          let mine = all.filter { $0.queue == queue && $0.state == state }
          let counted = counts.filter { $0.queue == queue && $0.state == state }
          #expect(counted.map(\.count).reduce(0, +) == mine.count)
          if state == .failed {
            #expect(Set(counted.map(\.reason)) == Set(mine.map(\.reason)))
          }
        }
        #expect(try await store.counts(queue: queue) == counts.filter { $0.queue == queue })
      }
      let metrics = try await store.metrics()
      #expect(metrics.runs.values.reduce(0, +) == all.count)
      #expect(metrics.runs[.succeeded] == all.filter { $0.state == .succeeded }.count)
      #expect(metrics.commits > 0)
      #expect(metrics.operations >= metrics.commits)
      #expect(metrics.bytes > 0)
    }
  }

  @Test(arguments: StoreKind.all)
  func errorsAreTheBadEndsNewestFirst(kind: StoreKind) async throws {
    try await kind.with { store in
      let all = try await population(store)
      let bad = all.filter { $0.state == .failed || $0.state == .lost }
        .sorted { ($0.finishedAt ?? 0) > ($1.finishedAt ?? 0) }
      #expect(bad.count > 6)
      #expect(try await store.errors(RunFilter(), since: 0, limit: 100) == bad)
      #expect(try await store.errors(RunFilter(), since: 0, limit: 3) == Array(bad.prefix(3)))
      let since = bad[3].finishedAt ?? 0
      #expect(
        try await store.errors(RunFilter(), since: since, limit: 100) == bad.filter { ($0.finishedAt ?? 0) >= since })
      #expect(try await store.errors(RunFilter(queue: cpu), since: 0, limit: 100) == bad.filter { $0.queue == cpu })
    }
  }

  @Test(arguments: StoreKind.all)
  func aWaitingRunKnowsItsPlace(kind: StoreKind) async throws {
    try await kind.with { store in
      try await store.join("a1")
      let runs = try await store.enqueue(
        newRun(priority: .low), newRun(gpu), newRun(priority: .high, needs: [need("x")]), newRun(priority: .medium),
        newRun(priority: .high))
      let plain = try await [0, 2, 3, 4].asyncMap {
        try await store.position(of: runs[$0].id, priorities: false)?.ahead
      }
      #expect(plain == [0, 1, 2, 3])
      let ranked = try await [0, 2, 3, 4].asyncMap {
        try await store.position(of: runs[$0].id, priorities: true)?.ahead
      }
      #expect(ranked == [3, 0, 2, 1])
      #expect(try await store.position(of: runs[0].id, priorities: true)?.waiting == 4)
      let leased = try await store.lease("a1", cpu)[0]
      #expect(try await store.position(of: leased.id, priorities: false) == nil)
      #expect(try await store.position(of: "nowhere1", priorities: false) == nil)
    }
  }

  @Test(arguments: StoreKind.all)
  func theEventsOfAllRunsAreReadInOrderAndInPieces(kind: StoreKind) async throws {
    try await kind.with { store in
      let runs = try await population(store)
      var all: [RunEvent] = []
      while true {
        let piece = try await store.events(after: all.last?.number ?? 0, limit: 10)
        if piece.isEmpty { break }
        all += piece
      }
      #expect(all.map(\.number) == all.map(\.number).sorted())
      for run in runs {
        let mine = all.filter { $0.run == run.id }
        #expect(mine == (try await store.events(of: run.id)))
        #expect(mine.last?.to == run.state)
        // Each step begins where the one before it ended.
        #expect(mine.dropFirst().map(\.from) == mine.dropLast().map(\.to))
      }
      try await refuses(.notFound) { try await store.events(of: "nowhere1") }
    }
  }
}

extension Array {
  fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async throws -> [T] {
    var out: [T] = []
    for element in self { out.append(try await transform(element)) }
    return out
  }
}
