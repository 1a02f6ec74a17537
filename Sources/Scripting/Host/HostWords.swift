import Lua

/// What a plugin's functions see: `host`, with functions by dotted names, and `fail`.
enum HostWords {
  /// Every function of `host`, as `exec`, `files.read`.
  static let names = [
    "log", "now", "sleep", "wake", "exec", "bytes", "seconds", "sha256", "json.encode", "json.decode",
    "files.exists", "files.read", "files.write", "files.remove", "files.list",
    "process.probe", "process.start", "process.find", "process.status", "process.output", "process.stop",
    "process.signal", "process.forget", "process.usage",
  ]

  /// Evaluated once in a state with `functions` (a host function by each name) in reach.
  static let prelude = """
    local failure = { __name = "fail" }
    host = {}
    for name, inside in pairs(functions) do
      -- Expected failures arrive as nil and a plain table.
      local function call(...)
        local value, failed = inside(...)
        if failed ~= nil then return nil, setmetatable(failed, failure) end
        return value
      end
      local group, inner = string.match(name, "^(%a+)%.(%a+)$")
      if group then
        host[group] = host[group] or {}
        host[group][inner] = call
      else
        host[name] = call
      end
    end
    function fail(body) return setmetatable(body, failure) end
    return host, fail
    """

  /// An environment for a plugin's functions.
  /// - Parameter functions: the real ones; without them each raises, as while a plugin is only looked at.
  static func environment(
    of state: LuaState, functions: [String: LuaReference] = [:]
  ) throws(LuaError) -> LuaEnvironment {
    let absent = state.function { (_: borrowing LuaCall) -> [LuaValue] in
      throw LuaError(.runtime, "host functions can be called only inside the plugin's functions")
    }
    var table: [String: LuaValue] = [:]
    for name in names { table[name] = .reference(functions[name] ?? absent) }
    let base = try state.environment(globals: ["functions": .fields(table)])
    let words = try state.evaluate(prelude, chunk: "=host", environment: base)
    guard words.count == 2 else { throw LuaError(.runtime, "the host's words are missing") }
    return try state.environment(globals: ["host": .reference(words[0]), "fail": .reference(words[1])])
  }
}
