import Model
import Processes
import Scripting

/// From the start of the program to its end.
extension Attempt {
  /// Watches the program, passes its output on, and stops it where that is asked for. Gives how the attempt ended.
  func watch(_ target: Target, _ handle: Value) async throws(Halt) -> Ending {
    let progress = shop.journal[token]?.progress
    let startedAt = progress?.startedAt ?? shop.clock.now()
    // From an earlier life: what was to be stopped is stopped, though nobody says so again.
    if let cause = progress?.stop { charge.stop(cause) }
    target.poller.add(charge, handle, soon: progress?.cursor != nil || progress?.stop != nil)
    target.sampler?.add(token, run: lease.run, handle, startedAt: startedAt)
    let ending = await withTaskGroup(of: Void.self) { group in
      group.addTask { await output.follow(target, handle) }
      if let timeout = lease.spec.timeout {
        group.addTask {
          let left = startedAt + timeout - shop.clock.now()
          if (try? await shop.clock.sleep(max(0, left))) != nil { charge.stop(.timeout) }
        }
      }
      let ending = await follow(target, handle, group: &group)
      group.cancelAll()
      return ending
    }
    target.poller.remove(token)
    target.sampler?.remove(token)
    guard let ending else {
      if Task.isCancelled { throw .suspended }
      throw .dropped
    }
    return ending
  }

  /// Takes the news of the attempt until it has ended; nil where nobody wants to hear of it, or the agent is stopping.
  private func follow(_ target: Target, _ handle: Value, group: inout TaskGroup<Void>) async -> Ending? {
    // In this life; that of an earlier one is told again, for the server may have given the run up meanwhile.
    var isRunning = false
    let wasRunning = shop.journal[token]?.progress.wasRunning ?? false
    var message: String?
    for await news in charge.news {
      switch news {
      case .stop(let cause):
        keep { $0.stop = cause }
        shop.log(event(.info, "stopping", "stopping run \(lease.name): \(cause.rawValue)"))
        group.addTask { await stop(target, handle) }
      case .observed(let row):
        switch row.state {
        case .pending, .running, .unknown:
          let isNews = row.message != message
          message = row.message
          if row.state == .running && !isRunning {
            isRunning = true
            keep { $0.wasRunning = true }
            shop.reporter.send(update(.running, row.message, at: shop.journal[token]?.progress.startedAt))
          } else if isNews {
            shop.reporter.send(update(isRunning || wasRunning ? .running : .starting, row.message))
          }
        case .succeeded, .failed, .preempted, .lost:
          if charge.cause == .gone { return nil }
          if !isRunning {
            // It was over before anyone looked; it ran all the same, and people want to know since when.
            shop.reporter.send(update(.running, at: shop.journal[token]?.progress.startedAt))
          }
          return Attempt.ending(row, charge.cause, timeout: lease.spec.timeout)
        }
      }
    }
    return nil
  }

  /// Asks the target to stop the program until the attempt is over: politely first, and again if it does not obey.
  private func stop(_ target: Target, _ handle: Value) async {
    var grace = lease.spec.grace
    // A fence leaves no time: somebody else may start the run when its lease is over.
    if charge.cause == .fence || charge.cause == .gone { grace = min(grace, Limits.leaseMarginSeconds / 2) }
    while !Task.isCancelled {
      let order = StopOrder(grace: grace)
      do throws(DriverFailure) {
        try await target.persist(.stop, tries: nil) { (driver) throws(DriverFailure) in
          try await driver.stop(handle, order)
        }
      } catch {
        if Task.isCancelled { return }
        shop.log(event(.warning, "stop_failed", "target `\(target.name)` could not stop a run: \(error.message)"))
      }
      target.poller.wake(token)
      try? await shop.clock.sleep(grace + Attempt.stopPatience)
      // It had its time.
      grace = 0
    }
  }

  /// Seconds after the end of its grace in which a program should be gone.
  private static let stopPatience = 5.0

  /// How the attempt ended, from what the target says and why it was stopped, if it was.
  static func ending(_ row: Observation, _ cause: StopCause?, timeout: Double?) -> Ending {
    var ending: Ending
    switch row.state {
    case .succeeded: ending = .exited(0)
    case .preempted: ending = Ending(.failed, .preempted, exitCode: row.exitCode, signal: row.signal)
    case .lost: ending = Ending(.lost, .lost)
    default:
      if row.outOfMemory {
        ending = Ending(
          .failed, .outOfMemory, exitCode: row.exitCode ?? row.signal.map { 128 + $0 }, signal: row.signal)
      } else if let signal = row.signal {
        ending = .signalled(signal)
      } else if let code = row.exitCode {
        // A target that calls it failed although its code is 0 has its reasons, which the message tells.
        ending = Ending(.failed, .exit, exitCode: code)
      } else {
        ending = Ending(.failed, .exit)
      }
    }
    ending.message = row.message
    switch cause {
    case .person?:
      ending.state = .stopped
      ending.reason = .stopped
    // A program that ends well once it is told to stop did not do its work, either.
    case .timeout?:
      ending.state = .failed
      ending.reason = .timeout
      ending.message = "stopped after \(timeout.map { Quantity.text(seconds: $0) } ?? "its time limit")"
    case .fence? where row.state != .succeeded:
      ending = Ending(
        .lost, .lost, exitCode: row.exitCode, signal: row.signal,
        message: "its agent lost contact with the server and stopped it before its lease ended")
    default: break
    }
    return ending
  }

  // MARK: After the end

  /// Gets the end and all output to the server, then clears away what is left.
  func finish(_ ending: Ending, _ handle: Value?) async {
    var ending = ending
    ending.message = ending.message.map(covered)
    let endedAt = shop.journal[token]?.progress.endedAt ?? shop.clock.now()
    keep {
      $0.ending = ending
      $0.endedAt = endedAt
    }
    shop.roster.finish(charge)
    shop.log(
      event(
        .info, "ended", "run \(lease.name) ended: \(ending.state.rawValue), \(ending.reason.rawValue)",
        ending.exitCode.map { ["exit_code": String($0)] } ?? [:]))
    // All output first: whoever sees the end may read the whole of it.
    guard await output.drain(shop.targets[lease.spec.target], handle) else { return }
    if charge.cause != .gone {
      switch await shop.reporter.settle([RunUpdate(lease.holding, ending: ending, at: endedAt)]) {
      case .taken: break
      case .refused(let refusal):
        shop.log(event(.info, "end_refused", "the server did not take the end of a run: \(refusal)"))
      case .cancelled: return
      }
    }
    await clear(handle)
  }

  /// Ends what runs of an attempt that is not ours any more, and clears it away.
  func drop(_ handle: Value?) async {
    if let target = shop.targets[lease.spec.target] {
      let token = token
      var handle = handle ?? shop.journal[token]?.progress.handle
      if handle == nil, shop.journal[token]?.progress.intent == true {
        handle = try? await target.persist(.find, tries: 3) { (driver) throws(DriverFailure) in
          try await driver.find(token: token)
        }
      }
      if let handle {
        _ = try? await target.persist(.stop, tries: 5) { (driver) throws(DriverFailure) in
          try await driver.stop(handle, StopOrder(grace: 0))
        }
      }
      shop.roster.finish(charge)
      return await clear(handle)
    }
    shop.roster.finish(charge)
    await clear(nil)
  }

  /// Removes what the target, the disk and the journal have of an attempt.
  func clear(_ handle: Value?) async {
    await shop.roster.quiet()
    if Task.isCancelled { return }
    if let handle, let target = shop.targets[lease.spec.target] {
      do throws(DriverFailure) {
        try await target.persist(.forget, tries: 5) { (driver) throws(DriverFailure) in try await driver.forget(handle)
        }
      } catch {
        if Task.isCancelled { return }
        shop.log(
          event(
            .warning, "forget_failed", "target `\(target.name)` could not clear away a run: \(error.message)"))
      }
    }
    if Task.isCancelled { return }
    do throws(ProcessFailure) {
      try Disk.remove(work)
      try shop.journal.remove(token)
    } catch { shop.log(event(.warning, "clear_failed", "\(error)")) }
    shop.roster.remove(charge)
  }
}
