import Model
import Synchronization

/// Where agents wait for work. It holds nobody up and decides nothing: it only knows whom to wake, so that each run that
/// can be leased wakes one agent that covers it, and ten thousand others sleep on. Whoever is woken asks the store.
///
/// One rule keeps it whole: for each run that becomes leasable one *token* is given to a waiting agent that has room. An
/// agent that used its room up otherwise hands its tokens on; one that comes to wait has looked in the store first.
final class LeaseDesk: Sendable {
  /// One request that waits, or is about to.
  struct Ticket: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  enum Wake: Sendable, Equatable {
    /// There may be runs for it.
    case work
    /// Its orders, its queues or its notes may have changed.
    case news
    /// It is to answer with what it has: another request took its place, its time is over, its client went away, or the
    /// server closes.
    case over
  }

  private struct Seat {
    var agent: String
    var room = 0
    var queues: [QueueID] = []
    var reach = Reach(Offer())
    /// Equal for equal reaches, and cheaper to compare.
    var reachNumber = 0
    /// Misses of each queue when its last look into the store began.
    var seen: [Int] = []
    var hasNews = false
    var isOver = false
    /// Tokens for runs it was woken for.
    var tokens: [QueueID: Tokens] = [:]
    /// Set while it sleeps; the number tells its entries in the lines from those of earlier sleeps.
    var sleeper: CheckedContinuation<Wake, Never>?
    var sleep: UInt64 = 0
  }

  private struct Tokens {
    var count = 0
    /// What the runs need; nil where that is not known, as when a place in a full queue became free.
    var needs: [Need]?
    /// Reaches, by number, that found nothing they cover.
    var tried: Set<Int> = []
  }

  /// Who sleeps for one queue, the longest sleeper first. Entries of those who woke are dropped when met.
  private struct Line {
    var entries: [(ticket: UInt64, sleep: UInt64)] = []
    /// Entries before this one are of those who woke.
    var first = 0
    var living = 0
    /// Times a token found nobody to take it: who was looking into the store just then looks again.
    var misses = 0
  }

  private struct State {
    var seats: [UInt64: Seat] = [:]
    var byAgent: [String: UInt64] = [:]
    var lines: [QueueID: Line] = [:]
    var last: UInt64 = 0
    var reaches: [Reach: Int] = [:]
    var lastReach = 0
    var isClosed = false

    func sleeps(_ entry: (ticket: UInt64, sleep: UInt64)) -> Bool {
      guard let seat = seats[entry.ticket] else { return false }
      return seat.sleeper != nil && seat.sleep == entry.sleep
    }
  }

  /// Numbers of reaches that are remembered: far more than agents differ, and a bound for those that change for ever.
  private static let reachesMax = 4_096

  private let state = Mutex(State())

  /// Requests that sleep.
  var sleepers: Int { state.withLock { $0.seats.values.count { $0.sleeper != nil } } }

  // MARK: What a request does

  /// Takes a seat. An older request of the same agent is over: its connection is most likely dead, and what it would
  /// lease would be lost for a lease's length.
  func sit(agent: String) -> Ticket {
    let (ticket, older) = state.withLock { state in
      state.last += 1
      let older = state.byAgent[agent].flatMap { finish($0, &state) }
      var seat = Seat(agent: agent)
      seat.isOver = state.isClosed
      state.seats[state.last] = seat
      state.byAgent[agent] = state.last
      return (Ticket(number: state.last), older)
    }
    older?.resume(returning: .over)
    return ticket
  }

  /// Says what the request may be given, before it looks into the store.
  func look(_ ticket: Ticket, room: Int, queues: [QueueID], reach: Reach) {
    state.withLock { state in
      guard var seat = state.seats[ticket.number] else { return }
      seat.room = room
      seat.queues = room > 0 ? queues : []
      if seat.reachNumber == 0 || seat.reach != reach {
        seat.reach = reach
        seat.reachNumber = number(of: reach, &state)
      }
      seat.seen = seat.queues.map { state.lines[$0]?.misses ?? 0 }
      seat.hasNews = false
      state.seats[ticket.number] = seat
    }
  }

  /// Queue and needs of a run that a look brought.
  typealias Got = (queue: QueueID, needs: [Need])

  /// Says what the look brought; tokens that it leaves are handed on.
  /// - Parameter got: each run; nil where the look failed.
  func settle(_ ticket: Ticket, got: [Got]?) {
    let woken = state.withLock { state -> [CheckedContinuation<Wake, Never>] in
      guard let seat = state.seats[ticket.number] else { return [] }
      state.seats[ticket.number]?.tokens = [:]
      return pass(seat, got: got ?? [], isFull: got.map { $0.count >= seat.room } ?? true, &state)
    }
    for sleeper in woken { sleeper.resume(returning: .work) }
  }

  /// Sleeps until there is something to do; ends on cancellation too.
  func sleep(_ ticket: Ticket) async -> Wake {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if let wake = state.withLock({ state in lieDown(ticket, continuation, &state) }) {
          continuation.resume(returning: wake)
        }
      }
    } onCancel: {
      end(ticket)
    }
  }

  /// Ends a request's sleep, now or when it next lies down.
  func end(_ ticket: Ticket) {
    state.withLock { finish(ticket.number, &$0) }?.resume(returning: .over)
  }

  /// Gives the seat up.
  func leave(_ ticket: Ticket) {
    let woken = state.withLock { state -> [CheckedContinuation<Wake, Never>] in
      guard let seat = state.seats.removeValue(forKey: ticket.number) else { return [] }
      if state.byAgent[seat.agent] == ticket.number { state.byAgent[seat.agent] = nil }
      return pass(seat, got: [], isFull: true, &state)
    }
    for sleeper in woken { sleeper.resume(returning: .work) }
  }

  // MARK: What wakes requests

  /// Runs with these needs can be leased now. - Parameter needs: nil where they are not known.
  func arrived(_ count: Int, in queue: QueueID, needs: [Need]?) {
    let woken = state.withLock { dispatch(Tokens(count: count, needs: needs), queue, &$0) }
    for sleeper in woken { sleeper.resume(returning: .work) }
  }

  func news(for agent: String) {
    let sleeper = state.withLock { state in state.byAgent[agent].flatMap { notify($0, &state) } }
    sleeper?.resume(returning: .news)
  }

  func newsForAll() {
    let sleepers = state.withLock { state in state.seats.keys.compactMap { notify($0, &state) } }
    for sleeper in sleepers { sleeper.resume(returning: .news) }
  }

  /// Ends every wait, and every later one at once.
  func close() {
    let sleepers = state.withLock { state in
      state.isClosed = true
      return state.seats.keys.compactMap { finish($0, &state) }
    }
    for sleeper in sleepers { sleeper.resume(returning: .over) }
  }

  // MARK: Within the lock

  /// Nil where it sleeps now.
  private func lieDown(
    _ ticket: Ticket, _ sleeper: CheckedContinuation<Wake, Never>, _ state: inout State
  ) -> Wake? {
    guard var seat = state.seats[ticket.number], !seat.isOver else { return .over }
    if seat.hasNews {
      state.seats[ticket.number]?.hasNews = false
      return .news
    }
    for (queue, seen) in zip(seat.queues, seat.seen) where state.lines[queue]?.misses ?? 0 != seen { return .work }
    seat.sleeper = sleeper
    seat.sleep += 1
    for queue in seat.queues {
      state.lines[queue, default: Line()].entries.append((ticket.number, seat.sleep))
      state.lines[queue]?.living += 1
    }
    state.seats[ticket.number] = seat
    return nil
  }

  /// Takes a sleeper out of its lines.
  private func rouse(_ number: UInt64, _ state: inout State) -> CheckedContinuation<Wake, Never>? {
    guard let seat = state.seats[number], let sleeper = seat.sleeper else { return nil }
    state.seats[number]?.sleeper = nil
    for queue in seat.queues {
      guard var line = state.lines[queue] else { continue }
      state.lines[queue] = nil  // Leaves `line` the only holder, so that its entries are not copied.
      line.living -= 1
      if line.entries.count > 2 * line.living + 32 {
        line.entries.removeAll { !state.sleeps($0) }
        line.first = 0
      }
      state.lines[queue] = line
    }
    return sleeper
  }

  private func finish(_ number: UInt64, _ state: inout State) -> CheckedContinuation<Wake, Never>? {
    state.seats[number]?.isOver = true
    return rouse(number, &state)
  }

  private func notify(_ number: UInt64, _ state: inout State) -> CheckedContinuation<Wake, Never>? {
    if let sleeper = rouse(number, &state) { return sleeper }
    state.seats[number]?.hasNews = true
    return nil
  }

  /// Gives tokens to sleepers, the longest first; gives back whom to wake.
  private func dispatch(
    _ tokens: Tokens, _ queue: QueueID, _ state: inout State
  ) -> [CheckedContinuation<Wake, Never>] {
    var left = tokens.count
    var woken: [CheckedContinuation<Wake, Never>] = []
    while let line = state.lines[queue], line.first < line.entries.count, !state.sleeps(line.entries[line.first]) {
      state.lines[queue]?.first += 1
    }
    let line = state.lines[queue] ?? Line()
    // What one reach does not cover no other sleeper of that reach does; and most have the same.
    var verdicts: [Int: Bool] = [:]
    for entry in line.entries[line.first...] {
      if left <= 0 { break }
      guard state.sleeps(entry), let seat = state.seats[entry.ticket] else { continue }
      let fits =
        verdicts[seat.reachNumber]
        ?? (!tokens.tried.contains(seat.reachNumber) && tokens.needs.map(seat.reach.covers) ?? true)
      verdicts[seat.reachNumber] = fits
      guard fits, let sleeper = rouse(entry.ticket, &state) else { continue }
      let share = min(left, seat.room)
      left -= share
      state.seats[entry.ticket]?.tokens[queue] = Tokens(count: share, needs: tokens.needs, tried: tokens.tried)
      woken.append(sleeper)
    }
    if left > 0, tokens.tried.isEmpty { state.lines[queue, default: Line()].misses += 1 }
    return woken
  }

  /// Hands on the tokens of a seat that it did not turn into runs.
  private func pass(
    _ seat: Seat, got: [Got], isFull: Bool, _ state: inout State
  ) -> [CheckedContinuation<Wake, Never>] {
    var woken: [CheckedContinuation<Wake, Never>] = []
    for (queue, tokens) in seat.tokens {
      var rest = tokens
      // Only a run with the token's needs uses it up: one that asks for less may have been taken in its stead, and then
      // it waits for somebody else who covers it.
      rest.count -= got.count { run in
        run.queue == queue && tokens.needs.map { $0.map(\.kind) == run.needs.map(\.kind) } ?? true
      }
      guard rest.count > 0 else { continue }
      let looked = seat.queues.contains(queue) && tokens.needs.map(seat.reach.covers) ?? true
      if !isFull && looked {
        // It had room left, so the store had no more for its reach. Where the needs are known they were covered:
        // somebody else was faster, or the queue is full. Where they are not, another reach may find more.
        if tokens.needs != nil { continue }
        rest.tried.insert(seat.reachNumber)
      }
      woken += dispatch(rest, queue, &state)
    }
    return woken
  }

  private func number(of reach: Reach, _ state: inout State) -> Int {
    if let known = state.reaches[reach] { return known }
    if state.reaches.count >= LeaseDesk.reachesMax { state.reaches = [:] }
    state.lastReach += 1
    state.reaches[reach] = state.lastReach
    return state.lastReach
  }
}
