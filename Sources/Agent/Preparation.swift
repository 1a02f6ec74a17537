import FoundationEssentials
import Model
import Processes
import Scripting

/// All that comes before the start of a program: its source, its environment or image, its resource document, and the
/// target's own document made of them. May be repeated.
struct Preparation: Sendable {
  let attempt: Attempt
  let target: Target

  init(_ attempt: Attempt, _ target: Target) {
    self.attempt = attempt
    self.target = target
  }

  private var shop: Workshop { attempt.shop }
  private var lease: Lease { attempt.lease }

  /// The target's document. A stop asked for meanwhile ends it at once.
  func spec() async throws(Attempt.Halt) -> Value {
    try await attempt.untilStopped { () throws(Attempt.Halt) in try await prepare() }
  }

  private func prepare() async throws(Attempt.Halt) -> Value {
    let source = lease.spec.source
    // Nobody should wait for an image that no program will be started in.
    _ = try attempt.openSecrets(of: lease.spec.resource)
    var request = PlanRequest(
      run: lease.run, name: lease.name, attempt: lease.attempt, entity: lease.entity, project: lease.project,
      queue: lease.queue, author: lease.author, job: lease.spec.job?.reference, entryPoint: lease.spec.entryPoint,
      args: lease.spec.args, environment: [:], resource: lease.spec.resource, timeout: lease.spec.timeout,
      grace: lease.spec.grace, fenced: lease.spec.retriesLost)
    if source.kind == .image {
      request.image = source.image?.pinned
      request.environment = try environmentElsewhere()
    } else {
      try await unpack(source, &request)
    }
    do throws(Program.MacroFailure) {
      request.resource = try Program.fill(
        lease.spec.resource,
        Program.macros(lease, image: request.image, environment: shop.settings.macros))
    } catch {
      throw .ended(Ending(.failed, .start, message: "\(error.message); \(error.hint)"))
    }
    let ready = request
    do throws(DriverFailure) {
      return try await target.persist(.plan, tries: 3) { (driver) throws(DriverFailure) in try await driver.plan(ready)
      }
    } catch { throw .ended(Attempt.failure(error)) }
  }

  /// Gives the attempt its folder, its environment or image, and its command.
  private func unpack(_ source: Source, _ request: inout PlanRequest) async throws(Attempt.Halt) {
    if await !shop.sources.has(source) {
      let what = source.git.map { "\($0.commit.prefix(12)) of \($0.url)" } ?? "the source"
      shop.reporter.send(attempt.update(.building, "fetching \(what)"))
    }
    let (folder, manifest, notes) = try await take(source)
    var result = BuildResult()
    // An image has the files too, and is entered by the same rules.
    let entryPoint = Program.command(lease.spec.entryPoint, in: folder, prefix: nil, path: nil)
    var halt: Attempt.Halt?
    do throws(Attempt.Halt) {
      if target.takesFolders {
        let own = "\(attempt.work)/source"
        do throws(ProcessFailure) {
          // An earlier life may have left a part of it.
          try Disk.remove(own)
          try Sources.copy(manifest, from: folder, to: own)
        } catch {
          // What cannot be copied may be damaged: it must not be the end of every run of this job.
          if error.code == .invalid || error.code == .notFound { await shop.sources.forget(source) }
          throw .ended(Ending(.failed, .start, message: "\(error)"))
        }
        request.folder = own
      }
      if !target.takesFolders || lease.spec.source.needsEnvironment { result = try await build(folder) }
    } catch { halt = error }
    await shop.sources.release(source)
    if let halt { throw halt }
    if let notes, !notes.isEmpty {
      try? Disk.makeFolder(attempt.work)
      attempt.output.print(Array("[\(notes)]\n".utf8))
    }
    request.prefix = result.prefix
    request.image = result.image
    guard let own = request.folder else {
      request.environment = try environmentElsewhere()
      request.entryPoint = entryPoint
      return
    }
    request.environment = Program.environment(lease, configFile: try config())
    request.entryPoint = Program.command(
      lease.spec.entryPoint, in: own, prefix: result.prefix,
      path: BaseEnvironment.current()["PATH"] ?? BaseEnvironment.defaultPath)
  }

  /// Variables of a program that does not see this disk.
  private func environmentElsewhere() throws(Attempt.Halt) -> [String: String] {
    let environment = Program.environment(lease, configFile: nil)
    let size = environment["LUNAPORT_CONFIG_JSON"]?.utf8.count ?? 0
    if size > Program.variableBytesMax {
      // A program that finds no config would run with its defaults, and nobody would see why.
      throw .ended(
        Ending(
          .failed, .start,
          message: "the run's config has \(size) bytes, and target `\(target.name)` takes it in a variable of at most "
            + "\(Program.variableBytesMax); put the large parts into a file that the program reads"))
    }
    return environment
  }

  /// Gets the source, for as long as only the network is in the way.
  private func take(
    _ source: Source
  ) async throws(Attempt.Halt) -> (folder: String, manifest: Manifest, notes: String?) {
    var backoff = Backoff(least: 0.5, most: 10)
    while true {
      do throws(SourceFailure) {
        return try await shop.sources.take(source)
      } catch {
        try attempt.heed()
        guard error.isPassing else { throw .ended(Ending(.failed, .start, message: error.message)) }
        shop.reporter.send(attempt.update(.building, "trying again: \(error.message)"))
      }
      try? await shop.clock.sleep(backoff.next(shop.clock.random()))
      try attempt.heed()
    }
  }

  /// The run's config as a JSON file, its own where it has none: no program may find what another has written there.
  private func config() throws(Attempt.Halt) -> String {
    let config = lease.spec.overrides.runConfig ?? [:]
    let path = "\(attempt.work)/config.json"
    do throws(ProcessFailure) {
      try Disk.write(path, Array(Value.object(config).json(pretty: true).utf8) + [10], mode: 0o644)
    } catch { throw .ended(Ending(.failed, .start, message: "\(error)")) }
    return path
  }

  private func build(_ folder: String) async throws(Attempt.Halt) -> BuildResult {
    let source = lease.spec.source
    let named = lease.spec.builder
    let candidates = shop.settings.builders.filter {
      $0.sources.contains(source.kind) && $0.targets.contains(target.name) && (named == nil || $0.name == named)
    }
    let healthy = Set(shop.prober.offer.builders.filter { $0.probe.health == .healthy }.map(\.name))
    guard let builder = candidates.first(where: { healthy.contains($0.name) }) ?? candidates.first else {
      let name = named.map { " `\($0)`" } ?? ""
      throw .ended(
        Ending(
          .failed, .build, message: "no builder\(name) makes \(source.kind.rawValue) jobs for target `\(target.name)`"))
    }
    shop.reporter.send(attempt.update(.building, "building with \(builder.name)"))
    try? Disk.makeFolder(attempt.work)
    let output = attempt.output
    if Disk.exists("\(attempt.work)/output") { output.print(Array("\n[the agent came back and builds again]\n".utf8)) }
    // People look on while it builds.
    let follower = Task { await output.follow(nil, nil) }
    let result = await outcome(builder, folder)
    follower.cancel()
    await follower.value
    return try result.get()
  }

  private func outcome(_ builder: any Builder, _ folder: String) async -> Result<BuildResult, Attempt.Halt> {
    do throws(Attempt.Halt) { return .success(try await build(folder, with: builder)) } catch { return .failure(error) }
  }

  private func build(_ folder: String, with builder: any Builder) async throws(Attempt.Halt) -> BuildResult {
    let source = lease.spec.source
    let request = BuildRequest(
      source: source, target: target.name, folder: folder,
      requirements: source.requirements.flatMap { Disk.text("\(folder)/\($0)") }, job: lease.spec.job?.name,
      gpu: lease.spec.needs.contains { $0.kind == .capability(.gpu, target: target.name) })
    let output = attempt.output
    var backoff = Backoff(least: 1, most: 10)
    var tries = Preparation.buildTries
    while true {
      let tail = Tail()
      do throws(DriverFailure) {
        let key = try await builder.key(request)
        return try await shop.builds.build(request, key: key, with: builder) { bytes in
          output.print(bytes)
          tail.add(bytes)
        }
      } catch {
        try attempt.heed()
        tries -= 1
        shop.log(
          attempt.event(.warning, "build_failed", "builder `\(builder.name)` failed: \(error.message)"))
        guard tries > 0, error.retry != .never, error.code != .bug else {
          var ending = Attempt.failure(error, .build)
          let last = tail.text
          if !last.isEmpty { ending.message = "\(ending.message ?? "the build failed")\n\(last)" }
          throw .ended(ending)
        }
        var wait = backoff.next(shop.clock.random())
        if case .after(let seconds) = error.retry { wait = min(max(seconds, 0.05), 300) }
        try? await shop.clock.sleep(wait)
        try attempt.heed()
      }
    }
  }

  /// Builds tried where a failure may pass, such as a package index that does not answer.
  private static let buildTries = 3
}
