import Model

/// What a target-resource driver is. Stateless between calls: everything is a function of the stored handle, so that
/// recovery after a restart is the ordinary path and cannot be forgotten.
///
/// `LuaDriver` runs a plugin's functions; tests of the agent use drivers of their own.
public protocol Driver: Sendable {
  /// `process`, `docker`, ...: one driver a target.
  var target: String { get }
  var version: String { get }
  var provides: Set<Capability> { get }
  /// Version of the handles that `start` makes, kept beside each stored handle.
  var handleVersion: Int { get }
  /// Why a stored handle is not to be touched, where that is so.
  func refusal(of handle: Value, version: Int?) -> DriverFailure?
  /// Seconds between polls where nothing wakes the agent earlier.
  var pollInterval: Double { get }

  /// Is this target usable from here, now. Never fails: what goes wrong is `unhealthy` with the detail.
  func probe() async -> Probe
  /// The target's own document for a run. Pure: no I/O.
  func plan(_ request: PlanRequest) async throws(DriverFailure) -> Value
  /// Starts what `plan` made. Idempotent on `token`: a second call gives the first one's handle.
  func start(_ spec: Value, token: String, secrets: [String: Secret]) async throws(DriverFailure) -> Value
  /// The handle of a start with this token that took effect, or nil.
  func find(token: String) async throws(DriverFailure) -> Value?
  /// Where each handle stands, in the order given.
  func poll(_ handles: [Value]) async throws(DriverFailure) -> [Observation]
  /// Asks the target to stop. Stopping what has ended is success.
  func stop(_ handle: Value, _ how: StopOrder) async throws(DriverFailure)
  /// Sends the program a signal. Only where `signal` is provided.
  func signal(_ handle: Value, _ number: Int) async throws(DriverFailure)
  /// Removes what an ended run left on the target. Idempotent.
  func forget(_ handle: Value) async throws(DriverFailure)
  /// Output from `cursor` on; nil starts at the beginning. Only where `logs.tail` is provided.
  func logs(_ handle: Value, cursor: Value?) async throws(DriverFailure) -> LogChunk
  /// What each handle uses now, in the order given. Only where `stats` is provided.
  func stats(_ handles: [Value]) async throws(DriverFailure) -> [Usage?]
  /// Everything on the target that was started from this agent's data folder, ended or not. Only where `list` is
  /// provided.
  func list() async throws(DriverFailure) -> [Listed]
  /// Hears of changes on the target until that ends, and calls `wake` at each: handles are then polled at once. Only
  /// where `watch` is provided.
  func watch(_ wake: @escaping @Sendable () -> Void) async throws(DriverFailure)
}

extension Driver {
  public var pollInterval: Double { 5 }

  /// Why a stored handle is not to be touched, where that is so: another version of the plugin made it.
  public func refusal(of handle: Value, version: Int?) -> DriverFailure? {
    version.flatMap { $0 > handleVersion ? newer($0) : nil }
  }

  func newer(_ version: Int) -> DriverFailure {
    DriverFailure(
      .unsupported,
      "a newer version of plugin `\(target)` started it (its handle has version \(version), and \(self.version) of the "
        + "plugin reads up to \(handleVersion)); it is left alone",
      hint: "give the agent the newer plugin again, and restart it")
  }

  public func signal(_ handle: Value, _ number: Int) async throws(DriverFailure) {}
  public func list() async throws(DriverFailure) -> [Listed] { [] }
  public func watch(_ wake: @escaping @Sendable () -> Void) async throws(DriverFailure) {}
}

/// What a driver's `plan` is given.
public struct PlanRequest: Sendable, Hashable {
  public var run: String
  public var name: String
  public var attempt: Int
  public var entity: String
  public var project: String
  public var queue: String
  public var author: String
  public var job: String?
  /// Program and its first arguments; the first is relative to `folder` where there is one. Empty for an image's own.
  public var entryPoint: [String] { didSet { command = entryPoint + args } }
  /// What follows; empty for an image's own.
  public var args: [String] { didSet { command = entryPoint + args } }
  /// Both together.
  public private(set) var command: [String]
  /// Environment of the program: config and identity of the run.
  public var environment: [String: String]
  /// Where the source was unpacked on the agent's machine, for targets that run folders.
  public var folder: String?
  /// A folder whose `bin` goes first in PATH, as the builder made it.
  public var prefix: String?
  /// What the builder pushed or the job names, for targets that run images.
  public var image: String?
  /// The run's merged resource, macros filled; secrets stand as `{"$secret": name}`.
  public var resource: Value
  /// Seconds the attempt may take.
  public var timeout: Double?
  /// Seconds that a polite stop gives its program.
  public var grace: Double
  /// Local work must end by itself when its lease is not renewed.
  public var fenced: Bool

  public init(
    run: String, name: String, attempt: Int, entity: String, project: String, queue: String, author: String,
    job: String?, entryPoint: [String], args: [String] = [], environment: [String: String], folder: String? = nil,
    prefix: String? = nil, image: String? = nil, resource: Value, timeout: Double? = nil, grace: Double = 10,
    fenced: Bool = false
  ) {
    self.run = run
    self.name = name
    self.attempt = attempt
    self.entity = entity
    self.project = project
    self.queue = queue
    self.author = author
    self.job = job
    self.entryPoint = entryPoint
    self.args = args
    command = entryPoint + args
    self.environment = environment
    self.folder = folder
    self.prefix = prefix
    self.image = image
    self.resource = resource
    self.timeout = timeout
    self.grace = grace
    self.fenced = fenced
  }
}

extension PlanRequest {
  /// What Lua is given.
  var document: Value {
    var fields: [String: Value] = [
      "run": .string(run), "name": .string(name), "attempt": .int(Int64(attempt)), "entity": .string(entity),
      "project": .string(project), "queue": .string(queue), "author": .string(author),
      "entry_point": .array(entryPoint.map(Value.string)), "args": .array(args.map(Value.string)),
      "command": .array(command.map(Value.string)), "environment": .object(environment.mapValues(Value.string)),
      "resource": resource, "grace": .double(grace), "fenced": .bool(fenced),
    ]
    fields["job"] = job.map(Value.string)
    fields["folder"] = folder.map(Value.string)
    fields["prefix"] = prefix.map(Value.string)
    fields["image"] = image.map(Value.string)
    fields["timeout"] = timeout.map(Value.double)
    return .object(fields)
  }
}

/// Where one piece of work stands on its target.
public struct Observation: Sendable, Hashable, Codable {
  public enum State: String, Sendable, Hashable, Codable, CaseIterable {
    case pending, running, succeeded, failed, preempted, lost
    /// The target cannot say now; the agent asks again.
    case unknown
  }
  public var state: State
  public var exitCode: Int?
  public var signal: Int?
  public var outOfMemory: Bool
  /// For people: why it waits, or what went wrong.
  public var message: String?
  /// The target's own word for the state.
  public var native: String?

  public init(
    _ state: State, exitCode: Int? = nil, signal: Int? = nil, outOfMemory: Bool = false, message: String? = nil,
    native: String? = nil
  ) {
    self.state = state
    self.exitCode = exitCode
    self.signal = signal
    self.outOfMemory = outOfMemory
    self.message = message
    self.native = native
  }
}

public struct StopOrder: Sendable, Hashable, Codable {
  /// Seconds between the polite signal and the kill; 0 kills at once.
  public var grace: Double
  public init(grace: Double) { self.grace = grace }
}

/// Something on a target that carries this agent's label.
public struct Listed: Sendable, Hashable, Codable {
  /// Of the start that made it.
  public var token: String
  public var handle: Value

  public init(token: String, handle: Value) {
    self.token = token
    self.handle = handle
  }
}

public struct LogChunk: Sendable, Hashable {
  public var bytes: [UInt8]
  /// To be given to the next call.
  public var cursor: Value
  /// Nothing will follow.
  public var isEnd: Bool

  public init(bytes: [UInt8], cursor: Value, isEnd: Bool) {
    self.bytes = bytes
    self.cursor = cursor
    self.isEnd = isEnd
  }
}

public struct Usage: Sendable, Hashable, Codable {
  /// Cores in use.
  public var cpu: Double?
  /// Bytes.
  public var memory: Int64?
  /// 0 to 1.
  public var gpu: Double?
  /// Bytes.
  public var gpuMemory: Int64?

  public init(cpu: Double? = nil, memory: Int64? = nil, gpu: Double? = nil, gpuMemory: Int64? = nil) {
    self.cpu = cpu
    self.memory = memory
    self.gpu = gpu
    self.gpuMemory = gpuMemory
  }
}

/// An expected failure of a driver or builder: `return nil, fail { ... }` in Lua. A raised Lua error arrives as `bug`.
public struct DriverFailure: Error, Sendable, Hashable, Codable {
  public enum Code: String, Sendable, Hashable, Codable, CaseIterable {
    case configInvalid = "config_invalid"
    case unsupported, auth, quota
    case notFound = "not_found"
    case conflict, unavailable, timeout, cancelled
    case targetError = "target_error"
    case bug
  }
  public enum Retry: Sendable, Hashable, Codable {
    case never
    /// Nothing happened; the same call may be made again.
    case safe
    /// Seconds to wait first.
    case after(Double)
    /// It may have taken effect: `find` must be asked before anything is started again.
    case unknownEffect
  }
  public var code: Code
  public var message: String
  public var hint: String?
  public var detail: String?
  public var retry: Retry

  public init(_ code: Code, _ message: String, hint: String? = nil, detail: String? = nil, retry: Retry = .never) {
    self.code = code
    self.message = message
    self.hint = hint
    self.detail = detail
    self.retry = retry
  }
}

/// A secret's text. It cannot be printed, described, compared or encoded; only the sink that hands it to a program opens
/// it.
public struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public let name: String
  private let text: String

  public init(name: String, text: String) {
    self.name = name
    self.text = text
  }

  public var description: String { "<secret \(name)>" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: [:]) }

  /// Hands the text to `sink`, the one place that may see it.
  public func open<Result>(_ sink: (String) throws -> Result) rethrows -> Result { try sink(text) }
}
