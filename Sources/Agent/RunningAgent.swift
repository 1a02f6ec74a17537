import Model
import Processes
import Scripting
import Synchronization

/// Why an agent came to its end.
public enum AgentExit: Sendable {
  /// It was told to take no more, and has finished what it had.
  case drained
  /// It was asked to stop. What runs goes on, and is found again at the next start.
  case stopped
  /// It does not cover its queues; with every unmet need.
  case refused(Coverage.Report)
  /// The server does not accept its key.
  case denied(String)
  /// The server does not accept what it says of itself, such as a queue that is not there.
  case invalid(String, [Diagnostic])
  /// Another agent works on its data folder.
  case busy(folder: String, process: String)
  /// Its own disk is in the way.
  case failed(String)
}

/// An agent: it polls its queues, carries out what it is leased, and reports.
///
/// `run` returns when the agent has come to an end; cancelling its task is the way to stop an agent: it then returns
/// within moments, and runs on this machine and elsewhere go on. After any death a new one on the same data folder goes
/// on where the old one was.
public final class RunningAgent: Sendable {
  private let settings: AgentSettings
  private let connection: any ServerConnection
  private let clock: AgentClock
  private let log: AgentLog
  private let draining = Mutex(false)
  private let drainBell = Bell()

  public init(
    _ settings: AgentSettings, _ connection: any ServerConnection, clock: AgentClock = .system,
    log: @escaping AgentLog = { _ in }
  ) {
    self.settings = settings
    self.connection = connection
    self.clock = clock
    self.log = log
  }

  /// Takes no more runs; `run` returns when those that it has are finished.
  public func drain() {
    draining.withLock { $0 = true }
    drainBell.ring()
  }

  public func run() async -> AgentExit {
    let folder: DataFolder
    let journal: Journal
    do throws(DataFolder.Failure) {
      folder = try DataFolder(settings.data)
      do throws(ProcessFailure) { journal = try Journal(folder.journal, log: log) } catch { throw .disk(error) }
    } catch {
      switch error {
      case .busy(let busy): return .busy(folder: busy.path, process: busy.holder)
      case .disk(let failure): return .failed("\(failure)")
      }
    }
    return await run(folder, journal)
  }

  private func run(_ folder: DataFolder, _ journal: Journal) async -> AgentExit {
    let session = Session(clock: clock, log: log, address: connection.address)
    let roster = Roster(local: settings.local, clock: clock)
    let reporter = Reporter(connection, session, roster, clock: clock, log: log)
    let suspicion = Bell()
    let targets = settings.drivers.map { driver in
      Target(driver, clock: clock, log: log, samples: { reporter.add($0) }, suspect: { suspicion.ring() })
    }
    let prober = Prober(targets, settings.builders, clock: clock, log: log)
    let shop = Workshop(
      settings: settings, targets: Dictionary(targets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }),
      folder: folder, journal: journal, sources: Sources(folder.sources, connection, GitFetch(settings)),
      builds: Builds(),
      connection: connection, session: session, reporter: reporter, roster: roster, prober: prober, clock: clock,
      log: log)
    log(
      AgentEvent(
        .info, "starting",
        "agent `\(settings.name)` works on up to \(settings.maxJobs) runs at a time; data in \(settings.data)",
        ["queues": settings.queues.joined(separator: ","), "max_jobs": String(settings.maxJobs)]))

    if let killed = settings.local?.killCommands(), killed > 0 {
      log(AgentEvent(.info, "commands_killed", "ended \(killed) commands that an earlier life was building with"))
    }

    let desk = LeaseDesk(shop)
    let sweeper = Sweeper(targets: targets, journal: journal, roster: roster, prober: prober, clock: clock, log: log)
    let exit = await withDiscardingTaskGroup(returning: AgentExit.self) { group in
      for target in targets { group.addTask { await target.run() } }
      group.addTask { await reporter.run() }
      group.addTask { await roster.guardFences() }
      group.addTask { await self.sync(journal) }
      group.addTask { await self.passOnEndings(targets, roster) }
      group.addTask { await self.passOnDrain(desk) }
      // What an earlier life has left goes on before anything else, whether the server is there or not.
      desk.resume(journal.all) { attempt in group.addTask { await attempt.run() } }
      await prober.probe()
      let exit: AgentExit
      switch await desk.register() {
      case .success:
        group.addTask { await desk.registerAgain() }
        group.addTask { await prober.run { reporter.set($0) } }
        group.addTask { await self.passOnSuspicion(suspicion, prober) }
        group.addTask { await sweeper.run() }
        exit = await desk.run { attempt in group.addTask { await attempt.run() } }
      case .failure(let refusal): exit = refusal.exit
      }
      group.cancelAll()
      return exit
    }
    // Only now does nothing go on that could start one of them.
    await desk.leave()
    journal.sync()
    folder.release()
    return exit
  }

  private func sync(_ journal: Journal) async {
    while (try? await clock.sleep(1)) != nil { journal.sync() }
    journal.sync()
  }

  /// The end of a local run is looked at the moment it is noticed.
  private func passOnEndings(_ targets: [Target], _ roster: Roster) async {
    guard let local = settings.local else { return }
    for await token in local.endings {
      roster[token]?.noteEnd()
      for target in targets where target.poller.wake(token) { break }
    }
  }

  private func passOnSuspicion(_ bell: Bell, _ prober: Prober) async {
    while !Task.isCancelled {
      await bell.wait(nil, clock)
      prober.hurry()
    }
  }

  private func passOnDrain(_ desk: LeaseDesk) async {
    while !Task.isCancelled {
      if draining.withLock({ $0 }) { return await desk.drain() }
      await drainBell.wait(nil, clock)
    }
  }
}

extension AgentExit {
  var isStop: Bool { if case .stopped = self { true } else { false } }
}
