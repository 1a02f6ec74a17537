/// A code of a problem that people are told of, with its page for `lunaport check --explain CODE`.
public struct DiagnosticCode: Sendable, Hashable {
  public var code: String
  /// A few words.
  public var title: String
  /// Why it is a problem and what usually causes it.
  public var text: String
  public var wrong: String?
  public var right: String?

  /// The page as people read it.
  public var page: String {
    var out = "\(code): \(title)\n\n\(text)\n"
    func block(_ title: String, _ source: String) {
      out += "\n\(title):\n\n" + source.split(separator: "\n").map { "    \($0)\n" }.joined()
    }
    if let wrong { block("Wrong", wrong) }
    if let right { block("Right", right) }
    return out
  }

  public static func named(_ code: String) -> DiagnosticCode? {
    (all + requests).first { $0.code == code.uppercased() }
  }
}

extension DiagnosticCode {
  init(_ code: String, _ title: String, _ text: String, wrong: String? = nil, right: String? = nil) {
    self.code = code
    self.title = title
    self.text = text
    self.wrong = wrong
    self.right = right
  }

  /// Codes of files and of what they make of a submission, in their order.
  public static let all: [DiagnosticCode] = [
    DiagnosticCode(
      "C0001", "the file is not valid Lua",
      """
      Lua could not read the file. The line is the one where Lua noticed; the cause is often a missing
      comma, quote or bracket just above it.
      """,
      wrong: """
        queue "gpu" {
          target = "process"
          concurrency = 4,
        }
        """,
      right: """
        queue "gpu" {
          target = "process",
          concurrency = 4,
        }
        """),
    DiagnosticCode(
      "C0002", "the file raised an error while it was read",
      """
      Declaration files are programs that only compute: no input or output, no clock, no randomness.
      Something in this one raised an error; the traceback says where.
      """,
      wrong: """
        local base = nil
        queue "gpu" { target = base.target }
        """,
      right: """
        local base = { target = "process" }
        queue "gpu" { target = base.target }
        """),
    DiagnosticCode(
      "C0003", "the file used up its budget",
      """
      Reading a file may take a bounded number of instructions, time and memory, so that one file cannot
      stop the host. A loop without an end is the usual cause.
      """),
    DiagnosticCode(
      "C0004", "the file cannot be read",
      """
      The file is missing, not readable by this user, larger than a declaration file may be, or not UTF-8
      text.
      """),
    DiagnosticCode(
      "C0005", "this declaration does not belong in this file",
      """
      `queue` and `resource` stand in the queues folder; `driver`, `builder`, `hook` and `resource` stand
      in a plugin's `plugin.lua`.
      """),
    DiagnosticCode(
      "C0006", "the file declares nothing",
      """
      A file of the queues folder should declare at least one queue or resource.
      """),
    DiagnosticCode(
      "C0007", "a declaration without its table",
      """
      A declaration is a word, a name and a table.
      """,
      wrong: """
        queue("gpu", 4)
        """,
      right: """
        queue "gpu" { target = "process" }
        """),
    DiagnosticCode(
      "C0010", "declared twice",
      """
      Two declarations have the same name, so it cannot be told which is meant. Queues are told apart by
      entity and name, everything else by name.
      """),
    DiagnosticCode(
      "C0011", "not a name",
      """
      A name is 1 to 128 letters, digits, `-`, `_` and `.`, and starts with a letter or digit: it must be
      safe in a URL, a file name, a label and a shell.
      """,
      wrong: """
        queue "my queue" { target = "process" }
        """,
      right: """
        queue "my-queue" { target = "process" }
        """),
    DiagnosticCode(
      "C0013", "no driver of this target",
      """
      Each target resource is run by a driver, a plugin folder of the same name. The plugins folder has
      none of this name.
      """,
      wrong: """
        queue "gpu" { target = "kuberntes" }
        """,
      right: """
        queue "gpu" { target = "kubernetes" }
        """),
    DiagnosticCode(
      "C0014", "no such resource config",
      """
      `resource = "name"` and `extend "name"` use a config that a `resource` declaration made.
      """,
      wrong: """
        queue "gpu" { target = "process", resource = "big" }
        """,
      right: """
        resource "big" { target = "process", config = { memory = "64Gi" } }
        queue "gpu" { target = "process", resource = "big" }
        """),
    DiagnosticCode(
      "C0015", "the resource config is for another target",
      """
      A shared resource config holds one target's own document, so only queues of that target can use it.
      """),
    DiagnosticCode(
      "C0016", "a key stands twice",
      """
      Lua silently takes the last of two equal keys, so one of these lines has no effect.
      """),
    DiagnosticCode(
      "C0017", "no such hook",
      """
      A queue names the hooks that are called on its events; each is a plugin folder of that name.
      """),
    DiagnosticCode(
      "C0018", "no such builder",
      """
      A queue may name the builder of its code and git jobs; each is a plugin folder of that name. `noop` is no
      plugin: it says that nothing is built.
      """,
      wrong: """
        queue "gpu" { target = "kubernetes", builder = "kanico" }
        """,
      right: """
        queue "gpu" { target = "kubernetes", builder = "kaniko" }
        """),
    DiagnosticCode(
      "C0019", "the builder makes nothing for the target",
      """
      A builder declares in `targets` what it builds for. The queue's target is not among them, so no code or git
      job of the queue could ever be built.
      """,
      wrong: """
        queue "local" { target = "process", builder = "kaniko" }
        """,
      right: """
        queue "local" { target = "process", builder = "venv" }
        """),
    DiagnosticCode(
      "C0020", "unknown key",
      """
      The declaration has a closed set of keys. A misspelt key would silently do nothing, so it is an
      error.
      """,
      wrong: """
        queue "gpu" { target = "process", conurrency = 4 }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 4 }
        """),
    DiagnosticCode(
      "C0021", "unknown key in a resource",
      """
      The target's driver declares which keys its resource has. `lunaport plugin doc TARGET` lists them.
      """,
      wrong: """
        queue "gpu" { target = "process", resource = { mem = "1Gi" } }
        """,
      right: """
        queue "gpu" { target = "process", resource = { memory = "1Gi" } }
        """),
    DiagnosticCode(
      "C0022", "a key is missing",
      """
      The declaration needs this key to mean anything.
      """,
      wrong: """
        queue "gpu" { concurrency = 4 }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 4 }
        """),
    DiagnosticCode(
      "C0023", "a value of the wrong kind",
      """
      The key takes another kind of value. Numbers and true or false are written without quotes.
      """,
      wrong: """
        queue "gpu" { target = "process", concurrency = "4" }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 4 }
        """),
    DiagnosticCode(
      "C0024", "a value that does not fit",
      """
      The kind is right, the value is out of range or none of the choices.
      """,
      wrong: """
        queue "gpu" { target = "process", concurrency = 0 }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 1 }
        """),
    DiagnosticCode(
      "C0025", "a secret in plain text",
      """
      Files are read by many people and kept in version control. A secret is named here, and given to the
      agent apart.
      """,
      wrong: """
        env = { TOKEN = "hf_abc" }
        """,
      right: """
        env = { TOKEN = secret "hf-token" }
        """),
    DiagnosticCode(
      "C0032", "an override of nothing",
      """
      `override` lists what a run may change: names of the queue's variables and keys of its resource.
      """),
    DiagnosticCode(
      "C0034", "no such capability",
      """
      `requires` names capabilities that an agent must have. `lunaport plugin doc` lists them all.
      """),
    DiagnosticCode(
      "C0040", "a value that no document can hold",
      """
      A document holds text, numbers, true or false, lists and tables. Functions, threads and the like
      cannot be sent to a target.
      """),
    DiagnosticCode(
      "C0041", "a type where a value belongs",
      """
      `int { ... }` and its like are types. In a resource they stand inside `var("name", ...)`, which
      makes a hole that a run may fill.
      """,
      wrong: """
        resource = { cpu = int { min = 1 } }
        """,
      right: """
        resource = { cpu = var("cpu", int { min = 1, default = 1 }) }
        """),
    DiagnosticCode(
      "C0042", "extend in the wrong place",
      """
      `extend` takes over a whole shared resource config and lays a table over it; it cannot stand deeper
      inside.
      """,
      wrong: """
        resource = { env = extend "base" {} }
        """,
      right: """
        resource = extend "base" { env = {} }
        """),
    DiagnosticCode(
      "C0043", "not a number that a document can hold",
      """
      Infinity and not-a-number have no place in JSON.
      """),
    DiagnosticCode(
      "C0044", "not a secret's name",
      """
      `secret` takes the name under which the agent was given the secret.
      """,
      wrong: """
        TOKEN = secret { "a" }
        """,
      right: """
        TOKEN = secret "a"
        """),
    DiagnosticCode(
      "C0045", "a key that no document can hold",
      """
      Keys are text, or 1, 2, 3, ... of a list without holes.
      """),
    DiagnosticCode(
      "C0046", "a list and a table at once",
      """
      In Lua one table can be both; in a document it cannot. A forgotten `=` is the usual cause.
      """,
      wrong: """
        env = { "PATH", HOME = "/root" }
        """,
      right: """
        env = { PATH = "/bin", HOME = "/root" }
        """),
    DiagnosticCode(
      "C0047", "a variable without a proper name",
      """
      A submitter sets a variable by its name: `-v gpus=4`.
      """,
      wrong: """
        gpus = var(int { min = 1 })
        """,
      right: """
        gpus = var("gpus", int { min = 1 })
        """),
    DiagnosticCode(
      "C0048", "a variable of two types",
      """
      A variable may fill several holes, and then all of them must declare it alike.
      """),
    DiagnosticCode(
      "C0049", "no such macro",
      """
      Macros in lower case are filled by the host. Names in upper case are taken from the agent's
      environment, as far as the agent's operator allows it.
      """,
      wrong: """
        name = "${runid}"
        """,
      right: """
        name = "${run_id}"
        """),
    DiagnosticCode(
      "C0050", "not a type",
      """
      Types are made by string, int, number, bool, choice, duration, size, secret, list, map, table, any
      and one_of.
      """,
      wrong: """
        config = table { bin = "string" }
        """,
      right: """
        config = table { bin = string() }
        """),
    DiagnosticCode(
      "C0051", "a default that does not fit its own type",
      """
      The default is what a run gets that sets nothing, so it must be a value of the type.
      """,
      wrong: """
        var("gpus", int { min = 1 }:default(0))
        """,
      right: """
        var("gpus", int { min = 1 }:default(1))
        """),
    DiagnosticCode(
      "C0052", "required and with a default",
      """
      A value with a default is never missing.
      """),
    DiagnosticCode(
      "C0053", "a choice of nothing",
      """
      A choice needs the values to choose from.
      """,
      wrong: """
        choice()
        """,
      right: """
        choice { "a", "b" }
        """),
    DiagnosticCode(
      "C0054", "a table type without its keys",
      """
      Tables are closed: a table type names its keys. An open document is any(), a table of equal values
      map(...).
      """),
    DiagnosticCode(
      "C0055", "an unknown option of a type",
      """
      Each type has its own options: string has pattern; int, number, duration and size have min and max;
      list has min and max.
      """,
      wrong: """
        int { minimum = 1 }
        """,
      right: """
        int { min = 1 }
        """),
    DiagnosticCode(
      "C0056", "nothing fits",
      """
      The smallest value allowed is above the largest.
      """,
      wrong: """
        int { min = 8, max = 1 }
        """,
      right: """
        int { min = 1, max = 8 }
        """),
    DiagnosticCode(
      "C0057", "a variable or a secret outside the resource",
      """
      Runs fill variables of the resource. What a queue itself is (its target, its limits) must be known when the file is
      read.
      """,
      wrong: """
        queue "gpu" { target = "process", concurrency = var("n", int()) }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 4 }
        """),
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
    DiagnosticCode(
      "S0001", "no such variable",
      """
      A run can only set the variables that its queue declares.
      """),
    DiagnosticCode(
      "S0002", "the queue does not allow it",
      """
      The queue's `override` says what a run may change.
      """),
    DiagnosticCode(
      "S0003", "a value that does not fit the variable",
      """
      The queue declares the type of each variable.
      """),
    DiagnosticCode(
      "S0004", "resource arguments for another target",
      """
      Resource arguments stand under the name of the target that they are for.
      """),
    DiagnosticCode(
      "S0005", "resource arguments are not a table",
      """
      They are laid over the queue's resource key by key.
      """),
    DiagnosticCode(
      "S0006", "a variable was not given",
      """
      The queue requires the variable and has no default for it.
      """),
    DiagnosticCode(
      "S0007", "the resource does not fit the target",
      """
      With the run's own values the resource is no longer what the target's driver takes.
      """),
    DiagnosticCode(
      "S0008", "the queue has no priorities",
      """
      Runs may only state a priority where the queue says `priorities = true`.
      """),
    DiagnosticCode(
      "S0009", "the queue builds nothing, and the job needs a build",
      """
      A queue with `builder = "noop"` takes jobs that run as they are: images, and, where the target runs folders, code
      and git jobs without dependencies. Other jobs belong on a queue that has a builder.
      """),
  ]
}
