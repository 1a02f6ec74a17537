std = "lua54"
max_line_length = 120
files["queues.d"] = { read_globals = { "queue", "resource", "var", "secret", "extend", "null", "int", "number", "bool",
  "choice", "duration", "size", "list", "map", "any", "one_of", string = { other_fields = true } } }
files["plugins/*/plugin.lua"] = { read_globals = { "driver", "builder", "hook", "resource", "secret", "int", "number",
  "bool", "choice", "duration", "size", "list", "map", "any", "one_of", "var" } }
files["plugins/*/**/*.lua"] = { read_globals = { "host", "fail" } }
