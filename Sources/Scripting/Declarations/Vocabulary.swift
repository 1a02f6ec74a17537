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

  /// Runs once in each environment, with `declare` (a host function: word, name, body) in reach.
  static let prelude = """
    local declare, setmetatable, type, pairs, error = declare, setmetatable, type, pairs, error

    local schema = { __name = "schema" }
    schema.__index = schema
    local function make(kind, options)
      return setmetatable({ kind = kind, options = options }, schema)
    end
    local function with(self, key, value)
      local copy = {}
      for k, v in pairs(self) do copy[k] = v end
      copy[key] = value
      return setmetatable(copy, schema)
    end
    function schema:default(value) return with(self, "default", value) end
    function schema:required() return with(self, "required", true) end
    function schema:doc(text) return with(self, "doc", text) end
    function schema:implies(capability) return with(self, "implies", capability) end

    local function simple(kind)
      return function(options) return make(kind, options) end
    end
    local function callable(library, kind)
      return setmetatable(library, { __call = function(_, options) return make(kind, options) end })
    end
    callable(string, "string")
    callable(table, "table")
    int, number, bool, duration, size, choice, any =
      simple "int", simple "number", simple "bool", simple "duration", simple "size", simple "choice", simple "any"
    one_of = simple "one_of"
    function list(item, options) return make("list", { item = item, options = options }) end
    function map(item) return make("map", { item = item }) end

    local variable, reference, extension, nothing =
      { __name = "var" }, { __name = "secret" }, { __name = "extend" }, { __name = "null" }
    function var(name, of) return setmetatable({ name = name, schema = of }, variable) end
    function secret(name)
      if name == nil then return make("secret") end
      return setmetatable({ name = name }, reference)
    end
    function extend(name)
      return function(body) return setmetatable({ name = name, body = body }, extension) end
    end
    null = setmetatable({}, nothing)

    local function named(word)
      return function(name, body)
        if body ~= nil then return declare(word, name, body) end
        if type(name) == "table" then return declare(word, nil, name) end
        return function(later) return declare(word, name, later) end
      end
    end
    queue, resource, hook = named "queue", named "resource", named "hook"
    driver, builder, agent = named "driver", named "builder", named "agent"
    """
}
