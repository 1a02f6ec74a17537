/// How an attempt ended, as its agent saw it.
public struct Ending: Sendable, Hashable, Codable {
  public var state: RunState
  public var reason: Reason
  public var exitCode: Int?
  public var signal: Int?
  /// For people, where there is more to say than the reason.
  public var message: String?

  enum CodingKeys: String, CodingKey {
    case state, reason, signal, message
    case exitCode = "exit_code"
  }

  public init(_ state: RunState, _ reason: Reason, exitCode: Int? = nil, signal: Int? = nil, message: String? = nil) {
    self.state = state
    self.reason = reason
    self.exitCode = exitCode
    self.signal = signal
    self.message = message
  }

  /// What happened, where nobody said more.
  var text: String {
    switch reason {
    case .exit: "exit code \(exitCode.map(String.init) ?? "unknown")"
    case .signal: "signal \(signal.map(String.init) ?? "unknown")"
    case .outOfMemory: "out of memory"
    case .build: "its build failed"
    case .start: "it could not be started"
    case .timeout: "its time was over"
    case .queueTimeout: "it waited too long"
    case .preempted: "its resources were taken away"
    case .lost: "contact was lost"
    case .stopped: "it was stopped"
    }
  }

  /// The ending of a program that exited with `code`.
  public static func exited(_ code: Int) -> Ending {
    Ending(code == 0 ? .succeeded : .failed, .exit, exitCode: code)
  }

  /// The ending of a program that a signal ended; its exit code is the shell's 128 + signal.
  public static func signalled(_ signal: Int) -> Ending {
    Ending(.failed, .signal, exitCode: 128 + signal, signal: signal)
  }
}

/// Why a change of a run was refused. The run is as it was.
public enum RunRefusal: Error, Sendable, Hashable, Codable {
  /// The writer's lease is not the run's live one.
  case stale(attempt: Int, epoch: Int64)
  case illegal(from: RunState, to: RunState)
  case unknown
}

/// Every change of a run's state. Pure: the clock and the epoch are passed in.
extension Run {
  /// Refuses a write that does not come from the run's newest attempt.
  public func requireLive(attempt: Int, epoch: Int64) throws(RunRefusal) {
    guard attempt == self.attempt, epoch == self.epoch else {
      throw .stale(attempt: self.attempt, epoch: self.epoch)
    }
  }

  /// Hands the run to `agent` as a new attempt.
  public mutating func lease(to agent: String, epoch: Int64, now: Double) throws(RunRefusal) {
    try become(.leased)
    self.agent = agent
    self.epoch = epoch
    attempt += 1
    leaseUntil = now + Limits.leaseSeconds
    reason = nil
    message = nil
    exitCode = nil
    signal = nil
    startedAt = nil
    finishedAt = nil
  }

  /// The attempt's agent still holds it. What was given up for lost is running again, for it was heard from.
  public mutating func renew(now: Double) throws(RunRefusal) {
    if state == .lost {
      try progress(to: .running, message: nil, now: now)
    } else if state.isLeased {
      leaseUntil = now + Limits.leaseSeconds
    } else {
      throw .illegal(from: state, to: .running)
    }
  }

  /// Moves a leased (or lost, and found again) run on to `building`, `starting` or `running`.
  /// Repeating the state it is in changes nothing but the message and renews nothing; so a resent report is harmless.
  public mutating func progress(to next: RunState, message: String?, now: Double) throws(RunRefusal) {
    if next != state {
      guard next == .building || next == .starting || next == .running else {
        throw .illegal(from: state, to: next)
      }
      try become(next)
      if next == .running {
        startedAt = startedAt ?? now
        finishedAt = nil
        reason = nil
      }
      leaseUntil = now + Limits.leaseSeconds
    }
    self.message = message
  }

  /// Ends the attempt, and queues the run again where its owner's retry policy says so.
  public mutating func end(_ ending: Ending, now: Double) throws(RunRefusal) {
    guard ending.state.isSettled else { throw .illegal(from: state, to: ending.state) }
    if state == ending.state, state.isSettled { return }
    try become(ending.state)
    reason = ending.reason
    exitCode = ending.exitCode
    signal = ending.signal
    message = ending.message
    finishedAt = now
    leaseUntil = nil
    guard !stopRequested,
      let delay = retry.delay(after: ending.state, reason: ending.reason, retries: retries)
    else { return }
    try become(.queued)
    retries += 1
    requeue(at: now, after: delay)
    message = "retry \(retries) of \(retry.max) after: \(ending.message ?? ending.text)"
  }

  /// The lease ran out, or its agent gave it back. What was surely not started is queued again; what may be alive is
  /// lost, and then the retry policy decides.
  public mutating func lapse(now: Double) throws(RunRefusal) {
    guard let next = state.afterLapse else { throw .illegal(from: state, to: .lost) }
    if stopRequested, next == .queued {
      try end(Ending(.stopped, .stopped), now: now)
    } else if next == .queued {
      try become(.queued)
      requeue(at: now, after: 0)
      message = "its agent went away before anything was started"
    } else {
      try end(
        Ending(.lost, .lost, message: "contact with agent \(agent ?? "?") was lost; the work may still be alive"),
        now: now)
    }
  }

  /// A person asks for the run to stop. A queued run stops at once; a live one when its target has obeyed.
  /// Stopping what has ended changes nothing.
  public mutating func requestStop(now: Double) throws(RunRefusal) {
    if state == .queued {
      try end(Ending(.stopped, .stopped), now: now)
    }
    if !state.isSettled || state == .lost { stopRequested = true }
  }

  /// A person queues an ended run again, as the same run with a new attempt.
  public mutating func retryByPerson(now: Double) throws(RunRefusal) {
    // A lapse may queue live states again; a person may not, for the work is alive.
    guard state.isSettled else { throw .illegal(from: state, to: .queued) }
    try become(.queued)
    stopRequested = false
    requeue(at: now, after: 0)
    message = nil
  }

  private mutating func requeue(at now: Double, after delay: Double) {
    agent = nil
    leaseUntil = nil
    notBefore = delay > 0 ? now + delay : 0
    queuedAt = now
    startedAt = nil
    finishedAt = nil
    exitCode = nil
    signal = nil
    reason = nil
  }

  private mutating func become(_ next: RunState) throws(RunRefusal) {
    guard state.canBecome(next) else { throw .illegal(from: state, to: next) }
    state = next
  }
}
