extension DiagnosticCode {
  /// Codes of plugins, and of queues that their drivers cannot serve.
  static let plugins: [DiagnosticCode] = [
    DiagnosticCode(
      "P0101", "a plugin folder without plugin.lua",
      """
      Each folder of the plugins folder is a plugin and says in plugin.lua what it is.
      """),
    DiagnosticCode(
      "P0102", "not exactly one plugin in plugin.lua",
      """
      plugin.lua returns one `driver`, `builder` or `hook`; a plugin that only shares resource configs
      declares those.
      """),
    DiagnosticCode(
      "P0103", "plugin and folder have different names",
      """
      A plugin is found by the name of its folder.
      """),
    DiagnosticCode(
      "P0104", "no such capability",
      """
      A driver declares in `provides` what it can do; the names are fixed, so that hosts and drivers mean
      the same.
      """),
    DiagnosticCode(
      "P0105", "no such permission",
      """
      A plugin can only compute, unless `needs` names more.
      """),
    DiagnosticCode(
      "P0106", "the plugin speaks another API",
      """
      The host and the plugin have no version of the plugin API in common.
      """),
    DiagnosticCode(
      "P0107", "the functions' file is missing",
      """
      A driver's functions are in driver.lua, a builder's in builder.lua, a hook's in hook.lua, beside
      plugin.lua.
      """),
    DiagnosticCode(
      "P0108", "a function is missing",
      """
      A capability is a promise, and so are the functions that every plugin of its kind has. Declared
      without the function it could not be kept.
      """),
    DiagnosticCode(
      "P0109", "a function without its capability",
      """
      The function exists but its capability is not in `provides`, so the host would never call it.
      Absence means no.
      """),
    DiagnosticCode(
      "P0110", "the functions' file returns no table",
      """
      driver.lua, builder.lua and hook.lua end by returning a table of functions.
      """),
    DiagnosticCode(
      "P0111", "the functions' file cannot be loaded",
      """
      Loading it raised an error or used up its budget.
      """),
    DiagnosticCode(
      "P0112", "settings that do not fit the plugin",
      """
      The operator's settings of a plugin are judged by the `config` type that the plugin declares.
      """),
    DiagnosticCode(
      "P0113", "a plugin uses one that is not there",
      """
      `uses` names plugins whose Lua files this one requires, as `require "docker/engine"`. Each must be a
      folder beside the plugin's own. The files run with the permissions of the plugin that requires them.
      """),
    DiagnosticCode(
      "P0114", "a builder of a reserved name",
      """
      A queue with `builder = "noop"` builds nothing; a builder of that name could never be chosen.
      """),
    DiagnosticCode(
      "Q0101", "the queue needs what its driver does not provide",
      """
      What a queue needs follows from its target, its `requires` and its config. This need cannot be met
      by any agent with these plugins, so no run of the queue could ever start.
      """),
    DiagnosticCode(
      "Q0107", "an agent cannot run a queue that it polls",
      """
      An agent must support every target of every queue that it polls, before it is given anything.
      Install what is missing, let the agent poll other queues, or start it with --allow-partial.
      """),
  ]
}
