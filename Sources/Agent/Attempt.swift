import Model
import Processes
import Scripting

/// What all attempts of an agent share.
struct Workshop: Sendable {
  let settings: AgentSettings
  let targets: [String: Target]
  let folder: DataFolder
  let journal: Journal
  let sources: Sources
  let builds: Builds
  let connection: any ServerConnection
  let session: Session
  let reporter: Reporter
  let roster: Roster
  let prober: Prober
  let clock: AgentClock
  let log: AgentLog
}

/// One attempt from its lease to its end. Every step can be repeated from what the journal says, so that a new life of
/// the agent goes on where the last one was cut off, and nothing is started twice.
struct Attempt: Sendable {
  let charge: Charge
  let shop: Workshop
  let secrets: AttemptSecrets
  let output: Output

  var lease: Lease { charge.lease }
  var token: String { charge.token }
  var work: String { shop.folder.work(token) }

  init(_ charge: Charge, _ shop: Workshop) {
    self.charge = charge
    self.shop = shop
    secrets = AttemptSecrets(charge.lease, from: shop.settings.secrets)
    output = Output(
      charge, preamble: "\(shop.folder.work(charge.token))/output", secrets, shop.connection, shop.session,
      shop.journal, clock: shop.clock, log: shop.log)
  }

  /// How an attempt comes to an end without its program having done so.
  enum Halt: Error, Sendable {
    /// It ended before its program started, or could not start.
    case ended(Ending)
    /// It is not ours any more: nobody wants to hear of it.
    case dropped
    /// The agent is stopping; a later life goes on.
    case suspended
  }

  private var target: Target? { shop.targets[lease.spec.target] }

  /// Carries the attempt out. Returns when it is over, or the task was cancelled.
  func run() async {
    var handle: Value?
    var ending: Ending?
    do throws(Halt) {
      let progress = shop.journal[token]?.progress ?? Progress()
      handle = progress.handle
      ending = progress.ending
      if let stored = handle, let refusal = target?.driver.refusal(of: stored, version: progress.handleVersion) {
        guard let ending else {
          return await leaveAlone(refusal.message, hint: refusal.hint, as: "handle_refused")
        }
        return await finish(ending, nil)
      }
      if ending == nil {
        guard let target else {
          let problem = "the agent has no driver of target `\(lease.spec.target)` any more"
          // What was not started fails; what may run there goes on.
          guard progress.intent else { throw .ended(Ending(.failed, .start, message: problem)) }
          return await leaveAlone(
            "\(problem), and cannot ask it", hint: "start the agent with that plugin again", as: "no_driver")
        }
        let found = try await obtain(target, progress)
        handle = found
        ending = try await watch(target, found)
      }
    } catch {
      switch error {
      case .ended(let end): ending = end
      case .dropped: return await drop(handle)
      case .suspended: return
      }
    }
    guard let ending else { return }
    await finish(ending, handle)
  }

  // MARK: To its handle

  /// The handle of the attempt's program: the one it has, the one that an earlier start made, or that of a new start.
  private func obtain(_ target: Target, _ progress: Progress) async throws(Halt) -> Value {
    if let handle = progress.handle { return handle }
    // An earlier life may have started it and died before it could note so.
    if progress.intent, let handle = try await find(token, target) {
      return try note(handle, target)
    }
    try heed()
    let spec = try await Preparation(self, target).spec()
    try heed()
    charge.noteStarting()
    switch await shop.reporter.settle([update(.starting)]) {
    case .taken: break
    case .refused(let refusal):
      shop.log(event(.info, "given_up", "the server gave the run to nobody or to another agent: \(refusal)"))
      throw .dropped
    case .cancelled: throw .suspended
    }
    try heed()
    try await endEarlier(target)
    keep { $0.intent = true }
    return try note(try await start(target, spec), target)
  }

  /// Throws where a stop was asked for: nothing is started then.
  func heed() throws(Halt) {
    if Task.isCancelled { throw .suspended }
    switch charge.cause {
    case nil: return
    case .person: throw .ended(Ending(.stopped, .stopped))
    case .gone: throw .dropped
    case .fence:
      throw .ended(Ending(.failed, .start, message: "its agent could not renew the lease before the program started"))
    case .timeout: throw .ended(Ending(.failed, .timeout))
    }
  }

  private func note(_ handle: Value, _ target: Target) throws(Halt) -> Value {
    let now = shop.clock.now()
    keep {
      $0.intent = true
      $0.handle = handle
      $0.handleVersion = target.driver.handleVersion
      $0.startedAt = $0.startedAt ?? now
    }
    shop.roster.renewFence(charge)
    shop.log(event(.info, "started", "run \(lease.name) started", ["target": target.name]))
    return handle
  }

  /// Asks the target whether a start with this token took effect, for as long as it cannot tell.
  func find(_ token: String, _ target: Target) async throws(Halt) -> Value? {
    do throws(DriverFailure) {
      return try await target.persist(
        .find, tries: nil,
        failed: { shop.reporter.send(update(.starting, "target `\(target.name)` cannot be asked: \($0.message)")) }
      ) { (driver) throws(DriverFailure) in
        try await driver.find(token: token)
      }
    } catch {
      if Task.isCancelled || error.code == .cancelled { throw .suspended }
      throw .ended(Attempt.failure(error))
    }
  }

  private func start(_ target: Target, _ spec: Value) async throws(Halt) -> Value {
    let secrets = try openSecrets(of: spec)
    var backoff = Backoff(least: 0.2, most: 10)
    var tries = Attempt.startTries
    let end = shop.clock.uptime() + Attempt.awaySeconds
    let token = token
    while true {
      let failure: DriverFailure
      switch await startOnce(target, spec, secrets) {
      case .success(let handle): return handle
      case .failure(let error): failure = error
      }
      if Task.isCancelled { throw .suspended }
      // Cut off by a stop it may have taken effect all the same; then it is stopped as a run is.
      if charge.cause != nil, let handle = try await find(token, target) { return handle }
      try heed()
      // A target that is away for a while costs patience and no runs.
      if failure.code != .unavailable || shop.clock.uptime() > end { tries -= 1 }
      shop.log(
        event(
          .warning, "start_failed", "target `\(target.name)` could not start a run: \(failure.message)",
          ["code": failure.code.rawValue]))
      // A plugin that broke in the middle may have started it, whatever it says.
      if failure.retry == .unknownEffect || failure.code == .bug {
        if let handle = try await find(token, target) { return handle }
        if failure.code == .bug { throw .ended(Attempt.failure(failure)) }
      }
      guard tries > 0, failure.retry != .never else { throw .ended(Attempt.failure(failure)) }
      var wait = backoff.next(shop.clock.random())
      if case .after(let seconds) = failure.retry { wait = min(max(seconds, 0.05), 300) }
      shop.reporter.send(update(.starting, "trying again: \(failure.message)"))
      await pause(wait)
      try heed()
    }
  }

  /// One call of the driver. A stop asked for meanwhile cuts it off: it may be fetching an image for an hour.
  private func startOnce(
    _ target: Target, _ spec: Value, _ secrets: [String: Secret]
  ) async -> Result<Value, DriverFailure> {
    let (token, clock) = (token, shop.clock)
    let call = Task { () async -> Result<Value, DriverFailure> in
      do throws(DriverFailure) {
        return .success(
          try await target.call(.start) { (driver) throws(DriverFailure) in
            try await driver.start(spec, token: token, secrets: secrets)
          })
      } catch { return .failure(error) }
    }
    charge.onStop {
      Task {
        try? await clock.sleep(Attempt.startPatience)
        call.cancel()
      }
    }
    let result = await withTaskCancellationHandler {
      await call.value
    } onCancel: {
      call.cancel()
    }
    charge.onStop(nil)
    return result
  }

  /// Seconds that a start has to come to its end by itself when a stop is asked for. One that fetches nothing needs no
  /// more, and cut off it would leave open whether it took effect.
  private static let startPatience = 10.0
  /// Starts tried before a run is given up: with the waits between, that takes half a minute.
  private static let startTries = 8
  /// Seconds in which starts that find nobody there are not counted: an engine may be restarted, a network may go.
  private static let awaySeconds = 600.0

  /// Sleeps, but not longer than until a stop is asked for.
  private func pause(_ seconds: Double) async {
    let clock = shop.clock
    let nap = Task { try? await clock.sleep(seconds) }
    charge.onStop { nap.cancel() }
    await withTaskCancellationHandler {
      await nap.value
    } onCancel: {
      nap.cancel()
    }
    charge.onStop(nil)
  }

  /// Secrets that a document names.
  func openSecrets(of spec: Value) throws(Halt) -> [String: Secret] {
    do throws(SecretFailure) { return try secrets.open(Program.secrets(in: spec)) } catch {
      throw .ended(Ending(.failed, .start, message: "\(error.message); \(error.hint)"))
    }
  }

  /// What a failure of the driver means for the run.
  static func failure(_ failure: DriverFailure, _ reason: Reason = .start) -> Ending {
    let message = failure.hint.map { "\(failure.message); \($0)" } ?? failure.message
    return Ending(.failed, reason, message: message)
  }

  // MARK: -

  /// News for people. Targets repeat in their messages what they were sent: secrets are covered in them.
  func update(_ state: RunState, _ message: String? = nil, at: Double? = nil) -> RunUpdate {
    RunUpdate(lease.holding, state: state, message: message.map(covered), at: at ?? shop.clock.now())
  }

  func covered(_ text: String) -> String { secrets.mask.covering(text) }

  func keep(_ body: (inout Progress) -> Void) {
    do throws(ProcessFailure) {
      try shop.journal.change(token, body)
    } catch {
      // The attempt goes on; a new life of the agent would find it one step earlier.
      shop.log(event(.warning, "journal_failed", "\(error)"))
    }
  }

  func event(
    _ level: AgentEvent.Level, _ name: String, _ message: String, _ fields: [String: String] = [:]
  ) -> AgentEvent {
    var fields = fields
    fields["run"] = lease.run
    fields["attempt"] = String(lease.attempt)
    fields["queue"] = lease.queue
    return AgentEvent(level, name, covered(message), fields)
  }
}
