extension DiagnosticCode {
  /// Codes of values in resource documents, of variables and of types.
  static let documents: [DiagnosticCode] = [
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
  ]
}
