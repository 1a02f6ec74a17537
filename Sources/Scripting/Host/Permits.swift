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
    let full = try Self.absolute(expanded(path))
    try require(.read, full)
    return full
  }

  /// The path of a Unix socket that may be connected to.
  func socket(_ path: String) throws(LuaError) -> String {
    let full = try Self.absolute(Self.socketPath(path))
    try require(.socket, full)
    return full
  }

  /// Throws for a path that would be judged by other words than those of where it leads: `/run/*` is not
  /// `/run/../etc`.
  private static func absolute(_ path: String) throws(LuaError) -> String {
    guard path.hasPrefix("/"), !path.split(separator: "/").contains(".."), !path.contains("\0") else {
      throw LuaError(.runtime, "`\(path)` is no absolute path, or leads upwards")
    }
    return path
  }

  /// Is `subject` what the permission names. What the operator wrote is taken as it stands, not as a pattern.
  private func allows(_ permission: Permission, _ subject: String) -> Bool {
    guard let name = permission.setting else {
      let pattern = permission.subject ?? ""
      switch permission.kind {
      case .read: return Glob.matches(subject, expanded(pattern))
      // Hosts have no case, and `subject` is in lower case.
      case .http: return Glob.matches(subject, pattern.lowercased())
      default: return Glob.matches(subject, pattern)
      }
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
