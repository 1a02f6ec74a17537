import Agent
import FoundationEssentials
import Model
import Processes
import Synchronization

/// A server that is a folder, so that an agent in a process of its own can be watched by a test which kills it.
///
/// `leases/*.json` are handed out, once in a life of the agent, and no more when it was heard to hold them; `reports` and
/// `hellos` gain a line for each that comes; `logs/TOKEN` holds output; `blobs/HASH` is fetched from. A file `down` makes
/// it unreachable.
public struct FolderServer: ServerConnection {
  public let folder: String
  private let handed = Handed()
  public var address: String { folder }

  public init(_ folder: String) { self.folder = folder }

  /// Names of leases that this life of the agent was given.
  private final class Handed: Sendable {
    let names = Mutex<Set<String>>([])
  }

  /// An agent that died before it had written down what it was given does not hold it, and is given it again.
  private func isHeld(_ holdings: [Holding]) {
    for holding in holdings { try? Disk.remove("\(folder)/leases/\(holding.run).json") }
  }

  private func reach() throws(ConnectionFailure) {
    if Disk.exists("\(folder)/down") { throw .unreachable("the server is down") }
  }

  private func note(_ name: String, _ value: some Encodable) throws(ConnectionFailure) {
    guard let data = try? JSONEncoder().encode(value) else { throw .invalid("cannot be encoded", []) }
    let old = Disk.read("\(folder)/\(name)") ?? []
    do throws(ProcessFailure) {
      try Disk.replace("\(folder)/\(name)", with: old + data + [10])
    } catch { throw .unreachable("\(error)") }
  }

  /// Everything of a kind that has come.
  public func all<T: Decodable>(_ type: T.Type, in name: String) -> [T] {
    (Disk.read("\(folder)/\(name)") ?? []).split(separator: 10).compactMap {
      try? JSONDecoder().decode(type, from: Data($0))
    }
  }

  public func register(_ hello: AgentHello) async throws(ConnectionFailure) -> AgentWelcome {
    try reach()
    try note("hellos", hello)
    isHeld(hello.holding)
    return AgentWelcome(
      id: "agent", queues: hello.queues, report: Coverage.Report(agent: hello.name, entries: []))
  }

  public func lease(_ agent: String, _ request: LeaseRequest) async throws(ConnectionFailure) -> LeaseAnswer {
    while !Task.isCancelled {
      try reach()
      var leases: [Lease] = []
      let names = Disk.names(in: "\(folder)/leases").filter { $0.hasSuffix(".json") }
      for name in names where leases.count < request.room && handed.names.withLock({ $0.insert(name).inserted }) {
        if let bytes = Disk.read("\(folder)/leases/\(name)"),
          let lease = try? JSONDecoder().decode(Lease.self, from: Data(bytes))
        {
          leases.append(lease)
        }
      }
      if !leases.isEmpty { return LeaseAnswer(leases: leases, stops: [], drain: false, seen: 0) }
      try? await Task.sleep(for: .milliseconds(10))
    }
    throw .unreachable("cancelled")
  }

  public func report(_ agent: String, _ report: AgentReport) async throws(ConnectionFailure) -> AgentReceipt {
    try reach()
    try note("reports", report)
    isHeld(report.holding + report.updates.map(\.holding))
    return AgentReceipt(refusals: report.updates.map { _ in nil }, gone: [])
  }

  public func appendLog(
    _ holding: Holding, at offset: Int64, _ bytes: [UInt8]
  ) async throws(ConnectionFailure) -> Int64 {
    try reach()
    let path = "\(folder)/logs/\(holding.run)-\(holding.attempt)"
    let old = Disk.read(path) ?? []
    guard Int(offset) <= old.count else { throw .gap(Int64(old.count)) }
    do throws(ProcessFailure) {
      try Disk.makeFolder("\(folder)/logs")
      try Disk.replace(path, with: old + bytes.dropFirst(old.count - Int(offset)))
    } catch { throw .unreachable("\(error)") }
    return max(Int64(old.count), offset + Int64(bytes.count))
  }

  public func fetch(blob sha256: String, to path: String) async throws(ConnectionFailure) {
    try reach()
    guard let bytes = Disk.read("\(folder)/blobs/\(sha256)") else { throw .invalid("there is no such blob", []) }
    do throws(ProcessFailure) { try Disk.write(path, bytes) } catch { throw .unreachable("\(error)") }
  }
}
