import Lua
import Synchronization

/// Functions of a plugin beside each other: several connections that one call listens to at once.
extension HostFunctions {
  /// Functions that one call may run beside each other.
  static let companionsMax = 64

  /// `host.together(f, g, ...)`: true when all have returned. The first that answers `nil, fail { ... }` or raises ends
  /// the others, and gives the answer.
  func together(_ call: borrowing LuaCall) throws -> Operation {
    guard call.count <= Self.companionsMax else {
      throw LuaError(.runtime, "host.together takes \(Self.companionsMax) functions at most")
    }
    var functions: [LuaReference] = []
    for position in 0..<call.count {
      guard call.kind(position + 1) == .function else { throw call.badArgument(position + 1, "function") }
      functions.append(call.reference(position + 1))
    }
    let (ready, runner) = (functions, runner)
    return {
      guard let runner = runner.current else { throw LuaError(.runtime, "host.together is not there while files load") }
      let budget = CallContext.current.budget
      do {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for function in ready {
            group.addTask {
              let results = try await runner.call(function, budget: budget)
              _ = try Answer(function: "a function of host.together", results: results).first()
            }
          }
          // Not `waitForAll`, which waits for the others before it tells of the first that failed.
          while try await group.next() != nil {}
        }
        return [.boolean(true)]
      } catch let failure as DriverFailure {
        return HostFunctions.failed(failure)
      }
    }
  }
}

/// Where a plugin's functions run, for those that the host runs beside them. The state keeps the host's functions, so
/// they must not keep its runner.
final class RunnerPlace: Sendable {
  private struct Place { weak var runner: LuaRunner? }
  private let place = Mutex(Place())

  var current: LuaRunner? { place.withLock { $0.runner } }
  func set(_ runner: LuaRunner) { place.withLock { $0.runner = runner } }
}
