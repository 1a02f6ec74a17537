import Lua
import Model
import Processes

/// A driver whose functions are a plugin's.
public struct LuaDriver: Driver {
  public let declaration: DriverDeclaration
  let plugin: LuaPlugin

  public var target: String { declaration.target }
  public var version: String { declaration.header.version }
  public var provides: Set<Capability> { declaration.provides }
  public var handleVersion: Int { declaration.handleVersion }
  public var pollInterval: Double { declaration.pollInterval }

  public func refusal(of handle: Value, version: Int?) -> DriverFailure? {
    if let version, version > handleVersion { return newer(version) }
    guard let misfit = declaration.handle.misfits(of: Node(handle, Origin(.driver(target)))).first else { return nil }
    return DriverFailure(
      .unsupported,
      "another version of plugin `\(target)` started it, whose handle this one does not read: `\(misfit.path.text)`: "
        + "\(misfit.sentence); it is left alone",
      hint: "give the agent the version that started it again, and restart it")
  }

  public func probe() async -> Probe {
    do throws(DriverFailure) {
      return try await plugin.call("probe", [], within: CallTime.probe).probe()
    } catch {
      return Probe(.unhealthy, detail: error.message)
    }
  }

  public func plan(_ request: PlanRequest) async throws(DriverFailure) -> Value {
    try await plugin.call("plan", [.tree(LuaTree(request.document))], within: CallTime.plan).document(of: "a spec")
  }

  public func start(_ spec: Value, token: String, secrets: [String: Secret]) async throws(DriverFailure) -> Value {
    let answer = try await plugin.call(
      "start", [.tree(LuaTree(spec)), .string(token)], within: CallTime.start, context: CallContext(secrets: secrets))
    let handle = try answer.document(of: "a handle")
    let misfits = declaration.handle.misfits(of: Node(handle, Origin(.driver(target))))
    if let misfit = misfits.first {
      throw answer.bug("returned a handle that is not of its declared shape: `\(misfit.path.text)`: \(misfit.sentence)")
    }
    return handle
  }

  public func find(token: String) async throws(DriverFailure) -> Value? {
    let handle = try await plugin.call("find", [.string(token)], within: CallTime.act).document()
    return handle.isNull ? nil : handle
  }

  public func poll(_ handles: [Value]) async throws(DriverFailure) -> [Observation] {
    try await plugin.call("poll", [Self.list(handles)], within: CallTime.act).observations(count: handles.count)
  }

  public func stop(_ handle: Value, _ how: StopOrder) async throws(DriverFailure) {
    _ = try await plugin.call(
      "stop", [.tree(LuaTree(handle)), ["grace": .number(how.grace)]], within: CallTime.act
    ).first()
  }

  public func signal(_ handle: Value, _ number: Int) async throws(DriverFailure) {
    _ = try await plugin.call(
      "signal", [.tree(LuaTree(handle)), .integer(Int64(number))], within: CallTime.act
    ).first()
  }

  public func forget(_ handle: Value) async throws(DriverFailure) {
    _ = try await plugin.call("forget", [.tree(LuaTree(handle))], within: CallTime.act).first()
  }

  public func logs(_ handle: Value, cursor: Value?) async throws(DriverFailure) -> LogChunk {
    let answer = try await plugin.call(
      "logs", [.tree(LuaTree(handle)), .tree(LuaTree(cursor ?? .null))], within: CallTime.act)
    guard case .table(let table) = try answer.required("{ bytes = ..., cursor = ..., done = ... }") else {
      throw answer.bug("returned no table")
    }
    let isDone = table.fields["done"] == .boolean(true)
    if let file = table.fields["file"]?.string {
      guard plugin.owns(file) else { throw answer.bug("returned a `file` that is none of its own: \(file)") }
      let offset = cursor?.intValue ?? 0
      let bytes = Disk.read(file, from: offset, limit: Self.logChunkBytes) ?? []
      let end = offset + Int64(bytes.count)
      return LogChunk(bytes: bytes, cursor: .int(end), isEnd: isDone && bytes.count < Self.logChunkBytes)
    }
    guard let bytes = table.fields["bytes"]?.bytes else { throw answer.bug("returned neither `bytes` nor `file`") }
    let next = try answer.value(table.fields["cursor"] ?? .nothing, "cursor")
    return LogChunk(bytes: bytes, cursor: next, isEnd: isDone)
  }

  public func stats(_ handles: [Value]) async throws(DriverFailure) -> [Usage?] {
    try await plugin.call("stats", [Self.list(handles)], within: CallTime.act).usages(count: handles.count)
  }

  public func list() async throws(DriverFailure) -> [Listed] {
    try await plugin.call("list", [], within: CallTime.act).listed()
  }

  public func watch(_ wake: @escaping @Sendable () -> Void) async throws(DriverFailure) {
    do throws(DriverFailure) {
      _ = try await plugin.call(
        "watch", [], within: CallTime.watch, computing: CallTime.watchComputing, context: CallContext(wake: wake)
      ).first()
    } catch {
      // Its time is over, and it is called again.
      if error.code != .timeout { throw error }
    }
  }

  /// Bytes of a log that one call takes from a file.
  static let logChunkBytes = 1 << 18

  private static func list(_ handles: [Value]) -> LuaValue { .list(handles.map { .tree(LuaTree($0)) }) }
}

/// Seconds that one call of a plugin's function may take in all, waits included.
enum CallTime {
  /// A probe runs at start, while somebody looks on.
  static let probe = 30.0
  /// Pure.
  static let plan = 5.0
  /// One conversation with a target; what takes longer is told by `poll`.
  static let act = 120.0
  /// What is started may first have to be fetched: an image of many gigabytes.
  static let start = 3_600.0
  /// A build pulls in what it depends on.
  static let build = 7_200.0
  /// A connection that hears of changes is made anew after this time, so that what it has leaked or lost is forgotten.
  static let watch = 3_600.0
  /// Seconds of computing in that time: a thousand changes a second cost less.
  static let watchComputing = 120.0
  /// A hook tells somebody.
  static let hook = 60.0
}
