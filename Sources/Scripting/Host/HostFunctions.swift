import Client
import Lua
import Model
import Processes

/// What the functions of one plugin may reach on the agent's machine.
public struct HostServices: Sendable {
  public var processes: Processes
  /// Folder of this plugin's own files.
  public var data: String
  /// Labels what its driver starts.
  public var owner: String
  /// The agent's environment, of which plugins see what they declared and nothing else.
  public var environment: [String: String]
  /// By which the plugin's commands are found, and ended, when their agent died before they did; nil where they may go
  /// on (what a driver runs may have started the work itself).
  public var commandMark: String?
  /// Seconds since 1970.
  public var now: @Sendable () -> Double
  /// Lines for the agent's own log.
  public var log: @Sendable (String) -> Void

  public init(
    processes: Processes, data: String, owner: String, environment: [String: String], commandMark: String? = nil,
    now: @escaping @Sendable () -> Double, log: @escaping @Sendable (String) -> Void
  ) {
    self.processes = processes
    self.data = data
    self.owner = owner
    self.environment = environment
    self.commandMark = commandMark
    self.now = now
    self.log = log
  }
}

/// What belongs to one call of a plugin's function: thousands may wait in one state, each with its own.
struct CallContext: Sendable {
  var secrets: [String: Secret] = [:]
  /// Where `host.log` and streamed programs write; the agent's log where nil.
  var output: (@Sendable ([UInt8]) async -> Void)?
  /// Has the driver's handles polled at once; nil but in `watch`.
  var wake: (@Sendable () -> Void)?
  /// Answers that the call reads piece by piece.
  let streams = StreamTable()
  /// What the call may use; functions that it runs beside each other get as much.
  var budget = LuaBudget.standard

  @TaskLocal static var current = CallContext()
}

/// The functions of `host`, for one plugin. Expected failures are answered as `nil, fail { ... }`; misuse raises at the
/// caller's line.
struct HostFunctions {
  let permits: Permits
  let services: HostServices
  /// Of the plugin's own, so that its connections are no other's; nil where it may send no requests.
  let client: HTTPClient?
  let streams = StreamCount()
  /// Of the plugin; set once its functions are loaded.
  let runner = RunnerPlace()

  init(permits: Permits, services: HostServices) {
    self.permits = permits
    self.services = services
    var configuration = HTTPClient.Configuration()
    configuration.connectionsPerHost = Self.connectionsPerHost
    client = permits.has(.http) || permits.has(.socket) ? HTTPClient(configuration) : nil
  }

  /// Requests beyond these wait for a connection; a thousand at once would only slow the target down.
  static let connectionsPerHost = 64

  /// Every function but those that the prelude writes in Lua, by name.
  func make(in state: LuaState) -> [String: LuaReference] {
    var functions = texts(in: state)
    for more in [files(in: state), processes(in: state), waiting(in: state), http(in: state)] {
      functions.merge(more) { first, _ in first }
    }
    return functions
  }

  /// `nil, fail { ... }`
  static func failed(_ failure: DriverFailure) -> [LuaValue] {
    var fields: [String: LuaTree] = [
      "code": .string(failure.code.rawValue), "message": .string(failure.message),
    ]
    if let hint = failure.hint { fields["hint"] = .string(hint) }
    if let detail = failure.detail { fields["detail"] = .string(detail) }
    switch failure.retry {
    case .never: break
    case .safe: fields["retry"] = .string("safe")
    case .unknownEffect: fields["retry"] = .string("unknown_effect")
    case .after(let seconds): fields["retry"] = .number(seconds)
    }
    return [.nothing, .tree(.table(LuaTable(tag: HostWords.failTag, fields: fields)))]
  }

  static func failed(_ failure: ProcessFailure) -> [LuaValue] { failed(DriverFailure(failure)) }

  // MARK: bounds that plugins give

  /// Seconds at most, a week: what is longer is a mistake, and what Lua calls infinite is no `Duration` at all.
  private static let secondsMax = 604_800.0

  /// The seconds of a table's `key`, bounded; nil where there is none. Throws for what is no length of time.
  static func seconds(_ table: LuaTable, _ key: String, of what: String) throws(LuaError) -> Double? {
    guard let tree = table.fields[key] else { return nil }
    guard let seconds = tree.real, seconds > 0 else {
      throw LuaError(.runtime, "`\(key)` of \(what) is seconds, more than 0")
    }
    return min(seconds, secondsMax)
  }

  /// Bytes that are kept where a plugin asks for `bytes`: it cannot hold more than its memory, so the agent need not.
  static func kept(_ bytes: Int64) -> Int { min(Int(clamping: max(0, bytes)), LuaPlugin.limits.memoryBytes) }
}
