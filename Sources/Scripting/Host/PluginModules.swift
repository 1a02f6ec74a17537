import Lua

/// The other Lua files of a plugin's folder, for `require`: each runs once in a state, in the plugin's environment. Files
/// of a plugin that it `uses` go by that plugin's name, as `docker/engine`; they run with the permissions of the plugin
/// that requires them, and what they require themselves lies beside them or goes by such a name, too. Used on the
/// state's thread alone.
final class PluginModules {
  /// The plugin's folder, and how it is shown: `plugins/docker`.
  private let folder: String
  private let shown: String
  var environment: LuaEnvironment?
  /// By the names of the plugins that it uses.
  let used: [String: PluginModules]
  /// The plugin that uses this one.
  private weak var user: PluginModules?
  private var loaded: [String: LuaReference] = [:]
  private var loading: Set<String> = []

  init(folder: String, shown: String, uses: [String] = []) {
    self.folder = folder
    self.shown = shown
    used = Dictionary(
      uses.map { ($0, PluginModules(folder: "\(parent(folder))/\($0)", shown: "\(parent(shown))/\($0)")) },
      uniquingKeysWith: { first, _ in first })
    for other in used.values { other.user = self }
  }

  func function(in state: LuaState) -> LuaReference {
    state.function { [self] (call: borrowing LuaCall) throws -> [LuaValue] in
      [.reference(try load(call.string(1), in: call.state))]
    }
  }

  private func load(_ name: String, in state: LuaState) throws -> LuaReference {
    if let module = loaded[name] { return module }
    if let slash = name.firstIndex(of: "/"), let other = (user ?? self).used[String(name[..<slash])] {
      return try other.load(String(name[name.index(after: slash)...]), in: state)
    }
    guard Self.isName(name) else {
      throw LuaError(.runtime, "`\(name)` is no name of a file beside this one, such as \"handles\" or \"api/pods\"")
    }
    guard !loading.contains(name) else { throw LuaError(.runtime, "`\(name)` is required while it is being loaded") }
    guard let environment else { throw LuaError(.runtime, "nothing can be required here") }
    loading.insert(name)
    defer { loading.remove(name) }
    switch SourceFile.read("\(folder)/\(name).lua", as: "\(shown)/\(name).lua") {
    case .failure(let problem): throw LuaError(.runtime, problem.message)
    case .success(let file):
      let results = try state.evaluate(file.text, chunk: "@" + file.name, environment: environment)
      guard let module = results.first else {
        throw LuaError(.runtime, "`\(file.name)` returns nothing; end it with `return module`")
      }
      loaded[name] = module
      return module
    }
  }

  /// Lower-case letters, digits and underscores, in folders or not: no way leads out of the plugin's folder.
  private static func isName(_ name: String) -> Bool {
    !name.isEmpty
      && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
        !part.isEmpty
          && part.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
              || $0 == UInt8(ascii: "_")
          }
      }
  }
}
