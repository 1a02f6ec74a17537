import Testing

@testable import Model

/// Random queues, agents, runs and probes: the check is right against a plain restatement of the rule, and its report
/// and its verdict never disagree.
struct CoverageTests {
  @Test func whatTheMachineLacksIsToldAsThat() throws {
    let offer = Offer(drivers: [
      .init(
        target: "process", version: "1", provides: [.codeSource],
        probe: Probe(.healthy, detail: "there is no git", lacks: [.gitSource]))
    ])
    let gap = try #require(
      Coverage.gaps([Need(.capability(.gitSource, target: "process"), why: "the job is a git checkout")], in: offer)
        .first)
    #expect(gap.fact == "driver `process` has it, but not on this machine: there is no git")
  }

  static let targets = ["process", "docker", "kubernetes", "slurm"]

  static func offer(_ random: inout SplitMix) -> Offer {
    var drivers: [Offer.Driver] = []
    for target in targets where Bool.random(using: &random) {
      let provides = Set(Capability.registry.map(\.capability).filter { _ in Bool.random(using: &random) })
      let health: Probe.Health = Int.random(in: 0..<4, using: &random) == 0 ? .unhealthy : .healthy
      drivers.append(
        .init(target: target, version: "1.0.0", provides: provides, probe: Probe(health, detail: "d")))
    }
    var builders: [Offer.Builder] = []
    for name in ["venv", "docker", "kaniko"] where Bool.random(using: &random) {
      builders.append(
        .init(
          name: name, sources: Set(SourceKind.allCases.filter { _ in Bool.random(using: &random) }),
          targets: Set(targets.filter { _ in Bool.random(using: &random) }),
          probe: Probe(Bool.random(using: &random) ? .healthy : .undetected, detail: "d")))
    }
    return Offer(drivers: drivers, builders: builders)
  }

  static func needs(_ random: inout SplitMix) -> [Need] {
    guard let target = targets.randomElement(using: &random) else { return [] }
    // A capability that is needed alone asks for a healthy driver as well.
    var needs = Int.random(in: 0..<4, using: &random) > 0 ? [Need(.driver(target: target), why: "w")] : []
    for entry in Capability.registry where Int.random(in: 0..<6, using: &random) == 0 {
      needs.append(Need(.capability(entry.capability, target: target), why: "w"))
    }
    if Bool.random(using: &random), let kind = SourceKind.allCases.randomElement(using: &random) {
      let name = [nil, "venv", "kaniko", "elsewhere"].randomElement(using: &random) ?? nil
      needs.append(Need(.builder(source: kind, target: target, name: name), why: "w"))
    }
    return needs.shuffled(using: &random)
  }

  static func isMet(_ need: Need, _ offer: Offer) -> Bool {
    switch need.kind {
    case .driver(let target):
      return offer.drivers.contains { $0.target == target && $0.probe.health == .healthy }
    case .capability(let capability, let target):
      return offer.drivers.contains {
        $0.target == target && $0.probe.health == .healthy && $0.provides.contains(capability)
      }
    case .builder(let source, let target, let name):
      return offer.builders.contains {
        $0.sources.contains(source) && $0.targets.contains(target) && $0.probe.health == .healthy
          && (name == nil || $0.name == name)
      }
    }
  }

  @Test(arguments: 0..<400) func coveredExactlyWhenEveryNeedIsMet(seed: Int) {
    var random = SplitMix(UInt64(seed))
    for _ in 0..<20 {
      let offer = Self.offer(&random)
      let needs = Self.needs(&random)
      let met = needs.allSatisfy { Self.isMet($0, offer) }
      #expect(Coverage.covers(needs, offer) == met)
      #expect(Coverage.gaps(needs, in: offer).isEmpty == met)
    }
  }

  @Test func moreOfferNeverCoversLess() {
    var random = SplitMix(9)
    for _ in 0..<2_000 {
      let needs = Self.needs(&random)
      let offer = Self.offer(&random)
      let more = Offer(
        drivers: offer.drivers,
        builders: offer.builders + [
          .init(name: "all", sources: Set(SourceKind.allCases), targets: Set(Self.targets), probe: Probe(.healthy))
        ])
      if Coverage.covers(needs, offer) { #expect(Coverage.covers(needs, more)) }
    }
  }

  @Test func theReportNamesQueueNeedAndFact() {
    let needs = [
      Need(.driver(target: "slurm"), why: "its target", place: Place(file: "queues.d/s.lua", line: 3, column: 3)),
      Need(.capability(.gpu, target: "slurm"), why: "it asks for GPUs"),
    ]
    let offer = Offer(drivers: [
      .init(
        target: "slurm", version: "1.0.0", provides: [.stop],
        probe: Probe(.undetected, detail: "sbatch not found in PATH"))
    ])
    let report = Coverage.report(agent: "a", queues: [("s", needs)], offer: offer)
    #expect(report.refused == ["s"])
    #expect(
      report.entries.map(\.gap.fact) == ["driver `slurm` is installed, but its probe says: sbatch not found in PATH"])
  }

  @Test func anyExecutableNeedsNoBuilderAndDependenciesDo() {
    let plain = Source(kind: .code, entryPoint: ["./run.sh"])
    #expect(
      Need.needs(of: plain, target: "process", targetTakes: [.codeSource]).map(\.text) == [
        "capability source.code of process"
      ])
    let python = Source(kind: .code, entryPoint: ["t.py"], requirements: "requirements.txt")
    #expect(
      Need.needs(of: python, target: "process", targetTakes: [.codeSource]).map(\.text)
        == ["capability source.code of process", "builder of code for process"])
    #expect(
      Need.needs(of: plain, target: "docker", targetTakes: [.imageSource]).map(\.text)
        == ["capability source.image of docker", "builder of code for docker"])
  }

  /// Runs that need the same are kept together by the needs' texts.
  @Test func theBuilderThatAQueueNamesIsAnotherNeedThanAny() {
    let plain = Source(kind: .code, entryPoint: ["./run.sh"])
    let named = Need.needs(of: plain, target: "docker", targetTakes: [.imageSource], builder: "kaniko")
    #expect(named.map(\.text) == ["capability source.image of docker", "builder kaniko of code for docker"])
    #expect(named[1].why == "the job is a folder of code, to be built into an image, and the queue names its builder")
    let image = Source(kind: .image, entryPoint: [])
    #expect(Need.needs(of: image, target: "docker", targetTakes: [.imageSource], builder: "kaniko").count == 1)
    #expect(Need.needs(of: plain, target: "process", targetTakes: [.codeSource], builder: "venv").count == 1)
  }

  @Test func anotherBuilderDoesNotCoverTheOneThatTheQueueNames() {
    func fact(_ builders: Offer.Builder...) -> String? {
      let need = Need(.builder(source: .code, target: "docker", name: "kaniko"), why: "w")
      return Coverage.gaps([need], in: Offer(builders: builders)).first?.fact
    }
    func builder(_ name: String, _ targets: Set<String> = ["docker"], _ probe: Probe = Probe(.healthy)) -> Offer.Builder
    {
      .init(name: name, sources: [.code, .git], targets: targets, probe: probe)
    }
    #expect(fact(builder("kaniko"), builder("docker-build")) == nil)
    #expect(fact(builder("docker-build")) == "no builder `kaniko` is installed; installed: docker-build")
    #expect(fact() == "no builder `kaniko` is installed; installed: none")
    #expect(
      fact(builder("kaniko", ["vertex", "kubernetes"]), builder("docker-build"))
        == "builder `kaniko` makes code, git jobs for kubernetes, vertex")
    #expect(
      fact(builder("kaniko", ["docker"], Probe(.unhealthy, detail: "no cluster")), builder("docker-build"))
        == "builder `kaniko` is installed, but its probe says: no cluster")
  }

  @Test func aQueueThatBuildsNothingTakesWhatRunsAsItIs() {
    func refusal(
      _ source: Source, _ target: String, _ takes: Set<Capability>, builder: String? = Queue.noBuilder
    ) -> Diagnostic? {
      Queue(
        name: "q", entity: "e", target: target, builder: builder, resource: .table([:], Origin(.queue("q"))),
        takes: takes
      ).refusal(of: source)
    }
    let plain = Source(kind: .code, entryPoint: ["./run.sh"])
    let python = Source(kind: .git, entryPoint: ["t.py"], requirements: "requirements.txt")
    #expect(refusal(Source(kind: .image, entryPoint: []), "docker", [.imageSource]) == nil)
    #expect(refusal(plain, "process", [.codeSource]) == nil)
    #expect(refusal(python, "process", [.codeSource, .gitSource], builder: "venv") == nil)
    #expect(refusal(python, "process", [.codeSource, .gitSource], builder: nil) == nil)
    #expect(
      refusal(plain, "docker", [.imageSource])?.text
        == "S0009 queue `q` builds nothing: its builder is `noop`, and the job is a folder of code, to be built into an "
        + "image; launch a job that is made from an image, or choose a queue that has a builder")
    #expect(
      refusal(python, "process", [.codeSource, .gitSource])?.text
        == "S0009 queue `q` builds nothing: its builder is `noop`, and the job declares dependencies "
        + "(requirements.txt); leave the dependencies out, or choose a queue that has a builder")
  }
}

extension Diagnostic {
  fileprivate var text: String { "\(code) \(message); \(help ?? "")" }
}
