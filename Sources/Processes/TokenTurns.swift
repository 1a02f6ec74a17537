import Synchronization

/// Lets starts of one token take turns, so that the second finds what the first has made. Starts of different tokens do
/// not wait for each other.
final class TokenTurns: Sendable {
  /// Tokens that are being started, with those that wait for their turn.
  private let waiting = Mutex<[String: [CheckedContinuation<Void, Never>]]>([:])

  /// Waits until nobody else has the token's turn, and takes it.
  func take(_ token: String) async {
    await withCheckedContinuation { continuation in
      let isFree = waiting.withLock { waiting in
        guard waiting[token] != nil else {
          waiting[token] = []
          return true
        }
        waiting[token]?.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  /// Gives the turn to the next who waits.
  func give(_ token: String) {
    let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
      guard let others = waiting[token], !others.isEmpty else {
        waiting[token] = nil
        return nil
      }
      return waiting[token]?.removeFirst()
    }
    next?.resume()
  }
}
