/// The words of declaration files, in Lua. They only build tagged tables; everything is judged in Swift, so that each
/// mistake gets a code, a place and a hint.
///
/// `string` and `table` stay Lua's libraries and can be called as schema constructors besides.
enum Vocabulary {
  /// Defined in every declaration file by `prelude`.
  static let words = [
    "queue", "resource", "driver", "builder", "hook", "agent", "var", "secret", "extend", "null", "string", "int",
    "number", "bool", "choice", "duration", "size", "list", "map", "table", "any", "one_of",
  ]

  /// Evaluated once in each state: answers a function that puts the words into a file's environment. `declare` is a
  /// host function: word, name, body.
  ///
  /// One state reads all files, so nothing that they share can be got at and changed: metatables are hidden, and what a
  /// type answers to is not the metatable itself.
  static let prelude = """
    local function tag(name)
      return { __name = name, __metatable = name }
    end
    local schema, methods = tag "schema", {}
    schema.__index = methods
    local function make(kind, options)
      return setmetatable({ kind = kind, options = options }, schema)
    end
    local function with(self, key, value)
      local copy = {}
      for k, v in pairs(self) do copy[k] = v end
      copy[key] = value
      return setmetatable(copy, schema)
    end
    function methods:default(value) return with(self, "default", value) end
    function methods:required() return with(self, "required", true) end
    function methods:doc(text) return with(self, "doc", text) end
    function methods:implies(capability) return with(self, "implies", capability) end

    local function simple(kind)
      return function(options) return make(kind, options) end
    end
    local variable, reference, extension, nothing = tag "var", tag "secret", tag "extend", tag "null"

    local shared = {
      int = simple "int", number = simple "number", bool = simple "bool", duration = simple "duration",
      size = simple "size", choice = simple "choice", any = simple "any", one_of = simple "one_of",
      null = setmetatable({}, nothing),
    }
    function shared.list(item, options) return make("list", { item = item, options = options }) end
    function shared.map(item) return make("map", { item = item }) end
    function shared.var(name, of) return setmetatable({ name = name, schema = of }, variable) end
    function shared.secret(name)
      if name == nil then return make("secret") end
      return setmetatable({ name = name }, reference)
    end
    function shared.extend(name)
      return function(body) return setmetatable({ name = name, body = body }, extension) end
    end
    for _, word in ipairs { "queue", "resource", "hook", "driver", "builder", "agent" } do
      shared[word] = function(name, body)
        if body ~= nil then return declare(word, name, body) end
        if type(name) == "table" then return declare(word, nil, name) end
        return function(later) return declare(word, name, later) end
      end
    end
    local callable = {
      string = { __metatable = false, __call = function(_, options) return make("string", options) end },
      table = { __metatable = false, __call = function(_, options) return make("table", options) end },
    }

    return function(environment)
      for name, value in pairs(shared) do environment[name] = value end
      for name, metatable in pairs(callable) do setmetatable(environment[name], metatable) end
    end
    """
}
