import Glibc
import HTTP
import Server
import Synchronization

// Measures the HTTP server on this machine, its clients included:
//   benchmark-http [CONNECTIONS]
// Requests a second over 32 kept connections, for a handler that answers at once and for one that asks an actor first;
// then the resident memory of one waiting long-poll, and how long a request takes while all of them wait.

private actor Counter {
  private var value = 0

  func next() -> Int {
    value += 1
    return value
  }
}

private let counter = Counter()
private let waiters = Mutex<[CheckedContinuation<Void, Never>]>([])

private var routes = HTTPRoutes()
routes.on(.get, "/at-once") { _ in .json(Array(#"{"ok":true}"#.utf8)) }
routes.on(.get, "/actor") { _ in .json(Array(#"{"ok":\#(await counter.next() > 0)}"#.utf8)) }
routes.on(.post, "/wait") { request in
  await request.whileWaiting {
    await withCheckedContinuation { continuation in waiters.withLock { $0.append(continuation) } }
  }
  return .noContent()
}

private var limits = HTTPLimits()
limits.connections = 20_000
limits.connectionsPerAddress = 20_000
limits.answer = .seconds(3600)
private let server = try HTTPServer.start(
  listen: HTTPAddress(host: "127.0.0.1", port: 0), limits: limits, service: routes.service { _, _ in })

private let connections = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 9_000

for path in ["/at-once", "/actor"] {
  let rate = await RawLoad.rate(port: server.address.port, path: path, connections: 32, seconds: 3)
  print("\(path): \(Int(rate)) requests a second")
}

private let before = residentBytes()
private let held = await RawLoad.hold(port: server.address.port, path: "/wait", connections: connections)
while waiters.withLock({ $0.count }) < held.count { await Task.yield() }
print("waiting: \(held.count) long-polls, \((residentBytes() - before) / max(1, held.count)) bytes each")
private let busy = await RawLoad.rate(port: server.address.port, path: "/actor", connections: 1, seconds: 2)
print("one client among them: \(Int(1e6 / busy)) microseconds for /actor")

private let clock = ContinuousClock()
private let released = await clock.measure {
  for continuation in waiters.withLock({ $0 }) { continuation.resume() }
  await RawLoad.collect(held)
}
print("all answered in \(released)")
await server.shutdown(grace: .seconds(5))

/// Resident memory of this process.
private func residentBytes() -> Int {
  let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
  defer { close(file) }
  var buffer = [UInt8](repeating: 0, count: 256)
  let count = read(file, &buffer, buffer.count)
  let fields = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}
