import Lua

/// What a plugin's functions see: `host`, with functions by dotted names, `fail` and `require`.
enum HostWords {
  /// Functions of `host` that Swift gives, as `exec`, `files.read`.
  static let given = [
    "log", "now", "sleep", "wake", "together", "exec", "env", "read", "random", "bytes", "seconds", "sha256",
    "hmac_sha256", "rs256", "jwt", "json.encode", "json.decode", "yaml.decode",
    "base64.encode", "base64.decode", "base64.url", "url.encode", "url.query", "time.parse", "time.format",
    "files.exists", "files.read", "files.write", "files.append", "files.remove", "files.list", "files.size",
    "files.path", "process.probe", "process.start", "process.find", "process.status", "process.output", "process.stop",
    "process.signal", "process.forget", "process.usage",
  ]

  /// What the prelude makes of these is a plugin's; they themselves are not.
  static let inner = ["http.send", "http.prepare", "http.open", "http.next", "http.close"]

  /// Every function of `host` that a plugin may call.
  static let names = given + ["join", "json.list", "http", "http.lines", "http.chunks"]

  /// Metatables that mark what plain Lua cannot tell apart.
  static let failTag = "fail"
  static let listTag = "list"
  static let nullTag = "null"

  /// Evaluated once in a state with `functions` (a host function by each name) in reach.
  static let prelude = """
    local fail_mark, list_mark, null_mark = { __name = "fail" }, { __name = "list" }, { __name = "null" }
    host = {}
    for name, call in pairs(functions) do
      local group, inner = string.match(name, "^([%w_]+)%.([%w_]+)$")
      if group then
        host[group] = host[group] or {}
        host[group][inner] = call
      else
        host[name] = call
      end
    end
    function fail(body) return setmetatable(body, fail_mark) end

    host.json.null = setmetatable({}, null_mark)
    function host.json.list(items) return setmetatable(items, list_mark) end

    -- A table stands for a text with a secret in it; see HostText.
    local encode = host.base64.encode
    function host.base64.encode(text)
      if type(text) == "table" then return { ["$base64"] = text } end
      return encode(text)
    end
    function host.join(...)
      local parts = { ... }
      for index = 1, select("#", ...) do
        if type(parts[index]) == "table" then return { ["$join"] = parts } end
      end
      return table.concat(parts)
    end

    local http = host.http
    local closing = { __close = function(stream) http.close(stream.id) end }
    local function streamed(name, in_lines)
      return function(request, each)
        if type(each) ~= "function" then error(name .. " wants a function behind the request", 2) end
        -- Closed on every way out: at the end, where the function says so, raises or is cancelled while it waits.
        local stream <close> = setmetatable({ id = http.prepare(request, in_lines) }, closing)
        local answer, failed = http.open(stream.id)
        if not answer or answer.body then return answer, failed end
        while true do
          local pieces, lost = http.next(stream.id)
          if lost then return nil, lost end
          if not pieces then
            answer.ended = "eof"
            return answer
          end
          for _, piece in ipairs(pieces) do
            if each(piece) == false then
              answer.ended = "stopped"
              return answer
            end
          end
        end
      end
    end
    host.http = setmetatable({
      lines = streamed("host.http.lines", true), chunks = streamed("host.http.chunks", false),
    }, { __call = function(_, request) return http.send(request) end })
    return host, fail, fail_mark, list_mark, null_mark
    """

  /// An environment for a plugin's functions.
  /// - Parameter functions: the real ones; without them each raises, as while a plugin is only looked at.
  static func environment(
    of state: LuaState, modules: PluginModules, functions: [String: LuaReference] = [:]
  ) throws(LuaError) -> LuaEnvironment {
    let absent = state.function { (_: borrowing LuaCall) -> [LuaValue] in
      throw LuaError(.runtime, "host functions can be called only inside the plugin's functions")
    }
    var table: [String: LuaValue] = [:]
    for name in given + inner { table[name] = .reference(functions[name] ?? absent) }
    let base = try state.environment(globals: ["functions": .fields(table)])
    let words = try state.evaluate(prelude, chunk: "=host", environment: base)
    guard words.count == 5 else { throw LuaError(.runtime, "the host's words are missing") }
    for (word, tag) in zip(words[2...], [failTag, listTag, nullTag]) { try state.setMetatable(word, of: tag) }
    func environment(for modules: PluginModules) throws(LuaError) -> LuaEnvironment {
      let environment = try state.environment(globals: [
        "host": .reference(words[0]), "fail": .reference(words[1]), "require": .reference(modules.function(in: state)),
      ])
      modules.environment = environment
      return environment
    }
    for other in modules.used.values { _ = try environment(for: other) }
    return try environment(for: modules)
  }
}
