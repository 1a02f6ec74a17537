import CCurl
import Dispatch
import Synchronization

/// Runs the transfers of one client on one thread. Other threads leave commands and wake it.
final class CurlLoop: @unchecked Sendable {
  // Invariant: `transfers` belongs to the loop's thread, as does `multi` but for curl_multi_wakeup, which any thread may
  // call until the loop has ended; `inbox` is locked and knows whether it has.

  private enum Command {
    case add(CurlTransfer)
    case cancel(CurlTransfer)
    case unpause(CurlTransfer)
  }

  private struct Inbox {
    var commands: [Command] = []
    var stopped = false
    var ended = false
  }

  private let configuration: HTTPClient.Configuration
  private let multi: UnsafeMutableRawPointer?
  private let inbox = Mutex(Inbox())
  private var transfers: [UnsafeMutableRawPointer: CurlTransfer] = [:]

  /// libcurl asks for this once in a process, before anything else.
  private static let initialized = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  init(_ configuration: HTTPClient.Configuration) {
    self.configuration = configuration
    multi = CurlLoop.initialized ? curl_multi_init() : nil
    lp_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, configuration.pooledConnections)
    lp_curl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, configuration.connectionsPerHost)
  }

  // MARK: From any thread

  func start() {
    DispatchQueue(label: "lunaport.http.client").async { self.run() }
  }

  /// Ends the thread, and with it every transfer.
  func stop() {
    inbox.withLock { inbox in
      inbox.stopped = true
      if !inbox.ended { curl_multi_wakeup(multi) }
    }
  }

  func add(_ transfer: CurlTransfer) {
    if !post(.add(transfer)) { transfer.fail(closed(transfer)) }
  }

  /// Does nothing to a transfer that has ended; one that has not been added yet will not be.
  func cancel(_ transfer: CurlTransfer) {
    transfer.isCancelled.store(true, ordering: .sequentiallyConsistent)
    _ = post(.cancel(transfer))
  }

  func unpause(_ transfer: CurlTransfer) {
    _ = post(.unpause(transfer))
  }

  /// False when the loop has ended.
  private func post(_ command: Command) -> Bool {
    inbox.withLock { inbox in
      guard !inbox.ended else { return false }
      inbox.commands.append(command)
      if inbox.commands.count == 1 { curl_multi_wakeup(multi) }
      return true
    }
  }

  private func closed(_ transfer: CurlTransfer) -> HTTPClientError {
    transfer.error(.clientClosed, "the client has been closed", hint: "keep it until its requests have ended")
  }

  // MARK: On the loop's thread

  /// libcurl knows its own timers; this only bounds how long it sleeps, in milliseconds.
  private static let longestSleep: Int32 = 3_600_000

  private func run() {
    while true {
      let (commands, stopped) = inbox.withLock { inbox in
        defer { inbox.commands = [] }
        return (inbox.commands, inbox.stopped || multi == nil)
      }
      for command in commands { obey(command) }
      if stopped { break }
      var running: Int32 = 0
      curl_multi_perform(multi, &running)
      collect()
      curl_multi_poll(multi, nil, 0, CurlLoop.longestSleep, nil)
    }
    end()
  }

  private func obey(_ command: Command) {
    switch command {
    case .add(let transfer):
      guard !transfer.isCancelled.load(ordering: .sequentiallyConsistent) else {
        return transfer.fail(cancelled(transfer))
      }
      do throws(HTTPClientError) {
        let easy = try transfer.prepare(configuration)
        guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
          throw transfer.error(.other, "there is no memory for a transfer", hint: "close other programs")
        }
        transfers[easy] = transfer
      } catch {
        transfer.fail(error)
        transfer.release()
      }
    case .cancel(let transfer):
      guard let easy = transfer.easy, transfers[easy] === transfer else { return }
      remove(transfer, easy)
      transfer.fail(cancelled(transfer))
      transfer.release()
    case .unpause(let transfer):
      guard let easy = transfer.easy, transfers[easy] === transfer else { return }
      curl_easy_pause(easy, CURLPAUSE_CONT)
    }
  }

  private func cancelled(_ transfer: CurlTransfer) -> HTTPClientError {
    transfer.error(.cancelled, "the request was cancelled", hint: "nothing is wrong")
  }

  private func collect() {
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left) {
      guard lp_curl_is_done(message) != 0, let easy = message.pointee.easy_handle, let transfer = transfers[easy] else {
        continue
      }
      let result = lp_curl_result(message)
      remove(transfer, easy)
      transfer.complete(result)
      transfer.release()
    }
  }

  private func remove(_ transfer: CurlTransfer, _ easy: UnsafeMutableRawPointer) {
    transfers[easy] = nil
    curl_multi_remove_handle(multi, easy)
  }

  private func end() {
    // Commands may have come in until the lock is held here.
    let late = inbox.withLock { inbox in
      inbox.ended = true
      defer { inbox.commands = [] }
      return inbox.commands
    }
    for case .add(let transfer) in late { transfer.fail(closed(transfer)) }
    for (easy, transfer) in transfers {
      curl_multi_remove_handle(multi, easy)
      transfer.fail(closed(transfer))
      transfer.release()
    }
    transfers = [:]
    curl_multi_cleanup(multi)
  }
}
