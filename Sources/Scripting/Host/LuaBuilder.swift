import Lua
import Model

/// A builder whose functions are a plugin's.
public struct LuaBuilder: Builder {
  public let declaration: BuilderDeclaration
  let plugin: LuaPlugin

  public var name: String { declaration.header.name }
  public var sources: Set<SourceKind> { declaration.builds }
  public var targets: Set<String> { declaration.targets }

  public func probe() async -> Probe {
    do throws(DriverFailure) {
      return try await plugin.call("probe", [], within: CallTime.probe).probe()
    } catch {
      return Probe(.unhealthy, detail: error.message)
    }
  }

  public func key(_ request: BuildRequest) async throws(DriverFailure) -> String {
    let value = try LuaPlugin.document(request)
    let answer = try await plugin.call("key", [.tree(LuaTree(value))], within: CallTime.plan)
    guard case .string(let key) = try answer.required("a key"), Name.problem(with: key) == nil else {
      throw answer.bug("returned no key; a key is a name, such as host.sha256(...)")
    }
    return key
  }

  public func build(
    _ request: BuildRequest, key: String, log: @escaping @Sendable ([UInt8]) async -> Void
  ) async throws(DriverFailure) -> BuildResult {
    let value = try LuaPlugin.document(request)
    let answer = try await plugin.call(
      "build", [.tree(LuaTree(value)), .string(key)], within: CallTime.build, context: CallContext(output: log))
    let result = try answer.document(of: "{ prefix = ... } or { image = ... }")
    let built = BuildResult(prefix: result["prefix"]?.stringValue, image: result["image"]?.stringValue)
    guard built.prefix != nil || built.image != nil else {
      throw answer.bug("returned neither `prefix` nor `image`")
    }
    return built
  }
}

/// A hook whose function is a plugin's.
public struct LuaHook: Sendable {
  public let declaration: HookDeclaration
  let plugin: LuaPlugin

  /// Calls the hook where it wants the event.
  public func call(_ event: HookEvent, _ run: RunView) async throws(DriverFailure) {
    guard declaration.events.contains(event) else { return }
    let value = try LuaPlugin.document(run)
    _ = try await plugin.call(
      "run", [.string(event.rawValue), .tree(LuaTree(value))], within: CallTime.hook)
  }
}
