import Client
import Lua
import Model

/// Judges what a plugin wants to reach by what it declared in `needs`, with the operator's settings filled in.
struct Permits: Sendable {
  let plugin: String
  let declared: [Permission]
  private let settings: Value
  /// The agent's home, which `~` stands for.
  private let home: String

  init(plugin: String, declared: [Permission], settings: Value, home: String) {
    self.plugin = plugin
    self.declared = declared
    self.settings = settings
    self.home = home
  }

  func has(_ kind: Permission.Kind) -> Bool { declared.contains { $0.kind == kind } }

  /// Throws where the plugin did not declare what it uses.
  func require(_ kind: Permission.Kind, _ subject: String? = nil) throws(LuaError) {
    let isAllowed = declared.contains { permission in
      permission.kind == kind && (subject.map { allows(permission, $0) } ?? true)
    }
    guard isAllowed else {
      let text = subject.map { "\(kind.rawValue):\($0)" } ?? kind.rawValue
      throw LuaError(.runtime, "plugin `\(plugin)` has no permission `\(text)`; add it to `needs` in its plugin.lua")
    }
  }

  /// An absolute path that may be read; `~/` is the agent's home.
  func readable(_ path: String) throws(LuaError) -> String {
    let full = expanded(path)
    guard full.hasPrefix("/"), !full.split(separator: "/").contains(".."), !full.contains("\0") else {
      throw LuaError(.runtime, "`\(path)` is no absolute path, or leads upwards")
    }
    try require(.read, full)
    return full
  }

  /// Is `subject` what the permission names. What the operator wrote is taken as it stands, not as a pattern.
  private func allows(_ permission: Permission, _ subject: String) -> Bool {
    guard let name = permission.setting else {
      let pattern = permission.subject ?? ""
      return Glob.matches(subject, permission.kind == .read ? expanded(pattern) : pattern)
    }
    guard let setting = settings[name]?.stringValue, !setting.isEmpty else { return false }
    switch permission.kind {
    case .http:
      // The host counts, whatever the target calls its scheme: Docker says `tcp://`.
      let rest = setting.firstRange(of: "://").map { setting[$0.upperBound...] } ?? setting[...]
      return HTTPAddress("http://" + rest)?.host == subject
    case .socket: return subject == Permits.socketPath(setting)
    case .read:
      var path = expanded(setting)
      while path.count > 1, path.hasSuffix("/") { path.removeLast() }
      return subject == path || subject.hasPrefix(path + "/")
    case .exec, .env, .process, .files: return false
    }
  }

  /// `unix:///run/x.sock` as the path that it names.
  static func socketPath(_ text: String) -> String {
    text.hasPrefix("unix://") ? String(text.dropFirst("unix://".count)) : text
  }

  private func expanded(_ path: String) -> String { path.hasPrefix("~/") ? home + path.dropFirst(1) : path }
}
