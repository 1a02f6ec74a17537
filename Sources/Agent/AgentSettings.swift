import Glibc
import Model
import Processes
import Scripting

/// All that makes one agent different from another.
public struct AgentSettings: Sendable {
  /// The same name and entity is the same agent come back.
  public var name: String
  public var entity: String?
  public var host: String
  public var queues: [String]
  /// Runs that it works on at one time.
  public var maxJobs: Int
  /// Polls the queues that it covers, instead of being refused when it does not cover one.
  public var allowPartial: Bool
  /// The agent's data folder. It belongs to one agent at a time.
  public var data: String
  public var drivers: [any Driver]
  public var builders: [any Builder]
  /// Variables of this process that resource documents may use as `${NAME}`, by name. All others stay unseen.
  public var macros: [String: String]
  public var secrets: any Secrets
  /// The runs that live on this machine, where there are any.
  public var local: (any LocalRuns)?

  public init(
    name: String, entity: String? = nil, host: String = AgentSettings.hostName(), queues: [String],
    maxJobs: Int = AgentSettings.defaultMaxJobs(), allowPartial: Bool = false, data: String,
    drivers: [any Driver], builders: [any Builder], macros: [String: String] = [:], secrets: (any Secrets)? = nil,
    local: (any LocalRuns)? = nil
  ) {
    self.name = name
    self.entity = entity
    self.host = host
    self.queues = queues
    self.maxJobs = max(1, maxJobs)
    self.allowPartial = allowPartial
    self.data = data
    self.drivers = drivers
    self.builders = builders
    self.macros = macros
    self.secrets = secrets ?? FileSecrets(folder: "\(data)/secrets")
    self.local = local
  }

  /// Bytes of memory that a run is taken to need where nothing else is known: enough for a Python program with its
  /// libraries.
  private static let memoryOfOneRun: Int64 = 2 << 30

  /// What this machine can hold: a run for each processor, as far as the memory goes, and at least one.
  public static func defaultMaxJobs() -> Int {
    let processors = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let memory = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
    return max(1, min(processors, Int(memory / memoryOfOneRun)))
  }

  public static func hostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Runs that live on the agent's own machine.
public protocol LocalRuns: Sendable {
  /// Tokens of runs whose end was noticed, as they end. For one reader.
  var endings: AsyncStream<String> { get }
  /// Lets the run with this token live for `seconds` from now, where it is one that ends by itself without that.
  func renew(_ token: String, for seconds: Double)
  /// Marks commands in their environment (`Processes.commandVariable`), so that `killCommands` finds them.
  var root: String { get }
  /// Kills what an earlier life of the agent was building when it died, and tells how many commands that were.
  func killCommands() -> Int
}

extension Processes: LocalRuns {}
